"""Which cells are the hottest: one rule for the layers and for the scores.

Cells are ordered within every hour by their expected count, hottest first. Equal cells keep the
order of the grid, so that the same forecast always has the same hotspots.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def positions(expected: NDArray[np.float64]) -> NDArray[np.int64]:
    """Place of every cell within its hour: 0 is the hottest; of equal cells, the lower index.

    ``expected``: (cell, hour) counts, none missing. Returns (cell, hour).
    """
    by_hour = np.ascontiguousarray(-np.asarray(expected, np.float64).T)
    order = np.argsort(by_hour, axis=1, kind="stable")
    places = np.empty_like(order)
    np.put_along_axis(places, order, np.arange(order.shape[1])[None, :], axis=1)
    return places.T


def hotspot_count(cells: int, share: float) -> int:
    """How many cells the hottest ``share`` of the area is, rounded up: 5 % of 2,795 is 140.

    Cells count as equally large; within a city, H3's differ by less than a thousandth or so.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share of the area {share}: use more than 0 and at most 1, such as 0.05")
    # 0.07 * 100 is 7.000000000000001, and must not become 8 cells.
    return math.ceil(round(share * cells, 9))


def hottest(expected: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    """Which cells are in the hottest ``share`` of the area in their hour; (cell, hour) bool."""
    places = positions(expected)
    return places < hotspot_count(len(places), share)
