"""How a smooth influence around incidents, of which only the cell is known, falls on the cells.

An incident lies evenly within its cell, its influence is an isotropic Gaussian around it, and every
cell takes what falls into it. Cells stand for discs of their area, which makes that a function of
distance alone. A bandwidth of 0 is "stays in its own cell", whatever the cells' size.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, eye_array
from scipy.spatial import KDTree
from scipy.special import chndtr

from pipeline.night import Place
from pipeline.state import Floats

REACH = 4.0  # bandwidths beyond which nothing is felt
_POINTS = 64  # where an incident may lie in its cell
_STEPS = 400  # distances at which the share is computed; straight lines between


@lru_cache(maxsize=8)
def spread(place: Place, bandwidth: float) -> csr_array:
    """(cell, cell) shares: ``spread @ values`` moves each cell's value to the cells around it.

    ``bandwidth``: metres, standard deviation along each axis. Columns sum to 1, at the border, too:
    what would leave the grid is shared out inside. Kept for the last few bandwidths of a place.
    """
    cells = len(place.metres)
    if cells == 1 or bandwidth <= 0:
        return csr_array(eye_array(cells))
    radius = cell_radius(place.metres)
    reach = REACH * bandwidth + 2 * radius
    pairs, apart = near_pairs(place.metres, reach)
    steps = np.linspace(0.0, reach, _STEPS)
    falls = share_in_disc(steps, radius, bandwidth)
    matrix = symmetric(cells, pairs, np.interp(apart, steps, falls), falls[0])
    return csr_array(matrix / matrix.sum(axis=0)[None, :])


def near_pairs(metres: Floats, within: float) -> tuple[NDArray[np.int64], Floats]:
    """(pair, 2) cells whose centres are at most ``within`` metres apart, and how far; each once."""
    pairs = KDTree(metres).query_pairs(within, output_type="ndarray").reshape(-1, 2)
    apart = np.linalg.norm(metres[pairs[:, 0]] - metres[pairs[:, 1]], axis=1)
    return pairs, np.asarray(apart)


def symmetric(cells: int, pairs: NDArray[np.int64], values: Floats, own: float) -> csr_array:
    """(cell, cell) with ``values`` (pair,) both ways between the pairs, ``own`` on the diagonal."""
    one, other, self = pairs[:, 0], pairs[:, 1], np.arange(cells)
    rows = np.concatenate([one, other, self])
    columns = np.concatenate([other, one, self])
    entries = np.concatenate([values, values, np.full(cells, own)])
    return csr_array(coo_array((entries, (rows, columns)), shape=(cells, cells)))


def spacing(metres: Floats) -> float:
    """Metres between the centres of neighbouring cells; 0 where there is but one cell."""
    if len(metres) < 2:
        return 0.0
    nearest = KDTree(metres).query(metres, k=2)[0][:, 1]
    return float(np.median(nearest))


def cell_radius(metres: Floats) -> float:
    """Radius, metres, of a disc with the area of a hexagon of this spacing."""
    return spacing(metres) * float(np.sqrt(np.sqrt(3.0) / 2 / np.pi))


def share_in_disc(apart: Floats, radius: float, bandwidth: float) -> NDArray[np.float64]:
    """(n,) share of the influence that falls into a disc ``apart`` (n,) metres from the source's.

    The chance that a normal point is nearer to a centre than ``radius`` is a noncentral chi-squared
    distribution with two degrees of freedom; it is averaged over evenly spread points of the source
    disc (Vogel 1979, "A better way to construct the sunflower head").
    """
    place = np.arange(_POINTS) + 0.5
    away = radius * np.sqrt(place / _POINTS)
    angle = place * np.pi * (3 - np.sqrt(5.0))
    east = np.asarray(apart, np.float64)[:, None] - away * np.cos(angle)
    distance = np.hypot(east, away * np.sin(angle))
    inside = chndtr((radius / bandwidth) ** 2, 2.0, (distance / bandwidth) ** 2)
    return np.asarray(inside.mean(axis=1))
