"""Where every cell lies, by the names of the boundary's parts: for people, not for the model."""

from __future__ import annotations

import logging

import fsspec
import geopandas
import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray

from grids.hexgrid import HexGrid
from pipeline.config import GridConfig
from pipeline.errors import ConfigError

_LOG = logging.getLogger(__name__)


def try_names(config: GridConfig, grid: HexGrid) -> tuple[str, ...]:
    """As ``name_cells``; a warning and none where that fails, since no forecast needs them."""
    try:
        return name_cells(config, grid)
    except (ConfigError, pyogrio.errors.DataSourceError) as fault:
        _LOG.warning("without neighbourhoods: %s", fault)
        return ()


def name_cells(config: GridConfig, grid: HexGrid) -> tuple[str, ...]:
    """(cell,) the neighbourhood that each cell's centre lies in, or is nearest to.

    Empty where the boundary's file is not there any more, or names no two parts. Raises ConfigError
    for a column that was asked for and is not there.
    """
    frame = _named_parts(config)
    if frame is None:
        return ()
    frame = frame.to_crs(4326) if frame.crs else frame
    known = frame[frame[config.names].notna() & ~(frame.geometry.isna() | frame.geometry.is_empty)]
    texts = known[config.names].astype("str").to_numpy()
    if len(set(texts)) < 2:  # the city's own name tells no place from another
        return ()
    return tuple(texts[nearest(known.geometry.make_valid().to_numpy(), grid)].tolist())


def require_names(config: GridConfig) -> None:
    """Raise ConfigError for a column that was asked for and is not there."""
    _named_parts(config)


def _named_parts(config: GridConfig) -> geopandas.GeoDataFrame | None:
    """The boundary's file where it is there and has the column."""
    if not config.boundary:
        return None
    filesystem, name = fsspec.core.url_to_fs(config.boundary)
    if not filesystem.exists(name):
        return None
    frame = geopandas.read_file(config.boundary)
    if config.names in frame:
        return frame
    if "names" in config.model_fields_set:
        columns = ", ".join(frame.columns.drop("geometry"))
        raise ConfigError(
            f"grid.names: {config.boundary} has no column {config.names}: it has {columns}"
        )
    return None


def nearest(shapes: NDArray[np.object_], grid: HexGrid) -> NDArray[np.int64]:
    """(cell,) index of the shape (EPSG:4326) nearest to each centre; of several the first."""
    lat, lon = grid.centroids
    # A degree of longitude is shorter than one of latitude: on a plane where they are alike.
    stretch = np.array([np.cos(np.radians(lat.mean())), 1.0])
    places = shapely.transform(shapes, lambda points: points * stretch)
    points = shapely.points(np.column_stack([lon, lat]) * stretch)
    found = np.full(len(grid), len(shapes), np.int64)
    # Distances to a coast are slow: only of what lies in no shape.
    shape, cell = shapely.STRtree(points).query(places, predicate="intersects")
    np.minimum.at(found, cell, shape)
    outside = np.flatnonzero(found == len(shapes))
    cell, shape = shapely.STRtree(places).query_nearest(points[outside], all_matches=True)
    np.minimum.at(found, outside[cell], shape)
    return found
