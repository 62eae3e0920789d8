"""How long it takes until an incident is known, as that could be estimated at the time.

Of recent incidents only the quickly reported ones are known, so a plain average of known delays is
too short. The share reported by an age is estimated from the right-truncated sample by the reverse
hazard (Lagakos, Barraj and De Gruttola 1988, Biometrika 75:515; the "chain ladder" of actuaries).
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from grids.clock import EPOCH, HOUR, day_of
from pipeline.silver import Arrivals

DELAY_DAYS = 400  # days of occurrence that the estimate looks back on
# Upper ends of the age bins, hours. Later reports count as never: they are few, and waiting for
# them would keep every label out of training.
_HOURS = [1, 2, 3, 4, 6, 8, 12, 18]
_DAYS = [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 10, 14, 21, 30, 42, 60, 75, 90, 105, 120, 150]
DELAY_EDGES = np.array([*_HOURS, *(24 * day for day in _DAYS)], np.float64)


def turned(table: NDArray[np.int64], since: datetime, cutoff: datetime) -> NDArray[np.int64]:
    """A copy of a table (day modulo its length, ...), its days after ``since`` empty."""
    table, length = table.copy(), len(table)
    today, before = day_of(cutoff), day_of(since)
    table[np.arange(max(before + 1, today - length + 1), today + 1) % length] = 0
    return table


def count_delays(
    table: NDArray[np.int64], arrivals: Arrivals, since: datetime, cutoff: datetime
) -> NDArray[np.int64]:
    """The table (day modulo DELAY_DAYS, age bin) moved on from ``since`` to ``cutoff``."""
    table, today = turned(table, since, cutoff), day_of(cutoff)
    day = arrivals.events.hour // 24
    counted = arrivals.first & (arrivals.events.sign > 0) & (day > today - DELAY_DAYS)
    age = arrivals.known[counted] / 3.6e9 - arrivals.events.hour[counted]
    age_bin = np.searchsorted(DELAY_EDGES, age, side="left")
    place = day[counted] % DELAY_DAYS * table.shape[1] + age_bin
    return table + np.bincount(place, minlength=table.size).reshape(table.shape)


def reported_share(table: NDArray[np.int64], cutoff: datetime) -> NDArray[np.float64]:
    """(edge,) share of incidents known by each age of DELAY_EDGES, of those ever known.

    Uses days of occurrence for which that age had passed at ``cutoff``; without any data 1.
    """
    today = day_of(cutoff)
    days = np.arange(today - DELAY_DAYS + 1, today + 1)
    by_age = table[days % DELAY_DAYS][:, :-1]
    cumulative = by_age.cumsum(axis=1)
    now = (cutoff - EPOCH) / HOUR
    old_enough = (days[:, None] + 1) * 24 <= now - DELAY_EDGES[None, :]
    in_bin = (by_age * old_enough).sum(axis=0)
    up_to = (cumulative * old_enough).sum(axis=0)
    hazard = np.divide(in_bin, up_to, out=np.zeros(len(DELAY_EDGES)), where=up_to > 0)
    return np.append((1.0 - hazard[1:])[::-1].cumprod()[::-1], 1.0)


def newest_occurrence(table: NDArray[np.int64], cutoff: datetime) -> datetime | None:
    """The end of the newest day (UTC) with a known incident, not after ``cutoff``; None if none."""
    today = day_of(cutoff)
    for day in range(today, today - DELAY_DAYS, -1):
        if table[day % DELAY_DAYS].any():
            return min(EPOCH + timedelta(days=day + 1), cutoff)
    return None


def newest_report(table: NDArray[np.int64], cutoff: datetime) -> datetime | None:
    """When the last incident became known, up to a day later and not after ``cutoff``.

    By days of occurrence and lower ends of the age bins; None where no incident is known.
    """
    today = day_of(cutoff)
    days = np.arange(today - DELAY_DAYS + 1, today + 1)
    day, age = np.nonzero(table[days % DELAY_DAYS])
    if not len(day):
        return None
    known = (days[day] + 1) * 24 + np.append(0.0, DELAY_EDGES)[age]
    return min(EPOCH + float(known.max()) * HOUR, cutoff)


def share_at(shares: NDArray[np.float64], age: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share known by each age (hours), between the edges by straight lines."""
    return np.asarray(np.interp(age, np.append(0.0, DELAY_EDGES), np.append(0.0, shares)))


def maturity(shares: NDArray[np.float64], share: float = 0.95) -> timedelta:
    """The age at which ``share`` of the incidents are known: labels younger than that are short."""
    edge = int(np.argmax(shares >= share))
    return timedelta(hours=float(DELAY_EDGES[edge]))


def exposures(
    shares: NDArray[np.float64], half_lives: NDArray[np.float64], age_of_data: float
) -> NDArray[np.float64]:
    """(half-life,) hours: the decayed time in which incidents could have become known.

    ``integral of 0.5 ** (a / half_life) * share(a)`` over ages 0 to ``age_of_data`` (hours): a
    decayed number of incidents divided by it is a rate per hour that reporting delay leaves whole.
    """
    steps = np.arange(0.5, min(DELAY_EDGES[-1], age_of_data))
    recent = 0.5 ** (steps[:, None] / half_lives) * share_at(shares, steps)[:, None]
    scale = half_lives / np.log(2.0)
    first, last = min(DELAY_EDGES[-1], age_of_data), age_of_data
    tail = scale * (0.5 ** (first / half_lives) - 0.5 ** (last / half_lives))
    return np.asarray(np.maximum(recent.sum(axis=0) + tail, 1e-9))
