"""The law of counts: how far what happens may lie from what was expected.

Several offences of one event fall into one cell and hour (*clumping*), and whole evenings are
busier than expected (*shared*). A count with the expected number M, of one cell-hour or of a sum of
them, is taken as negative binomial with the variance

    M (1 + clumping) + shared M^2

Clumping is closed under sums: counts of independent cells that are all clumped alike add up to one
that is. What is shared is common to all parts of a sum, so it grows with its square.

A series of thefts in one night runs over cells and hours: it clumps the sum of a district's shift,
less the sum of a city's hour, and hardly any single cell-hour; the rate of a single cell-hour is
known far less well than that of a sum. So each of the three has its law.

- Cameron and Trivedi 2013, Regression Analysis of Count Data, 2nd ed., section 3.3: the negative
  binomials with linear (NB1) and quadratic (NB2) variance. ``N`` has the size ``r = M / d`` and the
  chance ``1 / (1 + d)``, ``d = clumping + shared M`` being what the variance has above Poisson's,
  per incident expected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, gammaln, xlogy

from forecasts.sums import Sums

Floats = NDArray[np.float64]
LEVEL = 0.9
NEAR_POISSON = 1e-8  # below this excess a negative binomial is Poisson's to the last digits


@dataclass(frozen=True)
class CountLaw:
    """A negative binomial of every mean; Poisson's law where both numbers are 0.

    ``clumping``: excess of the variance, per incident. ``shared``: squared relative uncertainty
    that all parts of a sum have in common. ``note``: what was wrong with the fit, if anything.
    Raises ValueError where one is negative or not finite.
    """

    clumping: float = 0.0
    shared: float = 0.0
    note: str = ""

    def __post_init__(self) -> None:
        for name, value in (("clumping", self.clumping), ("shared", self.shared)):
            if not (np.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value}: an over-dispersion is 0 or more")

    def probability(self, mean: ArrayLike) -> Floats:
        """Probability of at least one incident, for every mean: ``1 - (1 + d)^(-M / d)``."""
        m = _means(mean)
        return np.asarray(-np.expm1(-m * _log1p_per(self._excess(m))))

    def log_probability(self, mean: ArrayLike, counts: ArrayLike) -> Floats:
        """Log probability of the counts, in nats; -inf where an incident was given no chance."""
        m, n = np.broadcast_arrays(_means(mean), np.asarray(counts, np.float64))
        d = self._excess(m)
        near = (d < NEAR_POISSON) | (m == 0)
        poisson = xlogy(n, m) - m - gammaln(n + 1)
        d, safe = np.where(near, 1.0, d), np.where(near, 1.0, m)
        size = np.maximum(safe / d, np.finfo(np.float64).tiny)
        # log Gamma(n + r) / (Gamma(r) n!) without the difference of two large numbers.
        ways = -betaln(size, n + 1) - np.log(n + size)
        binomial = ways + n * (np.log(d) - np.log1p(d)) - safe * _log1p_per(d)
        return np.asarray(np.where(near, poisson, binomial))

    def interval(self, mean: ArrayLike, level: float = LEVEL) -> tuple[Floats, Floats]:
        """The counts, both included, whose probability together is nearest to ``level``.

        Grown from the likeliest count by the likelier neighbour. Equal tails would cover far more
        than ``level`` where counts are small: a discrete law has no count at the wanted quantile.
        Returns whole numbers in the shape of ``mean``.
        """
        if not 0 < level < 1:
            raise ValueError(f"level {level}: an interval covers more than 0 and less than 1")
        m = _means(mean)
        low, high = np.zeros(m.shape), np.zeros(m.shape)
        # Nearly every cell-hour: no incident is already the likeliest and likely enough.
        open_ = 1 - self.probability(m) < level
        means, place = np.unique(m[open_], return_inverse=True)
        found = self._grown(means, level)
        low[open_], high[open_] = found[0][place], found[1][place]
        return low, high

    def _excess(self, m: Floats) -> Floats:
        return np.asarray(self.clumping + self.shared * m)

    def _grown(self, m: Floats, level: float) -> tuple[Floats, Floats]:
        d = self._excess(m)
        low = np.maximum(np.ceil(m - 1 - d), 0)
        high = low.copy()
        at_low = np.exp(self.log_probability(m, low))
        at_high, covered = at_low.copy(), at_low.copy()
        growing = np.arange(len(m))
        while growing.size:
            i = growing
            # P(n + 1) / P(n) = (n d + M) / (n + 1) / (1 + d), for Poisson's law too.
            below = at_low[i] * low[i] * (1 + d[i]) / (np.maximum(low[i] - 1, 0) * d[i] + m[i])
            above = at_high[i] * (high[i] * d[i] + m[i]) / (high[i] + 1) / (1 + d[i])
            more = np.maximum(below, above)
            nearer = np.abs(covered[i] + more - level) < np.abs(covered[i] - level)
            down = nearer & (below > above)
            up = nearer & ~down
            low[i[down]] -= 1
            high[i[up]] += 1
            at_low[i[down]], at_high[i[up]] = below[down], above[up]
            covered[i] += more
            growing = i[nearer]
        return low, high

    def to_dict(self) -> dict[str, Any]:
        """The two numbers by name, for JSON, and the note where there is one."""
        numbers = {"clumping": self.clumping, "shared": self.shared}
        return {**numbers, "note": self.note} if self.note else numbers

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CountLaw:
        """What ``to_dict`` gave."""
        return cls(float(values["clumping"]), float(values["shared"]), values.get("note", ""))


POISSON = CountLaw()


@dataclass(frozen=True)
class CountLaws:
    """The laws of a target's counts: of a cell's hour, a district's shift, the city's hour."""

    cell_hour: CountLaw = POISSON
    district_shift: CountLaw = POISSON
    city_hour: CountLaw = POISSON

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """The laws by name, for JSON."""
        return {each.name: getattr(self, each.name).to_dict() for each in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Mapping[str, Any]]) -> CountLaws:
        """What ``to_dict`` gave."""
        return cls(**{name: CountLaw.from_dict(law) for name, law in values.items()})


def _means(mean: ArrayLike) -> Floats:
    m = np.asarray(mean, np.float64)
    bad = ~(np.isfinite(m) & (m >= 0))
    if bad.any():
        raise ValueError(
            f"{int(bad.sum())} expected counts are negative or not finite, the first is"
            f" {m[bad].flat[0]}: an expected count is 0 or more"
        )
    return m


def _log1p_per(d: Floats) -> Floats:
    """``log(1 + d) / d``, 1 at 0."""
    return np.asarray(np.log1p(d) / np.where(d > 0, d, 1.0) + (d == 0))


def fit_laws(sums: Sums) -> CountLaws:
    """The likeliest laws of ``sums``: of nights that the forecast was not fitted on, or they are
    too narrow.
    """
    by_cell, by_shift, by_hour = sums.cell_hour, sums.district_shift, sums.city_hour
    return CountLaws(
        cell_hour=fit_law(by_cell[0], by_cell[1], by_cell[2]),
        district_shift=fit_law(by_shift[0], by_shift[1]),
        city_hour=fit_law(by_hour[0], by_hour[1]),
    )


def fit_law(means: ArrayLike, counts: ArrayLike, weights: ArrayLike = 1.0) -> CountLaw:
    """The likeliest law of ``counts`` around ``means``, (n,) each; small numbers where few tell.

    ``weights``: how many counts each one stands for. What was given no chance says nothing and is
    left out. Without any count, Poisson's law. So it is where the fit fails, with a note, since
    intervals are too narrow then.
    """
    from scipy.optimize import minimize  # slow to load, and no night but one that fits needs it

    m, n = _means(means).ravel(), np.asarray(counts, np.float64).ravel()
    if m.shape != n.shape:
        raise ValueError(f"{m.size} means, {n.size} counts: give pairs")
    w = np.broadcast_to(np.asarray(weights, np.float64), m.shape)[m > 0]
    m, n = m[m > 0], n[m > 0]
    if not n.sum():
        return POISSON

    def loss(roots: Floats) -> float:
        law = CountLaw(float(roots[0] ** 2), float(roots[1] ** 2))
        # Both numbers exponential with mean 1 beforehand: two incidents that met are no law yet.
        return law.clumping + law.shared - float((w * law.log_probability(m, n)).sum())

    # By their square roots: 0 can be reached, and nothing below it.
    tolerance = {"xatol": 1e-4, "fatol": 1e-4}
    found = minimize(loss, np.sqrt([0.1, 0.02]), method="Nelder-Mead", options=tolerance)
    if not found.success:
        return CountLaw(note=f"Poisson's: the fit failed ({found.message})")
    clumping, shared = (round(float(root**2), 6) for root in found.x)
    return CountLaw(clumping, shared)
