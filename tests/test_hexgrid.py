"""The grid: what it covers, its order, where points fall, and who is whose neighbour."""

from __future__ import annotations

import h3
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyproj import Geod

from grids.hexgrid import OUTSIDE, HexGrid, hex_ids, locate_cells

WEST, SOUTH, EAST, NORTH = -105.02, 39.70, -104.96, 39.76
LEFT = shapely.Polygon([(-105.02, 39.70), (-104.98, 39.70), (-105.0, 39.76)])
# Its edge runs through cells of LEFT, without touching LEFT.
RIGHT = shapely.Polygon([(-104.9795, 39.70), (-104.96, 39.70), (-104.9795, 39.74)])
GRID = HexGrid.from_extent(WEST, SOUTH, EAST, NORTH, 9)
NUMBERS = h3.api.basic_int
SEEDED = settings(derandomize=True, deadline=None)


def points_in(shape: shapely.Geometry, size: int) -> tuple[NDArray, NDArray]:
    """Latitude and longitude of points in ``shape``, its corners among them."""
    west, south, east, north = shape.bounds
    rng = np.random.default_rng(3)
    points = shapely.points(rng.uniform(west, east, size), rng.uniform(south, north, size))
    points = points[shapely.contains(shape, points)]
    corners = shapely.get_coordinates(shape)
    lon, lat = np.concatenate([shapely.get_coordinates(points), corners]).T
    return lat, lon


# What it covers


@pytest.mark.parametrize("resolution", [7, 8, 9])
@pytest.mark.parametrize("shape", [LEFT, RIGHT, shapely.MultiPolygon([LEFT, RIGHT])])
def test_every_point_of_the_polygon_falls_in_a_cell(
    shape: shapely.Geometry, resolution: int
) -> None:
    grid = HexGrid.from_polygon(shape, resolution)
    lat, lon = points_in(shape, 3000)
    assert len(lat) > 500
    assert (grid.locate(lat, lon) != OUTSIDE).all()


def test_every_cell_overlaps_the_polygon() -> None:
    grid = HexGrid.from_polygon(LEFT, 9)
    assert shapely.intersects(LEFT, grid.polygons).all()
    assert not shapely.contains(LEFT, grid.polygons).all()


def test_parts_of_a_multipolygon_that_share_a_cell_give_it_once() -> None:
    left, right = (set(HexGrid.from_polygon(part, 9).cells.tolist()) for part in (LEFT, RIGHT))
    both = HexGrid.from_polygon(shapely.MultiPolygon([LEFT, RIGHT]), 9)
    assert left & right
    assert set(both.cells.tolist()) == left | right
    assert len(both) == len(left | right)


def test_extent_is_its_box() -> None:
    box = HexGrid.from_polygon(shapely.box(WEST, SOUTH, EAST, NORTH), 9)
    np.testing.assert_array_equal(GRID.cells, box.cells)


