"""Where a city is: outlines, bounds and coordinates of every kind, found and tried."""

from __future__ import annotations

from pathlib import Path

import geopandas
import pandas as pd
import pytest
import shapely
from drafting import init, plain_rows
from dressed_clocks import split_window
from dressed_places import state_plane, utm_by_place
from init_cities import DENVER, write

from pipeline.errors import ConfigError
from pipeline.init.projections import Fit


def test_takes_the_outline_that_lies_beside(tmp_path: Path) -> None:
    path = write(plain_rows(), tmp_path / "denver.csv")
    lat, lon = DENVER
    city = geopandas.GeoSeries(
        [shapely.box(lon - 0.1, lat - 0.08, lon + 0.1, lat + 0.08)], crs=4326
    )
    city.to_crs(2232).to_file(tmp_path / "denver.gpkg")
    result, found = init(path, tmp_path)
    assert found["grid"] == {"boundary": "denver.gpkg"}
    assert 0.97 < result.kept < 1
    assert "outside the boundary" in result.path.read_text()


def test_an_outline_elsewhere_is_not_used(tmp_path: Path) -> None:
    path = write(plain_rows(), tmp_path / "denver.csv")
    geopandas.GeoSeries([shapely.box(2, 48, 3, 49)], crs=4326).to_file(tmp_path / "paris.geojson")
    result, found = init(path, tmp_path, boundary=tmp_path / "paris.geojson")
    assert "boundary" not in found["grid"]
    assert any("paris.geojson" in doubt for doubt in result.doubts)
    assert result.kept > 0.97


def test_the_outline_tells_the_coordinate_system(tmp_path: Path) -> None:
    path = utm_by_place(tmp_path).path  # UTM metres that also lie in other zones' cities
    box = shapely.box(-99.35, 19.2, -98.95, 19.6)
    geopandas.GeoSeries([box], crs=4326).to_file(tmp_path / "outline.geojson")
    _, found = init(path, tmp_path, boundary=tmp_path / "outline.geojson")
    assert found["source"]["crs"] == "EPSG:32614"
    assert found["grid"] == {"boundary": "outline.geojson"}


def test_fillers_do_not_move_the_bounds(tmp_path: Path) -> None:
    rows = plain_rows()
    rows.loc[rows.index[:600], ["latitude", "longitude"]] = ["0", "0"]
    rows.loc[rows.index[600:700], ["latitude", "longitude"]] = ["-1", "-1"]
    rows.loc[rows.index[700:800], ["latitude", "longitude"]] = ["39.99", "-105.4"]
    rows.loc[rows.index[800], ["latitude", "longitude"]] = ["41.5", "-104.9"]
    _, found = init(write(rows, tmp_path / "a.csv"), tmp_path)
    west, south, east, north = found["grid"]["bounds"]
    assert -105.2 < west < east < -104.7
    assert 39.5 < south < north < 39.95


def test_a_place_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no city on the list"):
        init(state_plane(tmp_path).path, tmp_path, place="Nowhereville")


def test_projected_places_agree_with_degrees_beside_them(tmp_path: Path) -> None:
    path = split_window(tmp_path).path
    rows = pd.read_csv(path[0], dtype=str, keep_default_na=False)
    rows.loc[::2, ["Latitude", "Longitude"]] = ""  # only half of the rows have degrees
    result, found = init(write(rows, tmp_path / "half.csv"), tmp_path)
    assert found["source"]["crs"] == "EPSG:2263"
    assert found["source"]["columns"]["x"] == "X_COORD_CD"
    assert "agrees with Latitude and Longitude" in result.path.read_text()
    assert result.kept > 0.99


def test_both_coordinates_in_one_text(tmp_path: Path) -> None:
    rows = plain_rows()
    point = "POINT (" + rows["longitude"] + " " + rows["latitude"] + ")"
    rows = rows.drop(columns=["latitude", "longitude"]).assign(Location=point)
    result, found = init(write(rows, tmp_path / "a.csv"), tmp_path)
    assert found["source"]["columns"]["latitude"] == "Location"
    assert found["source"]["columns"]["longitude"] == "Location"
    assert result.kept == 1


def test_decimal_commas(tmp_path: Path) -> None:
    rows = plain_rows()
    for name in ("latitude", "longitude"):
        rows[name] = rows[name].str.replace(".", ",")
    result, _ = init(write(rows, tmp_path / "a.csv", sep=";"), tmp_path)
    assert result.kept == 1


def test_a_place_that_only_its_size_speaks_for_is_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = Fit("2232", "NAD83 / Colorado Central (ftUS)", *DENVER, 3.0)
    monkeypatch.setattr("pipeline.init.places.fit_anywhere", lambda x, y: [fit])
    path = state_plane(tmp_path).path
    rows = pd.read_csv(path[0], dtype=str, keep_default_na=False)
    result, found = init(write(rows, tmp_path / "export.csv"), tmp_path)
    assert found["source"]["crs"] == "EPSG:2232"
    said = "nothing says that the incidents lie around Denver"
    assert any(said in doubt for doubt in result.doubts)
    assert any(said in line for line in result.lines)
    named, _ = init(path, tmp_path / "named")
    assert not any("nothing says" in doubt for doubt in named.doubts)
