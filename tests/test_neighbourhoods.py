"""Cells by the names of the boundary's parts."""

from pathlib import Path

import geopandas
import pytest
import shapely
from forecast_cases import GRID

from pipeline.config import GridConfig
from pipeline.errors import ConfigError
from pipeline.neighbourhoods import name_cells, require_names, try_names

WEST, MIDDLE, EAST = -104.9995, -104.98, -104.97


def boundary(folder: Path, **columns: object) -> str:
    """Two parts with a gap in the east, where the last cells lie."""
    parts = [shapely.box(WEST, 39.7, MIDDLE, 39.8), shapely.box(MIDDLE, 39.7, EAST, 39.8)]
    frame = geopandas.GeoDataFrame(columns, geometry=parts, crs="EPSG:4326")
    frame.to_file(folder / "city.geojson")
    return str(folder / "city.geojson")


def test_a_cell_is_in_the_part_that_holds_its_centre_or_the_nearest(tmp_path):
    path = boundary(tmp_path, name=["West End", "Five Points"])
    found = name_cells(GridConfig(boundary=path), GRID)
    lon = GRID.centroids[1]
    assert (lon > EAST).any()
    assert list(found) == ["West End" if at < MIDDLE else "Five Points" for at in lon]


def test_a_boundary_in_metres_is_read_alike(tmp_path):
    here = name_cells(GridConfig(boundary=boundary(tmp_path, name=["a", "b"])), GRID)
    frame = geopandas.read_file(tmp_path / "city.geojson").to_crs(26913)
    frame.to_file(tmp_path / "metres.gpkg")
    assert name_cells(GridConfig(boundary=str(tmp_path / "metres.gpkg")), GRID) == here


def test_the_column_can_be_named(tmp_path):
    path = boundary(tmp_path, nbhd=["West End", "Five Points"], name=["1", "2"])
    found = name_cells(GridConfig(boundary=path, names="nbhd"), GRID)
    assert set(found) == {"West End", "Five Points"}


def test_a_column_that_was_asked_for_must_be_there(tmp_path):
    path = boundary(tmp_path, title=["a", "b"])
    with pytest.raises(ConfigError, match=r"grid.names: .* has no column nbhd: it has title"):
        name_cells(GridConfig(boundary=path, names="nbhd"), GRID)


@pytest.mark.parametrize("other", [None, "Denver"])
def test_one_name_tells_no_place_from_another(tmp_path, other):
    path = boundary(tmp_path, name=["Denver", other])
    assert name_cells(GridConfig(boundary=path), GRID) == ()


def test_no_night_fails_for_a_name(tmp_path, caplog):
    path = boundary(tmp_path, title=["a", "b"])
    with pytest.raises(ConfigError):
        require_names(GridConfig(boundary=path, names="nbhd"))
    assert try_names(GridConfig(boundary=path, names="nbhd"), GRID) == ()
    Path(path).write_text("no vector file")
    assert try_names(GridConfig(boundary=path), GRID) == ()
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "without neighbourhoods"
    ] * 2


def test_without_names_there_are_none(tmp_path):
    assert name_cells(GridConfig(), GRID) == ()
    assert name_cells(GridConfig(boundary=str(tmp_path / "gone.geojson")), GRID) == ()
    assert name_cells(GridConfig(boundary=boundary(tmp_path, title=["a", "b"])), GRID) == ()
    assert name_cells(GridConfig(boundary=boundary(tmp_path, name=[None, None])), GRID) == ()
