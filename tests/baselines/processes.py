"""Made-up cities whose process is known: cells, hours, and when everything became known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from grids.clock import EPOCH, HOUR
from grids.counts import Events
from grids.hexgrid import HexGrid
from grids.hours import hours_of_week, hours_to_times
from pipeline.baselines.spread import spread
from pipeline.night import Night, Place
from pipeline.replay import Block, City, cut_blocks, night_at
from pipeline.silver import Arrivals, sort_arrivals
from pipeline.state import StateSpec, advance, empty_state

ZONE = ZoneInfo("America/Denver")
START = datetime(2023, 1, 1, 7, tzinfo=UTC)  # local midnight
BOX = (-105.0, 39.70, -104.95, 39.74)
GRID = HexGrid.from_extent(*BOX, 9)
PLACE = Place.of(GRID)
FIRST = int((START - EPOCH) / HOUR)
ALL = (0, 1)


def small_city(place: Place = PLACE, categories: int = 2) -> City:
    """A city of the cells of ``place``; nights are at local midnight."""
    cells = len(place.metres)
    return City(StateSpec(cells, categories, FIRST, ZONE), place, np.arange(cells, dtype="u8"), 1)


CITY = small_city()


def midnight(day: int) -> datetime:
    """The local midnight that ends the ``day``-th day."""
    return (START.astimezone(ZONE) + timedelta(days=day)).astimezone(UTC)


@dataclass(frozen=True)
class Process:
    """Cells' own rates x a clock x a drift, and excitation; reports after a mixed delay.

    ``rates`` (cell,) incidents per hour in all; ``factor``: from a day to (cell,) factors of the
    background; ``late``: share of the incidents that are reported after ``late_hours`` on average.
    """

    rates: NDArray[np.float64]
    days: int = 300
    branching: float = 0.0
    memory_days: float = 3.0
    sigma: float = 0.0
    late: float = 0.3
    late_hours: float = 60.0
    factor: Callable[[int], NDArray[np.float64]] | None = None
    seed: int = 1

    def arrivals(self) -> Arrivals:
        """The incidents in the order in which they became known, of either category."""
        rng = np.random.default_rng(self.seed)
        hours = FIRST + np.arange(24 * self.days)
        clock = _clock()[hours_of_week(hours_to_times(hours), ZONE)]
        around = spread(PLACE, self.sigma)
        rho = np.exp(-1 / (24 * self.memory_days))
        scale = self.branching * (1 - rho) / rho  # so that an incident has `branching` children
        trigger = np.zeros(len(self.rates))
        drawn: list[NDArray[np.int64]] = []
        for at in range(len(hours)):
            factor = self.factor(at // 24) if self.factor else 1.0
            events = rng.poisson(self.rates * (1 - self.branching) * clock[at] * factor + trigger)
            trigger = rho * (trigger + scale * (around @ events))
            drawn.append(np.repeat(np.arange(len(self.rates)), events))
        hour = np.repeat(hours, [len(cells) for cells in drawn])
        return reported(hour, np.concatenate(drawn), rng, self.late, self.late_hours)


def reported(
    hour: NDArray[np.int64],
    cell: NDArray[np.int64],
    rng: np.random.Generator,
    late: float,
    late_hours: float,
) -> Arrivals:
    """Incidents within their hours, known after a short delay or, some, after a long one."""
    count = len(hour)
    mean = np.where(rng.random(count) < late, late_hours, 1.0)
    known = hour + rng.random(count) + np.maximum(rng.exponential(mean), 1e-3)
    category = rng.integers(0, 2, count).astype(np.int8)
    events = Events(hour, cell.astype(np.int32), category, np.ones(count, np.int8))
    stamps = (known * 3.6e9).astype(np.int64)
    return sort_arrivals([Arrivals(stamps, np.ones(count, bool), events)])


def _clock() -> NDArray[np.float64]:
    wave = np.exp(0.7 * np.cos(2 * np.pi * (np.arange(168) - 21) / 24))
    return np.asarray(wave / wave.mean())


def uneven(per_day: float, shape: float = 0.7, seed: int = 3) -> NDArray[np.float64]:
    """(cell,) rates per hour that differ between cells as cities' do."""
    weight = np.random.default_rng(seed).gamma(shape, size=len(GRID)) + 0.02
    return np.asarray(per_day / 24 * weight / weight.sum())


def blocks_before(arrivals: Arrivals, day: int, nights: int, city: City = CITY) -> list[Block]:
    """The last ``nights`` before ``day``, with labels as known 20 days later."""
    labels = arrivals.until(midnight(day + 20))
    return cut_blocks(city, labels, [midnight(at) for at in range(day - nights, day)])


def night_of(
    arrivals: Arrivals, day: int, city: City = CITY, members: tuple[int, ...] = ALL
) -> Night:
    """The night at the end of ``day``, from what was known by then."""
    cutoff = midnight(day)
    state = advance(empty_state(city.spec), arrivals.until(cutoff), cutoff, city.spec)
    return night_at(city, state, arrivals, members)
