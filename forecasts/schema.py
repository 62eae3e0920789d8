"""The forecast of a run: for every target, what is expected of every cell and hour."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from forecasts.counting import CountLaws
from forecasts.ranking import hotspot_count
from forecasts.shifts import Period, Shift, periods
from grids.clock import EPOCH, HOUR, reference_hour
from grids.hexgrid import HexGrid
from grids.hours import HourRange

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TargetForecast:
    """What is forecast for one target; arrays are (cell, hour) float64, or (cell, period).

    ``name`` becomes the prefix of the layer's columns. ``issued`` says what was issued, such as
    "xgboost 2024-09-01T06:00Z" or "baseline blend". ``yearly``: (cell,) incidents that a cell has
    in a year in the long run. ``laws``: how counts of the target spread around what is expected.
    """

    name: str
    expected: Floats  # count
    probability: Floats  # of at least one incident
    low: Floats  # 90 % interval of the count
    high: Floats
    baseline: Floats  # expected count by the best baseline
    yearly: Floats
    issued: str
    laws: CountLaws = field(default_factory=CountLaws)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise ValueError(
                f"target {self.name!r} cannot name columns: use small letters, digits and _"
            )
        for part in ("probability", "low", "high", "baseline"):
            if (shape := getattr(self, part).shape) != self.expected.shape:
                raise ValueError(
                    f"{self.name}: {part} is {shape}, expected is {self.expected.shape};"
                    " give every array one value per cell and hour"
                )
        if self.yearly.shape != self.expected.shape[:1]:
            raise ValueError(
                f"{self.name}: yearly is {self.yearly.shape}, expected is {self.expected.shape};"
                " give every cell one value"
            )


@dataclass(frozen=True, eq=False)
class Forecast:
    """One run: every target's forecast for the same cells and hours.

    ``as_of``: the cutoff, aware. ``hours``: the horizon; its first hour is the reference time.
    ``hotspot_share``: share of the area that counts as hotspot, in every hour and shift.
    ``neighbourhoods``: (cell,) names of where cells lie; empty where none are known.
    """

    run_id: str
    as_of: datetime
    hours: HourRange
    timezone: ZoneInfo
    grid: HexGrid
    targets: tuple[TargetForecast, ...]
    shifts: tuple[Shift, ...]
    hotspot_share: float = 0.05
    neighbourhoods: tuple[str, ...] = ()

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
        if len(self.neighbourhoods) not in (0, len(self.grid)):
            raise ValueError(
                f"{len(self.neighbourhoods)} neighbourhoods for {len(self.grid)} cells: give every"
                " cell one, or none"
            )
        shape = (len(self.grid), len(self.hours))
        for target in self.targets:
            if target.expected.shape != shape or 0 in shape:
                raise ValueError(
                    f"{target.name}: arrays are {target.expected.shape}, the run has"
                    f" {shape[0]} cells and {shape[1]} hours"
                )

    @property
    def city(self) -> str:
        """The city's name, with which the run's id begins."""
        return self.run_id.rsplit("-", 2)[0]

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

    @property
    def periods(self) -> tuple[Period, ...]:
        """What the horizon holds of every shift, in order."""
        return periods(self.hours.start, self.hours.stop, self.timezone, self.shifts)

    @cached_property
    def targets_by_period(self) -> tuple[TargetForecast, ...]:
        """The targets by period instead of hour."""
        return tuple(over_periods(each, self.hours, self.periods) for each in self.targets)

    def target(self, name: str) -> TargetForecast:
        """The forecast of the target ``name``; a KeyError that lists the names if there is none."""
        for target in self.targets:
            if target.name == name:
                return target
        raise KeyError(f"no target {name!r} in this forecast: it has {list(self.target_names)}")


def counted_target(
    name: str, expected: Floats, baseline: Floats, yearly: Floats, issued: str, laws: CountLaws
) -> TargetForecast:
    """A target of cell-hours whose counts follow ``laws``; ``CountLaws()`` are Poisson's.

    ``expected``, ``baseline``: (cell, hour) counts, not negative; ``yearly``: (cell,). The
    probability of at least one incident and the interval that covers about 90 % are the law's.
    """
    expected = np.asarray(expected, np.float64)
    law = laws.cell_hour
    try:
        low, high = law.interval(expected)
    except ValueError as fault:
        raise ValueError(f"{name}: {fault}") from fault
    baseline, yearly = (np.asarray(each, np.float64) for each in (baseline, yearly))
    probability = law.probability(expected)
    return TargetForecast(name, expected, probability, low, high, baseline, yearly, issued, laws)


def over_periods(
    target: TargetForecast, hours: HourRange, spans: tuple[Period, ...]
) -> TargetForecast:
    """A target's forecast of some periods of its hours: (cell, period) sums, by the same law.

    Counts of a cell's hours that clump alike add up to one that does (counting.CountLaw).
    """

    def summed(values: Floats) -> Floats:
        parts = [values[:, p.first - hours.start : p.stop - hours.start] for p in spans]
        return np.stack([part.sum(axis=1) for part in parts], axis=1)

    sums = summed(target.expected), summed(target.baseline)
    return counted_target(target.name, *sums, target.yearly, target.issued, target.laws)
