"""Whether intervals hold what they promise, on sums that have counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from forecasts.counting import LEVEL, CountLaw, CountLaws
from forecasts.sums import Sums

LEAST = 0.5  # a sum expected to have less is not judged: 0 covers it whatever the law


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


def coverages(laws: CountLaws, sums: Sums, level: float = LEVEL) -> dict[str, Coverage]:
    """Coverage of the sums that have counts, each by its own law: districts' shifts, city hours."""
    by_shift, by_hour = sums.district_shift, sums.city_hour
    return {
        "district_shift": coverage(laws.district_shift, by_shift[0], by_shift[1], level),
        "city_hour": coverage(laws.city_hour, by_hour[0], by_hour[1], level),
    }
