"""The city's grid: made from its boundary, box or extent on the first night, then frozen."""

from __future__ import annotations

from collections.abc import Callable

import fsspec
import geopandas
import icechunk
import pyogrio.errors
import shapely

from grids.cube import CubeInfo, create_cube, hour_of, read_info
from grids.hexgrid import HexGrid
from grids.snapshots import BRANCH
from pipeline.config import Config
from pipeline.errors import ConfigError, MissingInputError

Bounds = tuple[float, float, float, float]


def read_boundary(path: str) -> shapely.Geometry:
    """The union of the polygons in a vector file, EPSG:4326.

    Raises MissingInputError where there is no file, ConfigError where it holds no polygon.
    """
    filesystem, name = fsspec.core.url_to_fs(path)
    if not filesystem.exists(name):
        raise MissingInputError(f"grid.boundary: no file at {path}: check the path, or deliver it")
    try:
        frame = geopandas.read_file(path)
    except pyogrio.errors.DataSourceError as fault:
        raise ConfigError(f"grid.boundary: {path} is no vector file: {fault}") from fault
    frame = frame.to_crs(4326) if frame.crs else frame
    union = shapely.make_valid(frame.geometry.make_valid().union_all())
    if union.is_empty or union.area == 0:
        raise ConfigError(f"grid.boundary: {path} holds no polygon: give the city's outline")
    parts = shapely.get_parts(shapely.get_parts(union))  # a collection can hold multipolygons
    return shapely.MultiPolygon([part for part in parts if part.geom_type == "Polygon"])


def make_grid(config: Config, extent: Callable[[], Bounds]) -> HexGrid:
    """Cells over the boundary, else over the box, else over the incidents' own extent."""
    if config.grid.boundary:
        return HexGrid.from_polygon(read_boundary(config.grid.boundary), config.grid.resolution)
    bounds = config.grid.bounds or extent()
    try:
        return HexGrid.from_extent(*bounds, config.grid.resolution)
    except ValueError as fault:
        raise ConfigError(f"the city's extent {bounds} holds no cells: give grid.bounds") from fault


def is_created(repository: icechunk.Repository) -> bool:
    """Whether the repository holds a cube; a new one is empty."""
    snapshots = repository.ancestry(branch=BRANCH)
    return sum(1 for _ in zip(range(2), snapshots, strict=False)) > 1


def open_city(
    config: Config,
    repository: icechunk.Repository,
    is_begun: bool,
    extent: Callable[[], Bounds],
) -> CubeInfo:
    """The city's grid and axes: made on the first call, and frozen once the store ``is_begun``.

    A first night that could take nothing in freezes nothing: its configuration may be mended.
    Raises ConfigError where the store was made with a configuration that gives other cubes.
    """
    if not is_begun or not is_created(repository):
        grid = make_grid(config, extent)
        made_with = {
            "city": config.name,
            "configuration": config.store_fingerprint,
            "date_formats": list(config.source.date_formats),
        }
        create_cube(repository, grid, config.grouping.names, hour_of(config.start), made_with)
    info = read_info(repository.readonly_session(BRANCH).store)
    require_same_store(config, info)
    return info


def require_same_store(config: Config, info: CubeInfo) -> None:
    """Raise ConfigError where the configuration would have made another store than there is."""
    # Rows that a format could read are read by it still, whatever formats are added after it.
    formats = list(info.attributes.get("date_formats", ()))
    is_read_alike = formats == list(config.source.date_formats)[: len(formats)]
    if info.attributes["configuration"] != config.store_fingerprint or not is_read_alike:
        root = config.output.path
        raise ConfigError(
            f"{root} was made with other columns, groups, grid, timezone, start, delivery lag, "
            "date formats or retracted statuses than the configuration now has: undo that, give "
            f"another output.path, or delete {root}/silver and {root}/cube, and the next run makes "
            f"them again from {root}/bronze"
        )
