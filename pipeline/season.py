"""The time of the year: how much more there is of a kind of incident in some weeks than in others.

Classical decomposition by the ratio to a moving average (Persons 1919, Review of Economics and
Statistics 1:5), on the city's daily counts of the last years as known at the cutoff.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from grids.clock import day_of
from pipeline.delay import maturity, share_at, turned
from pipeline.silver import Arrivals

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CYCLE = 364  # days: a year of whole weeks, so that weekdays do not look like seasons
SEASON_DAYS = 4 * CYCLE + 21  # days of occurrence kept: three cycles with half a one on either side
WINDOW = 21  # days over which a time of the year is smoothed
DRAWN = 100.0  # incidents by which it is drawn to the mean
SURELY = 1e6  # the odds against a calm that is taken for silence


def count_days(table: Ints, arrivals: Arrivals, since: datetime, cutoff: datetime) -> Ints:
    """The table (UTC day modulo SEASON_DAYS, category) moved on from ``since`` to ``cutoff``."""
    table, today, events = turned(table, since, cutoff), day_of(cutoff), arrivals.events
    kept = events.hour // 24 > today - SEASON_DAYS
    kinds = table.shape[1]
    place = events.hour[kept] // 24 % SEASON_DAYS * kinds + events.category[kept]
    change = np.bincount(place, events.sign[kept], minlength=table.size).astype(np.int64)
    return table + change.reshape(table.shape)


def seasons(
    daily: Ints, members: Sequence[int], shares: Floats, started: datetime, cutoff: datetime
) -> Floats:
    """(CYCLE,) by UTC day modulo CYCLE: incidents against the mean of the year around.

    ``daily`` (SEASON_DAYS, category): counts by day as known at ``cutoff``, of data that
    ``started`` then; ``members``: the categories whose seasons they are; ``shares``: reported by
    age (DELAY_EDGES). All 1 before two years are known.
    """
    last = day_of(cutoff - maturity(shares))
    first = max(day_of(started) + 1, day_of(cutoff) - SEASON_DAYS + 1)
    if last - first < 2 * CYCLE:
        return np.ones(CYCLE)
    days = daily[np.arange(first, last) % SEASON_DAYS]
    counts, seen = days[:, members].sum(axis=1), heard(days.sum(axis=1))
    half = CYCLE // 2
    middles = np.arange(half, len(counts) - half)

    def within(values: NDArray[np.generic], before: int, after: int) -> Ints:
        sums = np.append(0, values.cumsum())
        return np.asarray(sums[middles + after] - sums[middles - before])

    near = within(counts, WINDOW // 2, WINDOW // 2 + 1)
    seen_near = within(seen, WINDOW // 2, WINDOW // 2 + 1)
    around = within(counts, half, half) * seen_near / np.maximum(within(seen, half, half), 1)
    phase = (first + middles) % CYCLE
    found, expected = (np.bincount(phase, each, CYCLE) + DRAWN for each in (near, around))
    return np.asarray(found / expected)


def heard(counts: Ints) -> NDArray[np.bool_]:
    """(day,) False where a city of so many incidents a day was not calm but not heard of.

    That is a run of days without any that Poisson's law of the mean gives less than one chance in
    a million: a feed that stopped for a month is no season.
    """
    longest = np.log(SURELY) / max(counts.mean(), 1e-9)
    calm = np.append(np.append(False, counts == 0), False)
    starts, stops = np.flatnonzero(calm[1:] != calm[:-1]).reshape(-1, 2).T
    silent = stops - starts > longest
    seen = np.ones(len(counts), bool)
    for start, stop in zip(starts[silent], stops[silent], strict=True):
        seen[start:stop] = False
    return seen


def at_decayed(
    seasons: Floats, shares: Floats, half_lives: Floats, started: datetime, cutoff: datetime
) -> Floats:
    """(half-life,) mean season of incidents in decayed sums, half-lives in hours."""
    days = np.arange(0.5, max((cutoff - started) / timedelta(days=1), 1.0))
    weight = 0.5 ** (24 * days[:, None] / half_lives) * share_at(shares, 24 * days)[:, None]
    season = seasons[(day_of(cutoff) - days.astype(np.int64)) % CYCLE]
    return np.asarray(season @ weight / np.maximum(weight.sum(axis=0), 1e-9))


def at_hours(seasons: Floats, hours: Ints) -> float:
    """Mean season of the hours since the epoch."""
    return float(seasons[hours // 24 % CYCLE].mean())
