"""The forecast and its layer: one row per cell and hour, the same columns in every format.

| column | dtype | what it is |
|---|---|---|
| ``hex_id`` | text | H3 cell |
| ``valid_start``, ``valid_end`` | timestamp, UTC | the hour, ``[valid_start, valid_end)`` |
| ``valid_local`` | text | ``valid_start`` on the city's clock, ``2024-09-01 00:00 -06:00`` |
| ``lead_hours`` | int16 | hours from the reference time; 0 is the first forecast hour |
| ``T_probability`` | float32 | probability of at least one incident of target T, by its law |
| ``T_expected`` | float32 | expected count of incidents |
| ``T_low``, ``T_high`` | int16 | 90 % interval of the count by the same law, both included |
| ``T_baseline`` | float32 | expected count by the best baseline |
| ``T_rank`` | float32 | 1 the hottest cell of the hour, 0 the coldest, evenly spaced |
| ``T_hotspot`` | bool | within the hottest share of the area in this hour |
| ``run_id``, ``model`` | text | the run, and what was issued for every target |
| ``as_of`` | timestamp, UTC | the cutoff: only what was known then was used |
| ``geometry`` | polygon | EPSG:4326 |
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import geopandas
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecasts.counting import CountLaw
from forecasts.ranking import hotspot_count, positions
from grids.clock import EPOCH, HOUR, reference_hour
from grids.hexgrid import HexGrid
from grids.hours import HourRange

CRS = "EPSG:4326"
_TIME = "datetime64[us, UTC]"
_KEYS = {
    "hex_id": "str",
    "valid_start": _TIME,
    "valid_end": _TIME,
    "valid_local": "str",
    "lead_hours": "int16",
}
PER_TARGET = {
    "probability": "float32",
    "expected": "float32",
    "low": "int16",
    "high": "int16",
    "baseline": "float32",
    "rank": "float32",
    "hotspot": "bool",
}
_RUN = {"run_id": "str", "as_of": _TIME, "model": "str"}


@dataclass(frozen=True, eq=False)
class TargetForecast:
    """What is forecast for one target; every array is (cell, hour) float64.

    ``name`` becomes the prefix of the layer's columns. ``issued`` says what was issued, such as
    "xgboost 2024-09-01T06:00Z" or "baseline blend".
    """

    name: str
    expected: NDArray[np.float64]  # count
    probability: NDArray[np.float64]  # of at least one incident
    low: NDArray[np.float64]  # 90 % interval of the count
    high: NDArray[np.float64]
    baseline: NDArray[np.float64]  # expected count by the best baseline
    issued: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise ValueError(
                f"target {self.name!r} cannot name columns: use small letters, digits and _"
            )
        for field in ("probability", "low", "high", "baseline"):
            if (shape := getattr(self, field).shape) != self.expected.shape:
                raise ValueError(
                    f"{self.name}: {field} is {shape}, expected is {self.expected.shape};"
                    " give every array one value per cell and hour"
                )


@dataclass(frozen=True, eq=False)
class Forecast:
    """One run: every target's forecast for the same cells and hours.

    ``as_of``: the cutoff, aware. ``hours``: the horizon; its first hour is the reference time.
    ``hotspot_share``: share of the area that counts as hotspot, in every hour.
    """

    run_id: str
    as_of: datetime
    hours: HourRange
    timezone: ZoneInfo
    grid: HexGrid
    targets: tuple[TargetForecast, ...]
    hotspot_share: float = 0.05

    def __post_init__(self) -> None:
        if self.as_of.tzinfo is None:
            raise ValueError(f"as_of {self.as_of} has no timezone: give an aware datetime")
        if self.hours.start < reference_hour(self.as_of):
            raise ValueError(
                f"the hours start at {self.reference_time:%Y-%m-%dT%H:%MZ}, before as_of"
                f" {self.as_of}: start at the cutoff rounded up to the hour"
            )
        hotspot_count(len(self.grid), self.hotspot_share)
        names = self.target_names
        if not names or len(set(names)) != len(names):
            raise ValueError(f"targets {names}: give at least one, every name once")
        shape = (len(self.grid), len(self.hours))
        for target in self.targets:
            if target.expected.shape != shape or 0 in shape:
                raise ValueError(
                    f"{target.name}: arrays are {target.expected.shape}, the run has"
                    f" {shape[0]} cells and {shape[1]} hours"
                )

    @property
    def target_names(self) -> tuple[str, ...]:
        """Names of the targets, in order; the first one is what styles and maps show."""
        return tuple(target.name for target in self.targets)

    @property
    def reference_time(self) -> datetime:
        """Start of the first forecast hour, UTC."""
        return EPOCH + self.hours.start * HOUR

    @property
    def span(self) -> tuple[datetime, datetime]:
        """Start of the first forecast hour and end of the last one, UTC."""
        return self.reference_time, EPOCH + self.hours.stop * HOUR

    @property
    def model(self) -> str:
        """What was issued for every target, as one text."""
        return "; ".join(f"{target.name}: {target.issued}" for target in self.targets)

    def target(self, name: str) -> TargetForecast:
        """The forecast of the target ``name``; a KeyError that lists the names if there is none."""
        for target in self.targets:
            if target.name == name:
                return target
        raise KeyError(f"no target {name!r} in this forecast: it has {list(self.target_names)}")


def counted_target(
    name: str,
    expected: NDArray[np.float64],
    baseline: NDArray[np.float64],
    issued: str,
    law: CountLaw,
) -> TargetForecast:
    """A target whose counts follow ``law`` around ``expected``; ``CountLaw(0, 0)`` is Poisson's.

    ``expected``, ``baseline``: (cell, hour) counts, not negative. The probability of at least one
    incident and the interval that covers about 90 % are the law's.
    """
    expected = np.asarray(expected, np.float64)
    try:
        low, high = law.interval(expected)
    except ValueError as fault:
        raise ValueError(f"{name}: {fault}") from fault
    probability = law.probability(expected)
    return TargetForecast(
        name, expected, probability, low, high, np.asarray(baseline, np.float64), issued
    )


def columns(targets: Iterable[str]) -> dict[str, str]:
    """The layer's columns in order, with their pandas dtypes; geometry last."""
    values = {f"{t}_{part}": kind for t in targets for part, kind in PER_TARGET.items()}
    return _KEYS | values | _RUN | {"geometry": "geometry"}


