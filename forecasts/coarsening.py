"""Places with few incidents shown together, so that successive exports give no single one away.

Rates and baselines move by a known amount when an incident becomes known: who has the exports of
two nights can tell in which cell it was. Here cells share their values with others until, together,
they have at least ``k`` incidents a year of every target (k-anonymity: Sweeney 2002, International
Journal of Uncertainty, Fuzziness and Knowledge-Based Systems 10:557, with H3's parents as the
hierarchy). What is left to be seen is that something became known somewhere in such an area.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecasts.schema import Floats, Forecast, TargetForecast, counted_target
from grids.hexgrid import HexGrid


def coarsened(forecast: Forecast, k: int) -> Forecast:
    """The forecast with the same values in all cells of an area; with ``k`` 0 as it is.

    An area expects as much as its cells do; probabilities and intervals are those of a cell that
    expects the mean.
    """
    if k == 0:
        return forecast
    yearly = np.stack([target.yearly for target in forecast.targets])
    area = areas_of(forecast.grid, yearly, k)
    return replace(forecast, targets=tuple(_shared(each, area) for each in forecast.targets))


def areas_of(grid: HexGrid, yearly: Floats, k: int) -> NDArray[np.int64]:
    """(cell,) the area that each cell is shown with; those of one area have the same number.

    ``yearly``: (target, cell) incidents a year. A cell that has ``k`` of every target is an area by
    itself. The others of one parent are one, where together they have as many; what is left goes by
    the parent's parent, and so on. What is left at last joins the coarsest area.
    """
    area = np.full(len(grid), -1, np.int64)
    left, count = np.arange(len(grid)), 0
    for steps in range(grid.resolution + 1):
        _, parent = grid.parents(steps)
        sums = [np.bincount(parent[left], each[left])[parent[left]] for each in yearly]
        enough = np.min(sums, axis=0) >= k
        _, number = np.unique(parent[left[enough]], return_inverse=True)
        area[left[enough]] = count + number
        count, left = int(area.max()) + 1, left[~enough]
        if not len(left):
            return area
    area[left] = max(count - 1, 0)
    return area


def _shared(target: TargetForecast, area: NDArray[np.int64]) -> TargetForecast:
    size = np.bincount(area)

    def mean(values: Floats) -> Floats:
        sums = np.zeros((len(size), *values.shape[1:]))
        np.add.at(sums, area, values)
        return np.asarray((sums.T / size).T[area])

    return counted_target(
        target.name,
        mean(target.expected),
        mean(target.baseline),
        mean(target.yearly),
        target.issued,
        target.laws,
    )
