from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import DataError
from pipeline.init.span import find_span

NOW = datetime(2025, 1, 1, tzinfo=UTC)
ZONE = ZoneInfo("America/Denver")


def times(start: str, end: str, per_day: int = 20, seed: int = 2) -> pd.Series:
    rng = np.random.default_rng(seed)
    days = pd.date_range(start, end)
    counts = rng.poisson(per_day, len(days))
    minutes = pd.to_timedelta(rng.integers(0, 1440, counts.sum()), unit="min")
    return pd.Series(np.repeat(days, counts) + minutes)


def test_spans_what_is_dense() -> None:
    stray = pd.Series(pd.to_datetime(["1900-01-01", "1970-01-01", "2015-05-05", "2031-01-01"]))
    span = find_span(pd.concat([times("2020-03-10", "2024-10-05"), stray]), 1.0, NOW)
    assert (span.start, span.last) == (date(2020, 3, 10), date(2024, 10, 5))
    assert span.gaps == 0
    assert 19 < span.per_day < 21
    assert 0 < span.before < 0.001


def test_begins_with_the_month_where_that_is_nearly_so() -> None:
    assert find_span(times("2020-01-02", "2021-01-01"), 1.0, NOW).start == date(2020, 1, 1)
    assert find_span(times("2020-01-08", "2021-01-01"), 1.0, NOW).start == date(2020, 1, 8)


def test_late_reports_of_earlier_years_do_not_begin_it() -> None:
    tail = times("2015-01-01", "2019-12-31", 1, seed=3)[::8]
    span = find_span(pd.concat([times("2020-01-01", "2024-10-05", 50), tail]), 1.0, NOW)
    assert span.start == date(2020, 1, 1)
    assert span.before > 0


def test_a_sparse_end_is_not_the_last_day() -> None:
    ending = times("2024-10-06", "2024-10-20", 1)
    span = find_span(pd.concat([times("2023-01-01", "2024-10-05"), ending]), 1.0, NOW)
    assert span.last == date(2024, 10, 5)
    assert span.as_of(time(6), ZONE) == "2024-10-06T06:00-06:00"
    assert span.is_old(NOW, 0)
    assert not span.is_old(datetime(2024, 10, 12, tzinfo=UTC), 0)


def test_gaps_are_counted_and_what_lies_before_a_long_one_is_left() -> None:
    later = times("2022-01-01", "2024-10-05")
    short = find_span(pd.concat([times("2021-01-01", "2021-10-05"), later]), 1.0, NOW)
    assert short.start == date(2021, 1, 1)
    assert 10 < short.gaps < 14
    long = find_span(pd.concat([times("2019-01-01", "2019-10-05"), later]), 1.0, NOW)
    assert long.start == date(2022, 1, 1)


def test_what_lies_ahead_is_no_history() -> None:
    with pytest.raises(DataError, match="lies in the future"):
        find_span(times("2031-01-01", "2031-02-01"), 1.0, NOW)


def test_a_sample_is_counted_up() -> None:
    all_ = times("2020-01-01", "2024-10-05", 40)
    assert abs(find_span(all_[::4], 0.25, NOW).per_day - 40) < 2