def to_frame(forecast: Forecast) -> geopandas.GeoDataFrame:
    """The layer: one row per cell and hour, cells in the grid's order, then hours.

    The columns are those of ``columns``. The rows of one cell share one geometry object.
    """
    hours = len(forecast.hours)
    data = _key_columns(forecast)
    for target in forecast.targets:
        data |= _target_columns(target, forecast.hotspot_share)
    as_of = pd.Timestamp(forecast.as_of.astimezone(UTC)).as_unit("us")
    data |= {"run_id": forecast.run_id, "as_of": as_of, "model": forecast.model}
    index = pd.RangeIndex(len(forecast.grid) * hours)
    geometry = np.repeat(forecast.grid.polygons, hours)
    return geopandas.GeoDataFrame(pd.DataFrame(data, index=index), geometry=geometry, crs=CRS)


def _key_columns(forecast: Forecast) -> dict[str, Any]:
    times = forecast.hours.times
    local = times.tz_convert(forecast.timezone)
    hours = {
        "valid_start": times,
        "valid_end": times + HOUR,
        "valid_local": pd.Index([f"{at:%Y-%m-%d %H:%M} {at.isoformat()[-6:]}" for at in local]),
        "lead_hours": np.arange(len(times), dtype=np.int16),
    }
    every_hour = np.tile(np.arange(len(times)), len(forecast.grid))
    hex_id = pd.Index(forecast.grid.hex_ids).repeat(len(times))
    return {"hex_id": hex_id} | {name: values[every_hour] for name, values in hours.items()}


def _target_columns(target: TargetForecast, share: float) -> dict[str, NDArray[Any]]:
    places = positions(target.expected)
    cells = len(places)
    parts = {
        "probability": target.probability,
        "expected": target.expected,
        "low": _whole_counts(target.name, target.low),
        "high": _whole_counts(target.name, target.high),
        "baseline": target.baseline,
        "rank": 1 - places / max(cells - 1, 1),
        "hotspot": places < hotspot_count(cells, share),
    }
    return {f"{target.name}_{k}": parts[k].ravel().astype(v) for k, v in PER_TARGET.items()}


def _whole_counts(name: str, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    bad = ~((counts >= 0) & (counts <= np.iinfo(np.int16).max) & (counts == np.floor(counts)))
    if bad.any():
        raise ValueError(
            f"{name}: the interval's bound {counts[bad][0]} is no count from 0 to 32,767"
        )
    return counts
