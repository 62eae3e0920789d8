"""Where the data begin and end in earnest: stray early rows and a sparse last week apart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from grids.clock import local_instant
from pipeline.errors import DataError

_DENSE = 0.1  # of a usual week, below which a week is no part of the data
_FULL = 0.4  # of a usual day
_MOST_GAP = 26  # weeks
_SEEN = 0.05  # of all rows, below which a gap may be one of the sample
_OLD = timedelta(days=10)


@dataclass(frozen=True)
class Span:
    """``start``: first day of the data; ``last``: last full day; ``newest``: the latest time.

    ``before``: share of the rows before the start; ``gaps``: weeks without data between.
    """

    start: date
    last: date
    newest: datetime
    before: float
    gaps: int
    days: int
    per_day: float

    def is_old(self, now: datetime, lag_days: float) -> bool:
        """Whether the latest night would find that the data stopped long ago."""
        return now.date() - self.last > _OLD + timedelta(days=lag_days)

    def as_of(self, cutoff: time, zone: ZoneInfo) -> str:
        """The night after the last full day, as ``--as-of`` takes it."""
        day = datetime.combine(self.last + timedelta(days=1), cutoff)
        local = local_instant(day, cutoff, zone).astimezone(zone)
        return local.isoformat(timespec="minutes")


def find_span(times: pd.Series, share: float, now: datetime) -> Span:
    """The span of times of occurrence (naive, local). ``share``: of all rows that they are of.

    Raises DataError where none of them is in the past.
    """
    known = times.dropna()
    known = known[known <= pd.Timestamp(now).tz_localize(None) + pd.Timedelta("1D")]
    if known.empty:
        raise DataError("every time of occurrence lies in the future: check the source's clocks")
    days = known.dt.normalize().astype("datetime64[s]").value_counts().sort_index()
    weeks = days.groupby(days.index.to_period("W").start_time).sum()
    weeks = weeks.reindex(pd.date_range(weeks.index[0], weeks.index[-1], freq="7D"), fill_value=0)
    usual = _weighted_median(weeks.to_numpy())
    dense = np.flatnonzero(weeks.to_numpy() >= max(1.0, _DENSE * usual))
    breaks = np.flatnonzero(np.diff(dense) > _MOST_GAP)
    first = dense[breaks[-1] + 1] if len(breaks) else dense[0]
    if weeks.to_numpy()[first:].sum() < 0.5 * weeks.sum():  # what came after a long pause is less
        first = dense[0]
    start = _first_day(days, weeks.index[first])
    last = _last_day(days, weeks.to_numpy()[dense], now)
    inside = days[days.index >= pd.Timestamp(start)]
    length = max(1, (last - start).days + 1)
    return Span(
        start,
        last,
        known.max().to_pydatetime(),
        float(1 - inside.sum() / days.sum()),
        int((np.diff(dense[dense >= first]) - 1).sum()) if share > _SEEN else 0,
        length,
        float(inside.sum() / length / share),
    )


def _weighted_median(counts: np.ndarray) -> float:
    """The size of the week in which the median incident lies."""
    ordered = np.sort(counts)
    return float(ordered[np.searchsorted(ordered.cumsum(), ordered.sum() / 2)])


def _first_day(days: pd.Series, week: pd.Timestamp) -> date:
    """The first day with data in a week; a month's first where it is nearly that."""
    first: date = days.index[days.index >= week][0].date()
    return first.replace(day=1) if first.day <= 3 else first


def _last_day(days: pd.Series, dense: np.ndarray, now: datetime) -> date:
    """The last day that is not sparse, of those that are over."""
    usual = float(np.median(dense)) / 7
    full = days[(days >= _FULL * usual) & (days.index < pd.Timestamp(now.date()))]
    last: date = (full if len(full) else days).index[-1].date()
    return last
