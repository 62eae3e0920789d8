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
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

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
    beside: Beside

    @property
    def expected(self) -> Floats:
        return self.target.expected[:, self.at]

    @property
    def areas(self) -> list[Cells]:
        """Hottest first."""
        hot = hottest(self.expected[:, None], self.forecast.hotspot_share)[:, 0]
        grid = self.forecast.grid
        most = max(1, round(PATROL_KM2 / grid.km2.mean()))
        return merged(self.expected, hot, self.beside, most)


def hotspots_frame(forecast: Forecast) -> geopandas.GeoDataFrame:
    """``hotspots``: by target, shift and rank; the hottest share of the area in every shift."""
    beside = cache(forecast.grid.beside)  # shifts and targets are hot in much the same places
    shifts = [
        _Shift(forecast, target, period, at, beside)
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
    expected = np.array([shift.expected[cells].sum() for cells in areas])
    law = target.laws.district_shift
    low, high = law.interval(expected)
    km2 = forecast.grid.km2
    rows = pd.DataFrame(
        {
            "target": target.name,
            "shift": period.shift,
            "valid_start": timestamp(EPOCH + period.first * HOUR),
            "valid_end": timestamp(EPOCH + period.stop * HOUR),
            "valid_local": period.local(forecast.timezone),
            "lead_hours": period.first - forecast.hours.start,
            "hours": period.stop - period.first,
            "rank": np.arange(1, len(areas) + 1),
            "neighbourhood": [_neighbourhood(forecast, shift.expected, cells) for cells in areas],
            "cells": [len(cells) for cells in areas],
            "area_km2": [km2[cells].sum() for cells in areas],
            "probability": law.probability(expected),
            "expected": expected,
            "low": whole_counts(target.name, low),
            "high": whole_counts(target.name, high),
            "baseline": [target.baseline[cells, shift.at].sum() for cells in areas],
            "share": expected / max(shift.expected.sum(), np.finfo(np.float64).tiny),
        }
    )
    where = [_where(forecast.grid, cells) for cells in areas]
    place = rows["neighbourhood"].where(rows["neighbourhood"] != "", where)
    rows["name"] = (rows["rank"].astype("str") + " " + rows["neighbourhood"]).str.strip()
    shown = f"{period.shift} ({period.clock(forecast.timezone)})"
    rows["label"] = [
        _label(row, at, shown, row["area_km2"] / km2.sum())
        for row, at in zip(rows.to_dict("records"), place, strict=True)
    ]
    return rows


def _label(row: Mapping[str, Any], place: str, shift: str, area: float) -> str:
    """The area in a sentence; ``area``: its share of the whole."""
    return (
        f"{row['rank']}. {place}, {shift}: {_brief(row['expected'])} incidents expected "
        f"({row['target']}; 90 %: {row['low']:.0f} to {row['high']:.0f}), "
        f"{_brief(100 * row['share'])} % of the city's on {_brief(100 * area)} % of its area"
    )


def _brief(value: float) -> str:
    """Two digits, or all before the point."""
    if value >= 10:
        return f"{value:.0f}"
    return np.format_float_positional(value, 2, fractional=False, trim="-")


def _neighbourhood(forecast: Forecast, expected: Floats, cells: Cells) -> str:
    """The one in which most of an area is expected."""
    if not forecast.neighbourhoods:
        return ""
    sums = defaultdict[str, float](float)
    for cell in cells.tolist():
        sums[forecast.neighbourhoods[cell]] += float(expected[cell])
    return max(sorted(sums), key=lambda name: sums[name])


def _where(grid: HexGrid, cells: Cells) -> str:
    """How far an area's middle lies from the city's, and in which direction."""
    east, north = grid.metres[cells].mean(axis=0) / 1000
    distance = float(np.hypot(east, north))
    if distance < 0.5:
        return "the middle"
    direction = _DIRECTIONS[round(float(np.arctan2(east, north)) / (np.pi / 4)) % 8]
    return f"{distance:.1f} km {direction} of the middle"


def outline(grid: HexGrid, cells: Cells) -> shapely.Geometry:
    """The cells as one shape. Their corners agree to a millionth of a metre, and are made equal."""
    if len(cells) == 1:
        return grid.polygons[cells[0]]
    return shapely.union_all(grid.polygons[cells], grid_size=1e-9)
