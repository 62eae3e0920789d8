"""The city's outline and its frozen grid."""

from __future__ import annotations

from pathlib import Path

import geopandas
import pytest
import shapely
from tiny import BOX, make_config

from grids.snapshots import open_repository
from pipeline.errors import ConfigError, MissingInputError
from pipeline.place import make_grid, open_city, read_boundary

SQUARE = shapely.box(*BOX)
BOW_TIE = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])


def write(folder: Path, *shapes: shapely.Geometry, crs: int | None = 4326) -> str:
    path = str(folder / "shapes.gpkg")
    geopandas.GeoSeries(list(shapes), crs=crs).to_file(path)
    return path


def unasked() -> tuple[float, float, float, float]:
    raise AssertionError("the incidents were looked at, though the place is given")


def test_the_boundary_is_the_union_of_its_polygons(tmp_path):
    west, east = shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1)
    assert read_boundary(write(tmp_path, west, east)).equals(shapely.box(0, 0, 2, 1))


def test_broken_polygons_are_mended_and_other_shapes_left_out(tmp_path):
    line = shapely.LineString([(5, 5), (9, 9)])
    found = read_boundary(write(tmp_path, BOW_TIE, shapely.box(3, 0, 4, 1), line))
    assert found.area == pytest.approx(0.5 + 1)
    assert found.geom_type == "MultiPolygon"


def test_projected_boundaries_become_degrees(tmp_path):
    feet = geopandas.GeoSeries([SQUARE], crs=4326).to_crs(2232)[0]
    found = read_boundary(write(tmp_path, feet, crs=2232))
    assert found.symmetric_difference(SQUARE).area < 0.001 * SQUARE.area


def test_no_polygon_no_file_no_vector_file(tmp_path):
    with pytest.raises(ConfigError, match="holds no polygon: give the city's outline"):
        read_boundary(write(tmp_path, shapely.Point(1, 1)))
    with pytest.raises(MissingInputError, match="no file at"):
        read_boundary(str(tmp_path / "none.geojson"))
    (tmp_path / "text.geojson").write_text("no vector")
    with pytest.raises(ConfigError, match="is no vector file"):
        read_boundary(str(tmp_path / "text.geojson"))


def test_boundary_then_bounds_then_the_incidents(tmp_path):
    config = make_config(tmp_path)
    outline = make_grid(config, unasked)
    box = make_config(tmp_path, grid={"boundary": None, "bounds": [0, 0, 0.01, 0.01]})
    assert set(make_grid(box, unasked).cells).isdisjoint(outline.cells)
    neither = make_config(tmp_path, grid={"boundary": None})
    assert make_grid(neither, lambda: BOX).cells.tolist() == outline.cells.tolist()


def test_the_grid_is_frozen_and_another_configuration_refused(tmp_path):
    config = make_config(tmp_path)
    repository = open_repository(str(tmp_path / "cube"))
    first = open_city(config, repository, False, unasked)
    (tmp_path / "boundary.geojson").unlink()
    again = open_city(config, repository, True, unasked)
    assert again.grid.cells.tolist() == first.grid.cells.tolist()
    assert again.categories == config.grouping.names
    other = make_config(tmp_path, grid={"resolution": 8})
    with pytest.raises(ConfigError, match=r"was made with other columns.*another output\.path"):
        open_city(other, repository, True, unasked)