def test_a_polygon_within_one_cell_gives_that_cell() -> None:
    lat, lon = NUMBERS.cell_to_latlng(int(GRID.cells[0]))
    grid = HexGrid.from_extent(lon - 1e-5, lat - 1e-5, lon + 1e-5, lat + 1e-5, 9)
    np.testing.assert_array_equal(grid.cells, GRID.cells[:1])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (shapely.Polygon(), "empty Polygon"),
        (shapely.MultiPolygon(), "empty MultiPolygon"),
        (shapely.Point(-105, 39.7), "this is Point"),
        (shapely.GeometryCollection([LEFT]), "this is GeometryCollection"),
    ],
)
def test_what_has_no_area_is_refused(shape: shapely.Geometry, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HexGrid.from_polygon(shape, 9)


def test_impossible_grids_are_refused() -> None:
    for resolution in (-1, 16):
        with pytest.raises(ValueError, match="use 0 to 15"):
            HexGrid.from_polygon(LEFT, resolution)
        with pytest.raises(ValueError, match="use 0 to 15"):
            HexGrid(resolution, GRID.cells)
    with pytest.raises(ValueError, match="no cells"):
        HexGrid(9, np.array([], np.uint64))
    with pytest.raises(ValueError, match="repeats a cell"):
        HexGrid(9, np.repeat(GRID.cells[:3], 2))


# Its order


def step_km(grid: HexGrid, order: NDArray) -> float:
    lat, lon = (axis[order] for axis in grid.centroids)
    east = np.diff(lon) * 111.2 * np.cos(np.radians(39.7))
    return float(np.hypot(np.diff(lat) * 111.2, east).mean())


def test_neighbours_in_the_order_are_neighbours_in_space() -> None:
    shuffled = np.random.default_rng(5).permutation(len(GRID))
    assert step_km(GRID, np.arange(len(GRID))) < 0.25 * step_km(GRID, shuffled)
    assert step_km(GRID, np.arange(len(GRID))) < step_km(GRID, np.argsort(GRID.cells))


def test_order_depends_on_the_area_alone() -> None:
    ring = shapely.Polygon(shapely.get_coordinates(LEFT)[[1, 2, 0, 1]])
    again = HexGrid.from_polygon(ring.reverse(), 9)
    np.testing.assert_array_equal(again.cells, HexGrid.from_polygon(LEFT, 9).cells)


# Where points fall


@SEEDED
@given(
    st.lists(
        st.tuples(
            st.floats(SOUTH - 0.02, NORTH + 0.02) | st.floats(-90, 90),
            st.floats(WEST - 0.02, EAST + 0.02) | st.floats(-180, 180),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_locate_is_what_h3_says(points: list[tuple[float, float]]) -> None:
    lat, lon = np.array(points).T
    cells = [NUMBERS.latlng_to_cell(*point, 9) for point in points]
    np.testing.assert_array_equal(locate_cells(lat, lon, 9), np.array(cells, np.uint64))
    place = {cell: index for index, cell in enumerate(GRID.cells.tolist())}
    found = GRID.locate(lat, lon)
    assert found.dtype == np.int32
    assert found.tolist() == [place.get(cell, OUTSIDE) for cell in cells]


def test_impossible_coordinates_are_outside() -> None:
    bad = [(np.nan, -105), (39.7, np.nan), (np.inf, -105), (39.7, -np.inf), (90.1, 0), (0, 180.1)]
    lat, lon = np.array([*bad, (39.73, -105.0)]).T
    assert locate_cells(lat, lon, 9)[:-1].tolist() == [0] * len(bad)
    located = GRID.locate(lat, lon)
    assert (located[:-1] == OUTSIDE).all()
    assert located[-1] >= 0


def test_no_points_are_located_nowhere() -> None:
    assert GRID.locate([], []).shape == (0,)


def test_index_of_is_the_place_in_the_order() -> None:
    order = np.random.default_rng(1).permutation(len(GRID))
    np.testing.assert_array_equal(GRID.index_of(GRID.cells[order]), order)
    far = locate_cells([0.0, np.nan], [0.0, 0.0], 9)
    np.testing.assert_array_equal(GRID.index_of(far), [OUTSIDE, OUTSIDE])


def test_shapes_of_cells_hold_their_centres() -> None:
    lat, lon = GRID.centroids
    np.testing.assert_array_equal(GRID.locate(lat, lon), np.arange(len(GRID)))
    assert shapely.contains_xy(GRID.polygons, lon, lat).all()


@pytest.mark.parametrize(
    "grid",
    [GRID, HexGrid.from_extent(-20, 40, 20, 60, 3)],  # the second lies across edges of H3's solid
    ids=["city", "continent"],
)
def test_shapes_of_neighbours_meet_without_gap_or_overlap(grid: HexGrid) -> None:
    assert shapely.is_valid(grid.polygons).all()
    assert shapely.coverage_is_valid(grid.polygons)


# Its neighbours


def test_cells_beside_a_cell_are_those_that_h3_says() -> None:
    counts = set()
    for index in range(len(GRID)):
        around = [h3.str_to_int(cell) for cell in h3.grid_ring(GRID.hex_ids[index], 1)]
        inside = GRID.index_of(np.array(around, np.uint64))
        assert set(GRID.beside(index)) == set(inside[inside != OUTSIDE])
        counts.add(len(GRID.beside(index)))
    assert {3, 6} <= counts


@pytest.mark.parametrize("k", [1, 2, 3])
def test_ring_is_the_mean_over_h3s_ring_inside_the_grid(k: int) -> None:
    values = np.random.default_rng(k).random(len(GRID))
    cut_short = 0
    oracle = np.zeros(len(GRID))
    for index, cell in enumerate(GRID.cells):
        ring = np.array(NUMBERS.grid_ring(int(cell), k), np.uint64)
        inside = GRID.index_of(ring)
        inside = inside[inside != OUTSIDE]
        cut_short += len(inside) < len(ring)
        oracle[index] = values[inside].mean() if len(inside) else 0.0
    assert 0 < cut_short < len(GRID)
    np.testing.assert_allclose(GRID.ring(k) @ values, oracle)


def test_a_cell_without_neighbours_has_a_ring_of_zero() -> None:
    alone = HexGrid(9, GRID.cells[:1])
    assert (alone.ring(1) @ np.ones(1)).tolist() == [0.0]


# Its stored form


def test_stored_attributes_give_the_same_grid() -> None:
    again = HexGrid.from_dict(GRID.to_dict(), GRID.cells.tolist())
    assert again.resolution == GRID.resolution
    assert again.cells.dtype == np.uint64
    np.testing.assert_array_equal(again.cells, GRID.cells)


def test_foreign_attributes_are_refused() -> None:
    with pytest.raises(ValueError, match="'healpix', not 'h3'"):
        HexGrid.from_dict({"grid_name": "healpix", "level": 9}, GRID.cells)
    with pytest.raises(ValueError, match="grid_name is None"):
        HexGrid.from_dict({"level": 9}, GRID.cells)
    with pytest.raises(ValueError, match="attribute level"):
        HexGrid.from_dict({"grid_name": "h3"}, GRID.cells)


def test_hex_ids_are_h3s_text() -> None:
    assert GRID.hex_ids == hex_ids(GRID.cells)
    assert [h3.str_to_int(text) for text in GRID.hex_ids] == GRID.cells.tolist()


def test_metres_are_distances_on_the_ground() -> None:
    grid = HexGrid.from_extent(-105.1, 39.6, -104.9, 39.8, 8)
    lat, lon = grid.centroids
    geod = Geod(ellps="sphere")
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, len(grid), (2, 200))
    _, _, truth = geod.inv(lon[a], lat[a], lon[b], lat[b])
    flat = np.linalg.norm(grid.metres[a] - grid.metres[b], axis=1)
    np.testing.assert_allclose(flat, truth, rtol=3e-3)
    assert truth.max() > 15_000


def test_parents_hold_their_cells() -> None:
    grid = HexGrid.from_extent(-105.02, 39.70, -105.0, 39.72, 9)
    parents, index = grid.parents(2)
    expected = [h3.api.basic_int.cell_to_parent(int(cell), 7) for cell in grid.cells]
    assert parents[index].tolist() == expected
    assert len(parents) == len(set(expected)) > 1
