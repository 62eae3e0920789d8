"""Hotspots: the hottest cells of a shift, merged into areas that one patrol can cover.

| column | dtype | what it is |
|---|---|---|
| ``target`` | text | the target |
| ``shift``, ``valid_...``, ``lead_hours``, ``hours`` | | as in ``shifts`` |
| ``rank`` | int16 | 1 the area that expects most incidents of the target in the shift |
| ``name`` | text | short, for the map: rank, and neighbourhood where it is known |
| ``label`` | text | the area in a sentence |
| ``neighbourhood`` | text | where most of it is expected, blank where not known |
| ``cells`` | int16 | number of cells |
| ``area_km2`` | float32 | their area |
| ``probability`` | float32 | of at least one incident |
| ``expected`` | float32 | expected count |
| ``low``, ``high`` | int16 | 90 % interval of the count, both included |
| ``baseline`` | float32 | expected count by the best baseline |
| ``share`` | float32 | of the target's incidents that are expected in the whole area and shift |
| ``run_id``, ``reference_time``, ``as_of``, ``model`` | | as in ``hours`` |
| ``geometry`` | polygon | the cells' outline, EPSG:4326 |
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import geopandas
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from forecasts.frames import RUN, TIME, located, provenance, timestamp, whole_counts
from forecasts.ranking import hottest
from forecasts.schema import Floats, Forecast, TargetForecast
from forecasts.shifts import Period
from grids.clock import EPOCH, HOUR
from grids.hexgrid import HexGrid

PATROL_KM2 = 1.0  # how large an area grows: some ten cells of resolution 9
_DIRECTIONS = "north north-east east south-east south south-west west north-west".split()
Cells = NDArray[np.int64]
Beside = Callable[[int], NDArray[np.int32]]  # the cells beside a cell

HOTSPOT_COLUMNS = {
    "target": "str",
    "shift": "str",
    "valid_start": TIME,
    "valid_end": TIME,
    "valid_local": "str",
    "lead_hours": "int16",
    "hours": "int16",
    "rank": "int16",
    "name": "str",
    "label": "str",
    "neighbourhood": "str",
    "cells": "int16",
    "area_km2": "float32",
    "probability": "float32",
    "expected": "float32",
    "low": "int16",
    "high": "int16",
    "baseline": "float32",
    "share": "float32",
    **RUN,
    "geometry": "geometry",
}


def merged(expected: Floats, hot: NDArray[np.bool_], beside: Beside, most: int) -> list[Cells]:
    """The hot cells as areas of neighbours, each of at most ``most`` cells, the hottest area first.

    From the hottest cell that is left, an area takes the hottest of the hot cells beside it, one
    after the other. ``expected``, ``hot``: (cell,); ``beside``: as HexGrid's. Every hot cell is in
    one area.
    """
    left = set(np.flatnonzero(hot).tolist())
    areas = []
    for seed in sorted(left, key=lambda cell: (-expected[cell], cell)):
        if seed in left:
            areas.append(_grown(seed, left, expected, beside, most))
    return sorted(areas, key=lambda cells: (-expected[cells].sum(), cells[0]))


def _grown(seed: int, left: set[int], expected: Floats, beside: Beside, most: int) -> Cells:
    """An area from its hottest cell; its cells leave ``left``."""
    area = list[int]()
    edge = [(-expected[seed], seed)]
    while edge and len(area) < most:
        _, cell = heapq.heappop(edge)
        if cell in left:
            left.remove(cell)
            area.append(cell)
            for each in beside(cell).tolist():
                if each in left:
                    heapq.heappush(edge, (-expected[each], each))
    return np.array(area)


@dataclass(frozen=True, eq=False)
class _Shift:
    """One target in one period; ``expected``, ``baseline``: (cell,) counts."""

    forecast: Forecast
    target: TargetForecast
    period: Period
    at: int

    @property
    def expected(self) -> Floats:
        return self.target.expected[:, self.at]

    @property
    def areas(self) -> list[Cells]:
        """Hottest first."""
        hot = hottest(self.expected[:, None], self.forecast.hotspot_share)[:, 0]
        grid = self.forecast.grid
        most = max(1, round(PATROL_KM2 / grid.km2.mean()))
        return merged(self.expected, hot, grid.beside, most)


def hotspots_frame(forecast: Forecast) -> geopandas.GeoDataFrame:
    """``hotspots``: by target, shift and rank; the hottest share of the area in every shift."""
    shifts = [
        _Shift(forecast, target, period, at)
        for target in forecast.targets_by_period
        for at, period in enumerate(forecast.periods)
    ]
    found = [(shift, shift.areas) for shift in shifts]
    rows = pd.concat([_rows(shift, areas) for shift, areas in found], ignore_index=True)
    rows = rows.assign(**provenance(forecast))
    shapes = [outline(forecast.grid, cells) for _, areas in found for cells in areas]
    kinds = {name: kind for name, kind in HOTSPOT_COLUMNS.items() if name != "geometry"}
    return located(rows[list(kinds)].astype(kinds), np.array(shapes, dtype=object))


def _rows(shift: _Shift, areas: list[Cells]) -> pd.DataFrame:
    """The areas of one shift, best first, without what is the run's."""
    forecast, period, target = shift.forecast, shift.period, shift.target
    sizes = np.array([len(cells) for cells in areas])
    cells, first = np.concatenate(areas), np.cumsum(sizes) - sizes

    def sums(values: Floats) -> Floats:
        return np.add.reduceat(values[cells], first)

    expected, km2 = sums(shift.expected), sums(forecast.grid.km2)
    law = target.laws.district_shift
    low, high = law.interval(expected)
    share = expected / max(shift.expected.sum(), np.finfo(np.float64).tiny)
    rank = np.arange(1, len(areas) + 1)
    names = _neighbourhoods(forecast, shift.expected, cells, np.repeat(rank - 1, sizes))
    middles = np.column_stack([sums(each) for each in forecast.grid.metres.T]) / sizes[:, None]
    shown = f"{period.shift} ({period.clock(forecast.timezone)})"
    figures = zip(expected, low, high, share, km2 / forecast.grid.km2.sum(), strict=True)
    return pd.DataFrame(
        {
            "target": target.name,
            "shift": period.shift,
            "valid_start": timestamp(EPOCH + period.first * HOUR),
            "valid_end": timestamp(EPOCH + period.stop * HOUR),
            "valid_local": period.local(forecast.timezone),
            "lead_hours": period.first - forecast.hours.start,
            "hours": period.stop - period.first,
            "rank": rank,
            "name": [f"{at} {name}".strip() for at, name in zip(rank, names, strict=True)],
            "label": [
                f"{at}. {name or _where(middle)}, {shown}: {_told(target.name, *each)}"
                for at, name, middle, each in zip(rank, names, middles, figures, strict=True)
            ],
            "neighbourhood": names,
            "cells": sizes,
            "area_km2": km2,
            "probability": law.probability(expected),
            "expected": expected,
            "low": whole_counts(target.name, low),
            "high": whole_counts(target.name, high),
            "baseline": sums(target.baseline[:, shift.at]),
            "share": share,
        }
    )


