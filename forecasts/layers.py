"""A run's files for maps: GeoParquet for analysis, GeoPackage for every GIS, one picture."""

from __future__ import annotations

from pathlib import Path

from forecasts.geopackage import write_geopackage
from forecasts.map import write_map
from forecasts.schema import Forecast, to_frame
from forecasts.validation import validate


def write_layers(forecast: Forecast, directory: Path) -> dict[str, Path]:
    """Write ``forecast.parquet``, ``forecast.gpkg`` and ``map.png`` into an existing directory.

    Style and map show the first target. Returns the paths by file name.
    """
    names = ("forecast.parquet", "forecast.gpkg", "map.png")
    paths = {name: directory / name for name in names}
    write_geoparquet(forecast, paths["forecast.parquet"])
    write_geopackage(forecast, paths["forecast.gpkg"])
    write_map(forecast, paths["map.png"], forecast.target_names[0])
    return paths


def write_geoparquet(forecast: Forecast, path: Path) -> None:
    """Write the layer as GeoParquet 1.1.0: WKB, EPSG:4326, zstd, a bounding box per row.

    Rows of a cell stand together and cells in Hilbert order, so that a row group covers a compact
    area and a reader of a small box skips most of them.
    """
    frame = to_frame(forecast)
    validate(frame, forecast.target_names)
    # WKB, because GeoArrow with a covering has crashed QGIS (its issue 58086).
    frame.to_parquet(
        path,
        index=False,
        geometry_encoding="WKB",
        schema_version="1.1.0",
        write_covering_bbox=True,
        compression="zstd",
        compression_level=15,
        row_group_size=50_000,
    )
