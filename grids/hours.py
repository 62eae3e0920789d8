"""Hours and horizons: UTC inside, the city's local clock only at the edge.

An *hour* is a whole number of hours since 1970-01-01T00:00Z and stands for ``[hour, hour + 1)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grids.clock import local_instant, reference_hour

HOURS_OF_WEEK = 168


@dataclass(frozen=True, order=True)
class HourRange:
    """Hours ``[start, stop)`` since the epoch, UTC."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if self.stop < self.start:
            raise ValueError(f"hours end before they begin: [{self.start}, {self.stop})")

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.stop))

    @property
    def values(self) -> NDArray[np.int64]:
        """(hour,) hours since the epoch."""
        return np.arange(self.start, self.stop)

    @property
    def times(self) -> pd.DatetimeIndex:
        """(hour,) starts of the hours, UTC, microseconds."""
        return hours_to_times(self.values)

    def hours_of_week(self, timezone: ZoneInfo) -> NDArray[np.int16]:
        """(hour,) local hour of the week: 0 is Monday 00:00, 167 Sunday 23:00."""
        return hours_of_week(self.times, timezone)


def hours_to_times(hours: NDArray[np.int64]) -> pd.DatetimeIndex:
    """Starts of the hours as UTC timestamps in microseconds."""
    stamps = np.asarray(hours, np.int64).astype("datetime64[h]").astype("datetime64[us]")
    return pd.DatetimeIndex(stamps, tz="UTC")


def times_to_hours(times: pd.Series | pd.DatetimeIndex) -> NDArray[np.int64]:
    """The hour that every aware timestamp falls in. No timestamp may be missing."""
    index = pd.DatetimeIndex(times).tz_convert("UTC").tz_localize(None)
    return np.asarray(index, "datetime64[s]").astype(np.int64) // 3600


def hours_of_week(times: pd.DatetimeIndex, timezone: ZoneInfo) -> NDArray[np.int16]:
    """Local hour of the week of aware timestamps: 0 is Monday 00:00, 167 Sunday 23:00."""
    local = times.tz_convert(timezone)
    return np.asarray(local.day_of_week * 24 + local.hour, np.int16)


def localize(naive: pd.Series, timezone: ZoneInfo) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Local clock times to UTC, with masks of the ambiguous and of the nonexistent ones.

    An ambiguous time (autumn) takes its first reading; one that does not exist (spring) moves
    forward an hour. ``naive``: datetime64, NaT allowed. Returns UTC microseconds.
    """
    stamps, hour = naive.dt.as_unit("us").dt, pd.Timedelta("1h")
    first = np.ones(len(naive), bool)
    aware = stamps.tz_localize(timezone, ambiguous=first, nonexistent=hour)
    certain = stamps.tz_localize(timezone, ambiguous="NaT", nonexistent=hour)
    real = stamps.tz_localize(timezone, ambiguous=first, nonexistent="NaT")
    given = naive.notna()
    return aware.dt.tz_convert("UTC"), certain.isna() & given, real.isna() & given


def horizon(cutoff: datetime, timezone: ZoneInfo, days: int = 1) -> HourRange:
    """From the reference time to that of a cutoff at the same local clock ``days`` later.

    A day has 23 to 25 hours, and the horizons of nightly cutoffs tile. One exception: where the
    clocks skip the cutoff itself, that night's horizon ends an hour after the next one begins.
    """
    # By the cutoff's own clock: its reference hour may lie beyond a change of the clocks.
    local = cutoff.astimezone(timezone)
    stop = local_instant(local + timedelta(days=days), local.time(), timezone)
    return HourRange(reference_hour(cutoff), reference_hour(stop))