def _told(target: str, expected: float, low: float, high: float, share: float, area: float) -> str:
    """An area's figures in words; ``share``: of the city's incidents, ``area``: of its ground."""
    return (
        f"{_brief(expected)} incidents expected ({target}; 90 %: {low:.0f} to {high:.0f}), "
        f"{_brief(100 * share)} % of the city's on {_brief(100 * area)} % of its area"
    )


def _brief(value: float) -> str:
    """Two digits, or all before the point."""
    if value >= 10:
        return f"{value:.0f}"
    return np.format_float_positional(value, 2, fractional=False, trim="-")


def _neighbourhoods(
    forecast: Forecast, expected: Floats, cells: Cells, area: NDArray[np.int64]
) -> list[str]:
    """By area, the one in which most of it is expected, the first by name of equal ones.

    ``area``: (cell of an area,) as ``cells``, which area it is in.
    """
    if not forecast.neighbourhoods:
        return [""] * (area[-1] + 1)
    names, code = np.unique(np.array(forecast.neighbourhoods)[cells], return_inverse=True)
    sums = np.full((area[-1] + 1, len(names)), -1.0)  # also one of which nothing is expected is in
    sums[area, code] = 0
    np.add.at(sums, (area, code), expected[cells])
    found: list[str] = names[sums.argmax(axis=1)].tolist()
    return found


def _where(middle: Floats) -> str:
    """How far an area's middle lies from the city's, and in which direction; metres from there."""
    east, north = middle / 1000
    distance = float(np.hypot(east, north))
    if distance < 0.5:
        return "the middle"
    direction = _DIRECTIONS[round(float(np.arctan2(east, north)) / (np.pi / 4)) % 8]
    return f"{distance:.1f} km {direction} of the middle"


def outline(grid: HexGrid, cells: Cells) -> shapely.Geometry:
    """The cells as one shape, of which the grid's polygons are the parts."""
    if len(cells) == 1:
        return grid.polygons[cells[0]]
    return shapely.coverage_union_all(grid.polygons[cells])
