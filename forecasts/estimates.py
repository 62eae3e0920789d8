"""Values with their 95 % intervals, from sums over nights resampled in blocks of seven."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forecasts.bootstrap import LEAST_NIGHTS, interval
from forecasts.calibration import Reliability, reliability

Floats = NDArray[np.float64]
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value and the ends of its interval, arrays of one shape; nan where nothing can be said."""

    value: Floats
    low: Floats
    high: Floats

    def to_dict(self) -> dict[str, Any]:
        """For JSON, where what cannot be said is null; lists where there are several values."""
        return {name: plain(getattr(self, name)) for name in ("value", "low", "high")}


def estimate(sums: ArrayLike, statistic: Callable[[Floats], Floats]) -> Estimate:
    """A function of sums over nights, and its interval.

    ``sums``: (night, ...); ``statistic``: from (draw, ...) to (draw, ...). Without interval where
    there are fewer than LEAST_NIGHTS, or where a sum is infinite, as the log score of a forecast
    that ruled out what happened.
    """
    values = np.asarray(sums, np.float64)
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
        value = np.asarray(statistic(values.sum(axis=0)[None])[0])
        if len(values) < LEAST_NIGHTS or not np.isfinite(values).all():
            unknown = np.full_like(value, np.nan)
            return Estimate(value, unknown, unknown)
        return Estimate(value, *interval(values, statistic, LEVEL))


def ratio(part: ArrayLike, whole: ArrayLike) -> Estimate:
    """``part`` over ``whole``, both (night, ...) sums of one shape."""
    return estimate(_stacked(part, whole), lambda s: s[:, 0] / s[:, 1])


def gain(log_score: ArrayLike, other: ArrayLike, incidents: ArrayLike) -> Estimate:
    """Information gain over another forecast, nats per incident; paired. All (night, ...)."""
    sums = _stacked(log_score, other, incidents)
    return estimate(sums, lambda s: (s[:, 0] - s[:, 1]) / s[:, 2])


def reached(
    log_score: ArrayLike,
    reference: ArrayLike,
    incidents: ArrayLike,
    divergence: ArrayLike,
    expected: ArrayLike,
) -> Estimate:
    """The gain over a reference as a share of its ceiling (scores.divergence); paired.

    1: ahead as far as the forecast itself says that it is. All (night, ...).
    """
    sums = _stacked(log_score, reference, incidents, divergence, expected)
    return estimate(sums, lambda s: (s[:, 0] - s[:, 1]) / s[:, 2] / (s[:, 3] / s[:, 4]))


def calibration(expected: ArrayLike, observed: ArrayLike) -> Estimate:
    """Expected over observed incidents, (night,) each, every incident counted once.

    The interval is the resampling's, and never narrower than Poisson's law has it.
    """
    m, n = (np.asarray(each, np.float64)[:, None] for each in (expected, observed))
    found = reliable(m, n, level=LEVEL)
    if found is None:
        return ratio(m[:, 0], n[:, 0])
    return Estimate(found.ratio[0], found.low[0], found.high[0])


def reliable(
    expected: ArrayLike, observed: ArrayLike, bins: int | None = None, level: float = 0.99
) -> Reliability | None:
    """Expected over observed by bin, (night, bin); None where nights are too few.

    ``bins``: how many bins hold together with ``level``, by default these.
    """
    if len(np.asarray(expected)) < LEAST_NIGHTS:
        return None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)  # a bin without incidents
        return reliability(expected, observed, level, bins=bins)


def plain(values: Any) -> Any:
    """Numbers as JSON has them: nan and infinity become None."""
    if np.ndim(values):
        return [plain(each) for each in values]
    number = float(values)
    if not np.isfinite(number):
        return None
    return int(number) if isinstance(values, int | np.integer) else number


def _stacked(*parts: ArrayLike) -> Floats:
    """(night, part, ...)."""
    return np.stack([np.asarray(each, np.float64) for each in parts], axis=1)
