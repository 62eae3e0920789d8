"""Values with their 95 % intervals, from sums over nights resampled in blocks of seven."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forecasts.bootstrap import BLOCK_NIGHTS, interval
from forecasts.calibration import Reliability, reliability

Floats = NDArray[np.float64]
LEVEL = 0.95
MIN_NIGHTS = 2 * BLOCK_NIGHTS  # fewer do not tell how weeks differ


@dataclass(frozen=True)
class Estimate:
    """A value and the ends of its interval, arrays of one shape; nan where nothing can be said."""

    value: Floats
    low: Floats
    high: Floats

    def to_dict(self) -> dict[str, Any]:
        """For JSON, where what cannot be said is null; lists where there are several values."""
        return {name: plain(getattr(self, name)) for name in ("value", "low", "high")}


def estimate(
    sums: ArrayLike, statistic: Callable[[Floats], Floats], block: int = BLOCK_NIGHTS
) -> Estimate:
    """A function of sums over nights, and its interval.

    ``sums``: (night, ...); ``statistic``: from (draw, ...) to (draw, ...). Without interval where
    there are fewer than two blocks, or where a sum is infinite, as the log score of a forecast
    that ruled out what happened.
    """
    values = np.asarray(sums, np.float64)
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
        value = np.asarray(statistic(values.sum(axis=0)[None])[0])
        if len(values) < 2 * block or not np.isfinite(values).all():
            unknown = np.full_like(value, np.nan)
            return Estimate(value, unknown, unknown)
        return Estimate(value, *interval(values, statistic, LEVEL, block=block))


def ratio(part: ArrayLike, whole: ArrayLike) -> Estimate:
    """``part`` over ``whole``, both (night, ...) sums of one shape."""
    sums = np.stack([np.asarray(part, np.float64), np.asarray(whole, np.float64)], axis=1)
    return estimate(sums, lambda s: s[:, 0] / s[:, 1])


def gain(log_score: ArrayLike, other: ArrayLike, incidents: ArrayLike) -> Estimate:
    """Information gain over another forecast, nats per incident; paired. All (night, ...)."""
    parts = [np.asarray(each, np.float64) for each in (log_score, other, incidents)]
    return estimate(np.stack(parts, axis=1), lambda s: (s[:, 0] - s[:, 1]) / s[:, 2])


def reliable(expected: ArrayLike, observed: ArrayLike) -> Reliability | None:
    """Expected over observed by bin, (night, bin); None where nights are too few."""
    if len(np.asarray(expected)) < MIN_NIGHTS:
        return None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)  # a bin without incidents
        return reliability(expected, observed)


def plain(values: Any) -> Any:
    """Numbers as JSON has them: nan and infinity become None."""
    if np.ndim(values):
        return [plain(each) for each in values]
    number = float(values)
    if not np.isfinite(number):
        return None
    return int(number) if isinstance(values, int | np.integer) else number
