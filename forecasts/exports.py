"""A run for programs that open neither GeoPackage nor Parquet: what a configuration may ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas
import pyogrio

from forecasts.frames import RUN
from forecasts.layers import Layers
from forecasts.schema import Forecast

if TYPE_CHECKING:
    import pandas as pd

# Web maps ask for tiles up to the deepest zoom there is and enlarge those.
ZOOMS = {"MINZOOM": 8, "MAXZOOM": 13}
TILE_BYTES = 2**24  # of one tile at most; cells are left out of larger ones


def write_exports(
    forecast: Forecast, layers: Layers, directory: Path, formats: Iterable[str]
) -> None:
    """Write a run's extra files into an existing directory; ``formats``: names of ``FORMATS``."""
    for name in formats:
        FORMATS[name](forecast, layers, directory)


def _write_csv(_: Forecast, layers: Layers, directory: Path) -> None:
    """``hotspots.csv``: with a point inside each area, and times in ISO 8601."""
    points = layers.hotspots.geometry.representative_point()
    rows = _times_as_text(layers.hotspots).drop(columns="geometry")
    rows = rows.assign(latitude=points.y.round(6), longitude=points.x.round(6))
    rows.to_csv(directory / "hotspots.csv", index=False, encoding="utf-8-sig")  # as Excel reads


def _times_as_text(frame: pd.DataFrame) -> pd.DataFrame:
    times = frame.select_dtypes("datetimetz").columns
    return frame.assign(**{name: frame[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ") for name in times})


def _write_geojson(_: Forecast, layers: Layers, directory: Path) -> None:
    """``hotspots.geojson``, by RFC 7946."""
    _write(layers.hotspots, directory / "hotspots.geojson", "GeoJSON", RFC7946="YES")


def _write_kml(_: Forecast, layers: Layers, directory: Path) -> None:
    """``hotspots.kml``: areas with their sentence, and a time span for the slider."""
    # The names that the driver makes a placemark's own elements of.
    names = {"label": "description", "valid_start": "begin", "valid_end": "end", "name": "Name"}
    _write(layers.hotspots.rename(columns=names), directory / "hotspots.kml", "LIBKML")


def _write_pmtiles(_: Forecast, layers: Layers, directory: Path) -> None:
    """``hotspots.pmtiles`` and ``shifts.pmtiles``: vector tiles for a web map."""
    for name in ("hotspots", "shifts"):
        rows = _times_as_text(layers.named()[name].drop(columns=list(RUN)))
        _write(
            geopandas.GeoDataFrame(rows, crs=layers.hotspots.crs),
            directory / f"{name}.pmtiles",
            "PMTiles",
            dataset_options={
                "NAME": name,
                "DESCRIPTION": "; ".join(str(layers.cells[part].iloc[0]) for part in RUN),
                "MAX_SIZE": TILE_BYTES,
                **ZOOMS,
            },
        )


def _write_geotiff(forecast: Forecast, _: Layers, directory: Path) -> None:
    """``probability_T.tif`` of every target T."""
    from forecasts.raster import write_geotiffs  # no other format needs rasterio

    write_geotiffs(forecast, directory)


def _write(
    rows: geopandas.GeoDataFrame,
    path: Path,
    driver: str,
    dataset_options: dict[str, object] | None = None,
    **layer_options: str,
) -> None:
    pyogrio.write_dataframe(
        rows,
        path,
        layer=path.stem,
        driver=driver,
        dataset_options=dataset_options,
        layer_options=layer_options,
    )


FORMATS: dict[str, Callable[[Forecast, Layers, Path], None]] = {
    "csv": _write_csv,
    "geojson": _write_geojson,
    "geotiff": _write_geotiff,
    "kml": _write_kml,
    "pmtiles": _write_pmtiles,
}
