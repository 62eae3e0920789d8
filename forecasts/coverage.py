"""Whether intervals hold what they promise, on sums that have counts.

A single cell and hour has next to no incidents, and any interval from 0 holds it. So intervals are
judged on sums that people plan by: a district's shift, and the whole city's hour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forecasts.counting import LEVEL, CountLaw

Floats = NDArray[np.float64]
SHIFTS = 3  # of a day, eight hours each
FIRST_SHIFT = 6  # local hour at which the first one begins
LEAST = 0.5  # a sum expected to have less is not judged: 0 covers it whatever the law


def shifts(local_hours: ArrayLike) -> NDArray[np.int64]:
    """(hour,) the shift that each hour of a horizon falls in: 0, 1, 2 on its first day, then 3...

    ``local_hours``: (hour,) hours of the day, or of the week, by the city's clock. A day is a day
    of the horizon, which begins at the cutoff: three shifts each, whatever hour that is, so from
    midnight the third one is the early morning and the late evening of one date.
    """
    hours = np.asarray(local_hours, np.int64)
    days = max(round(len(hours) / 24), 1)
    day = np.arange(len(hours)) * days // max(len(hours), 1)
    return day * SHIFTS + (hours - FIRST_SHIFT) % 24 // 8


def shift_sums(values: ArrayLike, district: ArrayLike, shift: ArrayLike, districts: int) -> Floats:
    """(district, shift) sums of ``values`` (cell, hour).

    ``district``: (cell,) index below ``districts``; cells with a negative one are left out.
    ``shift``: (hour,), as ``shifts`` tells it.
    """
    v, d, s = np.asarray(values, np.float64), np.asarray(district), np.asarray(shift)
    if v.shape != (len(d), len(s)):
        raise ValueError(f"values are {v.shape}, but {len(d)} cells and {len(s)} hours have groups")
    by_hour = np.zeros((districts, len(s)))
    np.add.at(by_hour, d[d >= 0], v[d >= 0])
    sums = np.zeros((districts, int(s.max(initial=-1)) + 1))
    np.add.at(sums.T, s, by_hour.T)
    return sums


@dataclass(frozen=True)
class Coverage:
    """How many counts lay below, in and above their intervals."""

    below: int
    inside: int
    above: int

    @property
    def sums(self) -> int:
        """How many were judged."""
        return self.below + self.inside + self.above

    @property
    def share(self) -> float:
        """Share that lay inside; nan where none was judged."""
        return self.inside / self.sums if self.sums else float("nan")

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(
            self.below + other.below, self.inside + other.inside, self.above + other.above
        )


def coverage(
    law: CountLaw,
    means: ArrayLike,
    counts: ArrayLike,
    level: float = LEVEL,
    least: float = LEAST,
) -> Coverage:
    """How ``counts`` lay in the law's intervals around ``means``, arrays of one shape.

    Sums with an expected count below ``least`` are left out.
    """
    m, n = np.asarray(means, np.float64), np.asarray(counts, np.float64)
    if m.shape != n.shape:
        raise ValueError(f"means are {m.shape}, counts {n.shape}: give every sum both")
    m, n = m[m >= least], n[m >= least]
    low, high = law.interval(m, level)
    below, above = int((n < low).sum()), int((n > high).sum())
    return Coverage(below, m.size - below - above, above)
