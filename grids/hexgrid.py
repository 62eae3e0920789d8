"""The city's hexagons: one frozen, ordered set of H3 cells, and what lies where in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Any

import geopandas
import h3
import numpy as np
import pandas as pd
import shapely
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.spatial import KDTree

METRES_PER_DEGREE = 111_195.0  # of a great circle, earth's mean radius 6,371 km
OUTSIDE = -1
_latlng_to_cell: Callable[[float, float, int], int] = h3.api.basic_int.latlng_to_cell


def locate_cells(lat: ArrayLike, lon: ArrayLike, resolution: int) -> NDArray[np.uint64]:
    """H3 cell of every point; 0 where a coordinate is not finite or out of range.

    ``lat``, ``lon``: (n,) degrees, WGS 84. Returns (n,) uint64.
    """
    lat, lon = np.asarray(lat, np.float64), np.asarray(lon, np.float64)
    valid = (np.abs(lat) <= 90) & (np.abs(lon) <= 180)  # False for NaN, too
    cells = np.zeros(lat.shape, np.uint64)
    points = map(_latlng_to_cell, lat[valid].tolist(), lon[valid].tolist(), repeat(resolution))
    cells[valid] = np.fromiter(points, np.uint64, int(valid.sum()))
    return cells


def hex_ids(cells: NDArray[np.uint64]) -> list[str]:
    """H3 ids as text, the form that maps and layers take (float64 cannot hold them exactly)."""
    return [format(int(cell), "x") for cell in cells]


@dataclass(frozen=True, eq=False)
class HexGrid:
    """A frozen set of H3 cells in Hilbert order; a cell's place in it is its *index*.

    ``cells``: (cell,) uint64. Neighbours in space are mostly neighbours in the order, so that
    files and chunks cut along it hold compact areas.
    """

    resolution: int
    cells: NDArray[np.uint64]

    def __post_init__(self) -> None:
        _check_resolution(self.resolution)
        if len(self.cells) == 0:
            raise ValueError("the grid has no cells: the boundary or extent is empty")
        if len(np.unique(self.cells)) != len(self.cells):
            raise ValueError("the grid repeats a cell: every cell may stand in it once")

    @classmethod
    def from_polygon(cls, polygon: shapely.Geometry, resolution: int) -> HexGrid:
        """Every cell that overlaps ``polygon`` (EPSG:4326): its border loses no incident.

        Raises ValueError for anything but a polygon or multipolygon with an area.
        """
        _check_resolution(resolution)
        if polygon.geom_type not in ("Polygon", "MultiPolygon") or polygon.is_empty:
            found = f"an empty {polygon.geom_type}" if polygon.is_empty else polygon.geom_type
            raise ValueError(f"a grid covers a polygon or multipolygon, but this is {found}")
        shape = h3.geo_to_h3shape(polygon)
        ids = h3.api.basic_int.h3shape_to_cells_experimental(shape, resolution, contain="overlap")
        # Cells that two parts of a multipolygon share are listed twice.
        return cls(resolution, _hilbert_order(np.unique(np.array(list(ids), np.uint64))))

    @classmethod
    def from_extent(
        cls, west: float, south: float, east: float, north: float, resolution: int
    ) -> HexGrid:
        """Every cell that overlaps the box, given in degrees."""
        return cls.from_polygon(shapely.box(west, south, east, north), resolution)

    @classmethod
    def from_dict(cls, attributes: Mapping[str, Any], cells: ArrayLike) -> HexGrid:
        """The inverse of ``to_dict``: a cell coordinate's attributes and its values."""
        if attributes.get("grid_name") != "h3":
            found = attributes.get("grid_name")
            raise ValueError(f"grid_name is {found!r}, not 'h3': this is not a hexcast cube")
        if "level" not in attributes:
            raise ValueError("the cells have no attribute level, the H3 resolution: add it")
        return cls(int(attributes["level"]), np.asarray(cells, np.uint64))

    def to_dict(self) -> dict[str, Any]:
        """The attributes of the stored cell coordinate, in xdggs' convention."""
        return {"grid_name": "h3", "level": self.resolution}

    def __len__(self) -> int:
        return len(self.cells)

    @cached_property
    def _lookup(self) -> pd.Index:
        return pd.Index(self.cells)

    def index_of(self, cells: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Index of every H3 id; ``OUTSIDE`` (-1) where it is not in the grid."""
        return np.asarray(self._lookup.get_indexer(cells), np.int32)

    def locate(self, lat: ArrayLike, lon: ArrayLike) -> NDArray[np.int32]:
        """Index of the cell of every point (degrees, WGS 84); ``OUTSIDE`` (-1) beyond the grid."""
        return self.index_of(locate_cells(lat, lon, self.resolution))

    @cached_property
    def polygons(self) -> NDArray[np.object_]:
        """(cell,) shapely polygons, EPSG:4326, longitude first.

        Neighbours have the same corners to the last digit: the grid is a valid coverage.
        """
        rings = [h3.api.basic_int.cell_to_boundary(int(cell)) for cell in self.cells]
        corners = _made_equal(np.array([corner[::-1] for ring in rings for corner in ring]))
        cell_of = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
        polygons: NDArray[np.object_] = shapely.polygons(
            shapely.linearrings(corners, indices=cell_of)
        )
        return polygons

    @cached_property
    def centroids(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Latitude and longitude of every cell's centre, degrees."""
        points = np.array([h3.api.basic_int.cell_to_latlng(int(cell)) for cell in self.cells])
        return points[:, 0], points[:, 1]

    @cached_property
    def metres(self) -> NDArray[np.float64]:
        """(cell, 2) metres east and north of the grid's middle, on a plane that touches it there.

        Distances within a city are right to a few in a thousand (equirectangular projection).
        """
        lat, lon = self.centroids
        middle = (lat.min() + lat.max()) / 2, (lon.min() + lon.max()) / 2
        east = (lon - middle[1]) * np.cos(np.radians(middle[0]))
        return METRES_PER_DEGREE * np.column_stack([east, lat - middle[0]])

    @property
    def hex_ids(self) -> list[str]:
        """H3 ids as text."""
        return hex_ids(self.cells)

    def parents(self, steps: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """H3 ids of the cells ``steps`` resolutions up, and (cell,) the index of each one's."""
        up = max(self.resolution - steps, 0)
        ids = [h3.api.basic_int.cell_to_parent(int(cell), up) for cell in self.cells]
        found, index = np.unique(np.array(ids, np.uint64), return_inverse=True)
        return found, index.astype(np.int64)

    @cached_property
    def km2(self) -> NDArray[np.float64]:
        """(cell,) areas, square kilometres, on the sphere."""
        areas = (h3.api.basic_int.cell_area(int(cell), "km^2") for cell in self.cells)
        return np.fromiter(areas, np.float64, len(self))

    def beside(self, cell: int) -> NDArray[np.int32]:
        """Indices of the cells that share an edge with a cell, given by its index."""
        nearest = self._nearest
        found: NDArray[np.int32] = nearest.indices[nearest.indptr[cell] : nearest.indptr[cell + 1]]
        return found

    @cached_property
    def _nearest(self) -> csr_array:
        return self.ring(1)

    def ring(self, k: int) -> csr_array:
        """Sparse (cell, cell) matrix of means over the cells at distance ``k`` inside the grid.

        ``ring(k) @ values`` is the mean of the ring; 0 where a cell has no such neighbour.
        """
        members = [h3.api.basic_int.grid_ring(int(cell), k) for cell in self.cells]
        columns = self.index_of(np.array([c for ring in members for c in ring], np.uint64))
        rows = np.repeat(np.arange(len(self), dtype=np.int32), [len(ring) for ring in members])
        rows, columns = rows[columns >= 0], columns[columns >= 0]
        size = np.bincount(rows, minlength=len(self))
        return csr_array((1.0 / size[rows], (rows, columns)), shape=(len(self), len(self)))


def _check_resolution(resolution: int) -> None:
    if not 0 <= resolution <= 15:
        raise ValueError(f"H3 resolution {resolution}: use 0 to 15 (9 is about 0.1 km2)")


def _made_equal(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(point, 2) degrees; those nearer than a tenth of a millimetre become the first of them."""
    pairs = KDTree(points).query_pairs(1e-9, output_type="ndarray")
    first = np.arange(len(points))
    np.minimum.at(first, pairs[:, 1], pairs[:, 0])
    return points[first]


def _hilbert_order(cells: NDArray[np.uint64]) -> NDArray[np.uint64]:
    points = [h3.api.basic_int.cell_to_latlng(int(cell))[::-1] for cell in cells]
    series = geopandas.GeoSeries(shapely.points(points), crs="EPSG:4326")
    return cells[np.argsort(series.hilbert_distance(level=16).to_numpy(), kind="stable")]
