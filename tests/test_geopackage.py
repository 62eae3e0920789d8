"""The GeoPackage: its layers as they were made, by its standard, and in little room."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pyogrio
import pytest
import shapely
from forecast_cases import GRID, tiny_forecast
from test_writing import assert_same_values

from forecasts.geopackage import write_geopackage
from forecasts.layers import Layers
from forecasts.writing import make_layers


@pytest.fixture(scope="module")
def layers() -> Layers:
    return make_layers(tiny_forecast())


@pytest.fixture(scope="module")
def frame(layers):
    return layers.hours


@pytest.fixture(scope="module")
def geopackage(layers, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("gpkg") / "forecast.gpkg"
    write_geopackage(layers, path)
    return path


def query(path, sql, *values):
    with closing(sqlite3.connect(path)) as database:
        return database.execute(sql, values).fetchall()


@pytest.mark.parametrize("name", ["hours", "shifts", "hotspots", "cells"])
def test_every_layer_of_the_geopackage_reads_back(geopackage, layers, name):
    frame = layers.named()[name]
    found = pyogrio.read_dataframe(geopackage, layer=name)
    assert list(found.columns) == list(frame.columns)
    assert_same_values(found, frame)
    assert found.crs == "EPSG:4326"
    assert shapely.equals(found.geometry.array, frame.geometry.array).all()
    kept = ("float32", "int16", "bool")
    wanted = {n: str(d) for n, d in frame.dtypes.items() if str(d) in kept}
    assert {name: str(found[name].dtype) for name in wanted} == wanted


def test_geopackage_holds_every_geometry_once(geopackage):
    cells = pyogrio.read_dataframe(geopackage, layer="cells")
    assert cells["hex_id"].tolist() == GRID.hex_ids
    assert shapely.equals(cells.geometry.array, GRID.polygons).all()


def test_geopackage_box_selects_the_hours_of_its_cells(geopackage):
    box = (-104.985, 39.735, -104.98, 39.74)
    cells = pyogrio.read_dataframe(geopackage, layer="cells", bbox=box)
    hours = pyogrio.read_dataframe(geopackage, layer="hours", bbox=box)
    assert 0 < len(cells) < len(GRID)
    assert set(hours["hex_id"]) == set(cells["hex_id"])
    assert len(hours) == 24 * len(cells)


def test_geopackage_registers_its_layers(geopackage):
    kinds = dict(query(geopackage, "SELECT table_name, data_type FROM gpkg_contents"))
    assert kinds == {
        "cells": "features",
        "hotspots": "features",
        "hours": "features",
        "shifts": "features",
        "values_of_hours": "attributes",
        "periods_of_hours": "attributes",
        "values_of_shifts": "attributes",
        "periods_of_shifts": "attributes",
        "layer_styles": "attributes",
    }
    geometry = "SELECT column_name, geometry_type_name, srs_id FROM gpkg_geometry_columns"
    assert set(query(geopackage, geometry)) == {("geom", "POLYGON", 4326)}
    extent = "SELECT DISTINCT min_x, min_y, max_x, max_y FROM gpkg_contents"
    extents = query(geopackage, f"{extent} WHERE table_name IN ('cells', 'hours', 'shifts')")
    assert extents == [pytest.approx(shapely.total_bounds(GRID.polygons))]


def test_geopackage_times_are_text_with_milliseconds(geopackage):
    six, seven = "2024-09-01T06:00:00.000Z", "2024-09-01T07:00:00.000Z"
    for layer, end in (("hours", seven), ("hotspots", "2024-09-01T12:00:00.000Z")):
        times = f"SELECT valid_start, valid_end, as_of, reference_time FROM {layer} LIMIT 1"
        assert query(geopackage, times) == [(six, end, six, six)]


def test_geopackage_rows_have_unique_ids(geopackage, frame):
    ids = [row[0] for row in query(geopackage, "SELECT OGC_FID FROM hours")]
    assert sorted(ids) == list(range(1, len(frame) + 1))


def test_geopackage_join_runs_on_primary_keys(geopackage):
    steps = [row[3] for row in query(geopackage, "EXPLAIN QUERY PLAN SELECT * FROM hours")]
    assert [step.split()[0] for step in steps] == ["SCAN", "SEARCH", "SEARCH"]
    assert all("USING INTEGER PRIMARY KEY" in step for step in steps[1:])


def test_geopackage_has_one_default_style_per_layer(geopackage):
    styles = query(geopackage, "SELECT f_table_name, useAsDefault, styleQML FROM layer_styles")
    assert [style[:2] for style in styles] == [
        (name, 1) for name in ("hotspots", "shifts", "hours", "cells")
    ]
    assert all(qml.startswith("<!DOCTYPE qgis") and "$" not in qml for *_, qml in styles)


def test_an_old_geopackage_is_replaced(tmp_path, geopackage):
    path = tmp_path / "forecast.gpkg"
    path.write_bytes(geopackage.read_bytes())
    write_geopackage(make_layers(tiny_forecast(names=("property",))), path)
    assert "property_rank" in pyogrio.read_info(path, layer="hours")["fields"]
    assert "all_rank" not in pyogrio.read_info(path, layer="hours")["fields"]


def test_a_disk_that_is_full_is_told_as_such(layers, tmp_path, monkeypatch):
    """GDAL says instead that a table is missing which it could not make."""

    def fail(*_: object, **__: object) -> None:
        raise pyogrio.errors.FeatureError("no such table: gpkg_contents")

    monkeypatch.setattr(pyogrio, "write_dataframe", fail)
    with pytest.raises(pyogrio.errors.FeatureError):
        write_geopackage(layers, tmp_path / "a.gpkg")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(OSError, match="No space left on device"):
        write_geopackage(layers, tmp_path / "a.gpkg")
