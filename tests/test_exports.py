"""The extra formats, each read by something that did not write it."""

import codecs
import gzip
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import get_args

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
import shapely
from forecast_cases import GRID, counted, tiny_forecast
from pmtiles.reader import MmapSource, Reader
from rio_cogeo.cogeo import cog_validate

from forecasts.exports import FORMATS, ZOOMS, write_exports
from forecasts.layers import Layers
from forecasts.schema import Forecast
from forecasts.writing import make_layers
from grids.hexgrid import HexGrid
from pipeline.config import Output


@pytest.fixture(scope="module")
def forecast() -> Forecast:
    return replace(tiny_forecast(), hotspot_share=0.3)


@pytest.fixture(scope="module")
def layers(forecast) -> Layers:
    return make_layers(forecast)


@pytest.fixture(scope="module")
def folder(forecast, layers, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    write_exports(forecast, layers, folder, FORMATS)
    return folder


def test_a_configuration_may_ask_for_every_format_there_is():
    (names, _) = get_args(Output.model_fields["formats"].annotation)
    assert get_args(names) == tuple(FORMATS)


def test_only_what_is_asked_for_is_written(forecast, layers, tmp_path):
    write_exports(forecast, layers, tmp_path, ("csv", "kml"))
    assert {path.name for path in tmp_path.iterdir()} == {"hotspots.csv", "hotspots.kml"}


def test_csv_has_the_hotspots_and_a_point_in_each(folder, layers):
    assert (folder / "hotspots.csv").read_bytes().startswith(codecs.BOM_UTF8)  # for Excel
    found = pd.read_csv(folder / "hotspots.csv", parse_dates=["valid_start", "valid_end"])
    assert found["label"].tolist() == layers.hotspots["label"].tolist()
    assert (found["valid_start"] == layers.hotspots["valid_start"]).all()
    points = shapely.points(found["longitude"], found["latitude"])
    assert shapely.contains(layers.hotspots.geometry.array, points).all()


def test_geojson_is_of_the_standard(folder, layers):
    body = json.loads((folder / "hotspots.geojson").read_text())
    assert "crs" not in body  # RFC 7946: always WGS 84
    assert body["features"][0]["properties"]["valid_start"] == "2024-09-01T06:00:00Z"
    outer = [shapely.LinearRing(f["geometry"]["coordinates"][0]) for f in body["features"]]
    assert shapely.is_ccw(outer).all()
    found = geopandas.read_file(folder / "hotspots.geojson")
    assert found["name"].tolist() == layers.hotspots["name"].tolist()
    assert shapely.equals_exact(
        shapely.normalize(found.geometry.array),
        shapely.normalize(layers.hotspots.geometry.array),
        1e-6,
    ).all()


def test_kml_has_a_place_and_a_time_span_for_each(folder, layers):
    space = {"k": "http://www.opengis.net/kml/2.2"}
    marks = ET.parse(folder / "hotspots.kml").findall(".//k:Placemark", space)
    assert [mark.findtext("k:name", namespaces=space) for mark in marks] == layers.hotspots[
        "name"
    ].tolist()
    assert [m.findtext("k:description", namespaces=space) for m in marks] == layers.hotspots[
        "label"
    ].tolist()
    first = marks[0].find("k:TimeSpan", space)
    assert [each.text for each in first] == ["2024-09-01T06:00:00Z", "2024-09-01T12:00:00Z"]


@pytest.mark.parametrize("name", ["hotspots", "shifts"])
def test_pmtiles_hold_the_grid_at_every_zoom(folder, name):
    with (folder / f"{name}.pmtiles").open("rb") as file:
        reader = Reader(MmapSource(file))
        header, about = reader.header(), reader.metadata()
        assert (header["min_zoom"], header["max_zoom"]) == (ZOOMS["MINZOOM"], ZOOMS["MAXZOOM"])
        assert [layer["id"] for layer in about["vector_layers"]] == [name]
        assert {"valid_start", "shift"} <= about["vector_layers"][0]["fields"].keys()
        west, north = header["min_lon_e7"] / 1e7, header["max_lat_e7"] / 1e7
        assert (west, north) == pytest.approx(
            (shapely.total_bounds(GRID.polygons)[[0, 3]]), abs=0.01
        )
        for zoom in range(header["min_zoom"], header["max_zoom"] + 1):
            tile = reader.get(zoom, *tile_of(*(each.mean() for each in GRID.centroids), zoom))
            assert tile is not None
            assert name.encode() in gzip.decompress(tile)


def test_no_cell_of_a_city_is_left_out_of_a_tile(forecast, tmp_path):
    """All of one lies in a tile or two where the map is smallest."""
    grid = HexGrid.from_extent(-105.1, 39.6, -104.8, 39.9, 9)
    assert len(grid) > 5000
    rates = np.random.default_rng(3).gamma(0.5, 0.1, (len(grid), 24))
    targets = tuple(counted(name, rates, rates, "x") for name in ("all", "violent", "property"))
    wide = replace(forecast, grid=grid, targets=targets, neighbourhoods=())
    write_exports(wide, make_layers(wide), tmp_path, ("pmtiles",))
    found = pyogrio.read_dataframe(
        tmp_path / "shifts.pmtiles", ZOOM_LEVEL=ZOOMS["MINZOOM"], read_geometry=False
    )
    assert set(found["hex_id"]) == set(grid.hex_ids)
    assert set(found["shift"]) == {"day", "evening", "night"}


def tile_of(lat: float, lon: float, zoom: int) -> tuple[int, int]:
    """Column and row of the tile that holds a point, in Web Mercator."""
    across = 2**zoom
    y = np.arcsinh(np.tan(np.radians(lat))) / np.pi
    return int((lon / 360 + 0.5) * across), int((1 - y) / 2 * across)


@pytest.mark.parametrize("target", ["all", "violent"])
def test_geotiff_is_cloud_optimised_and_has_every_hour(folder, forecast, target):
    path = folder / f"probability_{target}.tif"
    whole, errors, warnings = cog_validate(path, quiet=True)
    assert (whole, errors) == (True, [])
    assert warnings == []
    with rasterio.open(path) as raster:
        assert (raster.count, raster.crs.to_epsg()) == (24, 4326)
        assert raster.descriptions[14] == "2024-09-01 14:00 -06:00"
        assert raster.tags(15)["valid_start"] == "2024-09-01T20:00:00+00:00"
        assert raster.tags(15)["lead_hours"] == "14"
        assert raster.tags()["run_id"] == forecast.run_id
        assert {"reference_time", "as_of", "model"} <= raster.tags().keys()
        lat, lon = GRID.centroids
        values = np.array(list(raster.sample(zip(lon, lat, strict=True))))
        found = raster.read(1)
    expected = forecast.target(target).probability.astype(np.float32)
    assert values == pytest.approx(expected)
    # Beyond the cells there is nothing, and the cells are as large as they are.
    cells = shapely.area(GRID.polygons).sum() / abs(raster.transform.a * raster.transform.e)
    assert np.isfinite(found).sum() == pytest.approx(cells, rel=0.02)
