"""Whether forecasts say as much as happens: expected over observed, and the number test.

At a chance of half a percent per cell and hour an absolute calibration error says nothing, since a
forecast of 0 passes it. So the expected number is held to the observed one, in bins of cell-hours
that hold many incidents, with an interval from nights resampled in blocks.

- Garwood 1936, "Fiducial limits for the Poisson distribution", Biometrika 28: the exact interval.
- Schorlemmer et al. 2007, "Earthquake likelihood model testing", Seismological Research Letters 78,
  and Zechar, Gerstenberger and Rhoades 2010, "Likelihood-based tests for evaluating space-rate-
  magnitude earthquake forecasts", BSSA 100: the number test, in its two one-sided parts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincinv, pdtr, pdtrc

from forecasts.bootstrap import BLOCK_NIGHTS, interval

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reliability:
    """(bin,) expected and observed numbers, their ratio, and its interval; nan without incidents.

    ``level``: of every bin's interval, so that all of them hold together with the level asked for.
    """

    expected: Floats
    observed: Floats
    ratio: Floats
    low: Floats
    high: Floats
    level: float

    @property
    def is_off(self) -> NDArray[np.bool_]:
        """(bin,) where the interval leaves 1 out."""
        return (self.low > 1) | (self.high < 1)


def reliability(
    expected: ArrayLike,
    observed: ArrayLike,
    level: float = 0.99,
    block: int = BLOCK_NIGHTS,
    bins: int | None = None,
) -> Reliability:
    """Expected over observed in every bin. ``expected``, ``observed``: (night, bin) sums.

    The level is corrected for the number of bins (Bonferroni), so that a forecast without fault has
    a bin off in one case of ``1 / (1 - level)``; ``bins``: how many there are, where these are not
    all that are looked at. An interval is never narrower than Poisson's law has it (Garwood):
    nights resampled do not tell how few three incidents are. So every incident has to be counted
    once.
    """
    m, n = np.asarray(expected, np.float64), np.asarray(observed, np.float64)
    if m.shape != n.shape or m.ndim != 2:
        raise ValueError(f"expected is {m.shape}, observed {n.shape}: both must be (night, bin)")
    each = 1 - (1 - level) / (bins or m.shape[1])
    logs = interval(np.stack([m, n], axis=1), _log_ratio, each, draws=20_000, block=block)
    low, high = np.exp(logs[0]), np.exp(logs[1])
    total = np.stack([m.sum(axis=0), n.sum(axis=0)])
    exact = _exact(total[0], total[1], (1 - each) / 2)
    low, high = np.fmin(low, exact[0]), np.fmax(high, exact[1])
    return Reliability(total[0], total[1], _ratio(total[None])[0], low, high, each)


def _exact(expected: Floats, observed: Floats, tail: float) -> tuple[Floats, Floats]:
    """Ends of expected over the mean of a Poisson law of which ``observed`` were drawn."""
    # Half of chi-squared's: scipy.stats, which has it by name, takes a third of a second to load.
    fewest = np.where(observed > 0, gammaincinv(np.maximum(observed, 0.5), tail), 0.0)
    most = gammaincinv(observed + 1, 1 - tail)
    with np.errstate(divide="ignore", invalid="ignore"):
        longest = np.where(expected > 0, expected / fewest, np.nan)
        return np.asarray(expected / most), np.asarray(longest)


def _ratio(sums: Floats) -> Floats:
    """Infinite where incidents were expected and none came, nan where neither."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(sums[:, 0] / sums[:, 1])


def _log_ratio(sums: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(_ratio(sums)))


def deciles(expected: ArrayLike) -> NDArray[np.int64]:
    """Bin of every cell-hour, 0 to 9, by its rate within its night; equal rates, one bin.

    ``expected``: (cell, hour). A tenth of the cell-hours each, where rates differ.
    """
    m = np.asarray(expected, np.float64)
    edges = np.quantile(m, np.arange(1, 10) / 10)
    return np.searchsorted(edges, m, side="left").astype(np.int64)


def number_test(expected: float, observed: int) -> tuple[float, float]:
    """P(N >= observed) and P(N <= observed) by Poisson's law, as CSEP defines the test.

    A small first says too few were expected, a small second too many. Real counts are spread wider
    than Poisson's, so it finds fault too often; the interval of ``reliability`` allows for that.
    """
    if expected < 0 or observed < 0:
        raise ValueError(f"number test of {expected}, {observed}: neither is negative")
    at_least = float(pdtrc(observed - 1, expected)) if observed else 1.0
    return at_least, float(pdtr(observed, expected))
