"""Rasters: a target's probability as a cloud-optimised GeoTIFF, a band for every hour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray

from forecasts.frames import CRS, provenance
from forecasts.schema import Forecast
from grids.clock import EPOCH, HOUR, local_text
from grids.hexgrid import METRES_PER_DEGREE, HexGrid

ACROSS = 4  # pixels over a cell of the mean size, so that its outline is still one


def write_geotiffs(forecast: Forecast, directory: Path) -> None:
    """Write ``probability_T.tif`` of every target T into an existing directory.

    EPSG:4326, float32, nan where no cell is; each band's description is its hour by the city's
    clock, its tags ``valid_start`` and ``valid_end`` are UTC.
    """
    transform, cell = pixels(forecast.grid)
    outside = cell < 0
    for target in forecast.targets:
        bands = target.probability.astype(np.float32).T[:, cell]
        bands[:, outside] = np.nan
        _write(forecast, bands, transform, directory / f"probability_{target.name}.tif")


def pixels(grid: HexGrid) -> tuple[rasterio.Affine, NDArray[np.int32]]:
    """Where the pixels lie, and (row, column) the index of the cell at each centre, -1 for none."""
    west, south, east, north = shapely.total_bounds(grid.polygons)
    size = np.sqrt(grid.km2.mean()) * 1000 / ACROSS  # metres
    step_y = size / METRES_PER_DEGREE
    step_x = step_y / np.cos(np.radians((south + north) / 2))
    columns, rows = int(np.ceil((east - west) / step_x)), int(np.ceil((north - south) / step_y))
    lon = west + (np.arange(columns) + 0.5) * step_x
    lat = north - (np.arange(rows) + 0.5) * step_y
    where = np.meshgrid(lat, lon, indexing="ij")
    cell = grid.locate(*(each.ravel() for each in where)).reshape(rows, columns)
    return rasterio.Affine(step_x, 0, west, 0, -step_y, north), cell


def _write(
    forecast: Forecast, bands: NDArray[np.float32], transform: rasterio.Affine, path: Path
) -> None:
    count, height, width = bands.shape
    with rasterio.open(
        path, "w", driver="COG", count=count, height=height, width=width, dtype="float32",
        crs=CRS, transform=transform, nodata=np.nan, compress="deflate", predictor="YES",
        resampling="average",
    ) as raster:  # fmt: skip
        raster.write(bands)
        said = {name: str(value) for name, value in provenance(forecast).items()}
        raster.update_tags(**said)
        local = forecast.hours.times.tz_convert(forecast.timezone)
        for band, (hour, at) in enumerate(zip(forecast.hours, local, strict=True), start=1):
            start = EPOCH + hour * HOUR
            raster.set_band_description(band, local_text(at))
            raster.update_tags(
                band,
                valid_start=start.isoformat(),
                valid_end=(start + HOUR).isoformat(),
                lead_hours=band - 1,
            )
