"""A run's files for maps: GeoParquet for analysis, GeoPackage for every GIS, one picture."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import geopandas

from forecasts.exports import write_exports
from forecasts.frames import cells_frame, hours_frame, shifts_frame
from forecasts.geopackage import write_geopackage
from forecasts.hotspots import hotspots_frame
from forecasts.layers import Layers
from forecasts.map import write_map
from forecasts.project import GEOPACKAGE, write_project
from forecasts.schema import Forecast
from forecasts.stac import ITEM, item
from forecasts.validation import validate

PARQUET = {  # by layer
    "hours": "forecast.parquet",
    "shifts": "shifts.parquet",
    "hotspots": "hotspots.parquet",
    "cells": "cells.parquet",
}


def write_layers(forecast: Forecast, directory: Path, formats: Iterable[str] = ()) -> None:
    """Write a run's layers into an existing directory.

    ``forecast.parquet`` (the hours), ``shifts.parquet``, ``hotspots.parquet``, ``cells.parquet``;
    ``forecast.gpkg`` with all four; ``hotspots.qlr`` and ``hotspots.qgz``, which open it in QGIS;
    ``map.png``; the extra ``formats`` (exports.FORMATS); ``item.json`` (STAC), which names all that
    lies there. Styles and map show the first target.
    """
    layers = make_layers(forecast)
    for name, file in PARQUET.items():
        write_geoparquet(layers.named()[name], directory / file)
    write_geopackage(layers, directory / GEOPACKAGE)
    write_project(forecast, layers, directory)
    write_map(forecast, directory / "map.png", forecast.target_names[0])
    write_exports(forecast, layers, directory, formats)
    files = [path.name for path in directory.iterdir()]
    (directory / ITEM).write_text(json.dumps(item(forecast, files), indent=2) + "\n")


def make_layers(forecast: Forecast) -> Layers:
    """All layers of a run. Raises ValueError where one is not what its columns promise."""
    layers = Layers(
        forecast.target_names,
        hours_frame(forecast),
        shifts_frame(forecast),
        cells_frame(forecast),
        hotspots_frame(forecast),
    )
    validate(layers)
    return layers


def write_geoparquet(frame: geopandas.GeoDataFrame, path: Path) -> None:
    """Write a layer's frame as GeoParquet 1.1.0: WKB, EPSG:4326, zstd, a bounding box per row.

    Rows of a cell stand together and cells in Hilbert order, so that a row group covers a compact
    area and a reader of a small box skips most of them.
    """
    # WKB, because GeoArrow with a covering has crashed QGIS (its issue 58086).
    frame.to_parquet(
        path,
        index=False,
        geometry_encoding="WKB",
        schema_version="1.1.0",
        write_covering_bbox=True,
        compression="zstd",
        compression_level=3,  # 15 takes 0.4 s longer and saves a hundredth
        row_group_size=50_000,
    )
