"""The time of the year: how much more there is of a kind of incident in some weeks than in others.

Classical decomposition by the ratio to a moving average (Persons 1919, Review of Economics and
Statistics 1:5), on the city's daily counts of the last years as known at the cutoff.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from grids.hours import EPOCH, HOUR
from pipeline.delay import maturity, share_at
from pipeline.silver import Arrivals

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CYCLE = 364  # days: a year of whole weeks, so that weekdays do not look like seasons
SEASON_DAYS = 4 * CYCLE + 21  # days of occurrence kept: three cycles with half a one on either side
WINDOW = 21  # days over which a time of the year is smoothed
DRAWN = 100.0  # incidents by which it is drawn to the mean


def count_days(table: Ints, arrivals: Arrivals, since: datetime, cutoff: datetime) -> Ints:
    """The table (UTC day modulo SEASON_DAYS, category) moved on from ``since`` to ``cutoff``."""
    table = table.copy()
    today, before = _day(cutoff), _day(since)
    table[np.arange(max(before + 1, today - SEASON_DAYS + 1), today + 1) % SEASON_DAYS] = 0
    events = arrivals.events
    kept = events.hour // 24 > today - SEASON_DAYS
    place = events.hour[kept] // 24 % SEASON_DAYS, events.category[kept]
    np.add.at(table, place, events.sign[kept])
    return table


def seasons(daily: Ints, shares: Floats, started: datetime, cutoff: datetime) -> Floats:
    """(CYCLE,) by UTC day modulo CYCLE: incidents against the mean of the year around.

    ``daily`` (SEASON_DAYS,): counts by day as known at ``cutoff``, of data that ``started`` then;
    ``shares``: reported by age (DELAY_EDGES). All 1 before two years are known.
    """
    last = _day(cutoff - maturity(shares))
    first = max(_day(started) + 1, _day(cutoff) - SEASON_DAYS + 1)
    if last - first < 2 * CYCLE:
        return np.ones(CYCLE)
    counts = daily[np.arange(first, last) % SEASON_DAYS]
    half = CYCLE // 2
    middles = np.arange(half, len(counts) - half)
    sums = np.append(0, counts.cumsum())
    near = sums[middles + WINDOW // 2 + 1] - sums[middles - WINDOW // 2]
    around = (sums[middles + half] - sums[middles - half]) * (WINDOW / CYCLE)
    phase = (first + middles) % CYCLE
    found, expected = (np.bincount(phase, each, CYCLE) + DRAWN for each in (near, around))
    return np.asarray(found / expected)


def at_decayed(
    seasons: Floats, shares: Floats, half_lives: Floats, started: datetime, cutoff: datetime
) -> Floats:
    """(half-life,) mean season of incidents in decayed sums, half-lives in hours."""
    days = np.arange(0.5, max((cutoff - started) / timedelta(days=1), 1.0))
    weight = 0.5 ** (24 * days[:, None] / half_lives) * share_at(shares, 24 * days)[:, None]
    season = seasons[(_day(cutoff) - days.astype(np.int64)) % CYCLE]
    return np.asarray(season @ weight / np.maximum(weight.sum(axis=0), 1e-9))


def at_hours(seasons: Floats, hours: Ints) -> float:
    """Mean season of the hours since the epoch."""
    return float(seasons[hours // 24 % CYCLE].mean())


def _day(instant: datetime) -> int:
    return (instant - EPOCH) // (24 * HOUR)
