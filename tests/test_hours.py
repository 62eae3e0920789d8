"""Hours and the local clock: what a time of the wall clock means, and that nights tile."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grids.clock import EPOCH, HOUR, latest_cutoff, nightly_cutoffs, reference_hour
from grids.hours import HourRange, horizon, hours_of_week, hours_to_times, localize, times_to_hours

DENVER, PHOENIX = ZoneInfo("America/Denver"), ZoneInfo("America/Phoenix")
KOLKATA, HAVANA = ZoneInfo("Asia/Kolkata"), ZoneInfo("America/Havana")
SEEDED = settings(derandomize=True, deadline=None, max_examples=60)
SPRING, AUTUMN = datetime(2025, 3, 9), datetime(2025, 11, 2)  # Denver's clocks change at 2


def naive(*texts: str | None) -> pd.Series:
    return pd.to_datetime(pd.Series(texts, dtype="object"), format="ISO8601")


def utc(*texts: str) -> list[pd.Timestamp]:
    return [pd.Timestamp(text, tz="UTC") for text in texts]


# Local clock to UTC


def test_an_ambiguous_time_takes_its_first_reading() -> None:
    texts = ("2025-11-02 00:59", "2025-11-02 01:00", "2025-11-02 01:59:59", "2025-11-02 02:00")
    times, ambiguous, nonexistent = localize(naive(*texts), DENVER)
    first = ("2025-11-02 06:59", "2025-11-02 07:00", "2025-11-02 07:59:59", "2025-11-02 09:00")
    assert times.tolist() == utc(*first)
    assert ambiguous.tolist() == [False, True, True, False]
    assert not nonexistent.any()


def test_a_time_that_never_was_moves_forward_an_hour() -> None:
    texts = ("2025-03-09 01:59", "2025-03-09 02:00", "2025-03-09 02:45", "2025-03-09 03:00")
    times, ambiguous, nonexistent = localize(naive(*texts), DENVER)
    moved = ("2025-03-09 08:59", "2025-03-09 09:00", "2025-03-09 09:45", "2025-03-09 09:00")
    assert times.tolist() == utc(*moved)
    assert nonexistent.tolist() == [False, True, True, False]
    assert not ambiguous.any()


def test_a_zone_without_dst_has_neither() -> None:
    texts = naive("2025-03-09 02:30", "2025-11-02 01:30")
    times, ambiguous, nonexistent = localize(texts, PHOENIX)
    assert times.tolist() == utc("2025-03-09 09:30", "2025-11-02 08:30")
    assert not ambiguous.any()
    assert not nonexistent.any()


def test_a_missing_time_stays_missing_and_is_neither() -> None:
    texts = naive("2025-11-02 01:30", None, "2025-03-09 02:30").set_axis([7, 3, 5])
    times, ambiguous, nonexistent = localize(texts, DENVER)
    assert times.isna().tolist() == [False, True, False]
    assert ambiguous.tolist() == [True, False, False]
    assert nonexistent.tolist() == [False, False, True]
    assert times.index.tolist() == [7, 3, 5]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_utc_is_in_microseconds_whatever_comes_in(unit: str) -> None:
    times = localize(naive("2024-07-01 12:00").astype(f"datetime64[{unit}]"), DENVER)[0]
    assert times.dtype == "datetime64[us, UTC]"
    assert times.tolist() == utc("2024-07-01 18:00")


@SEEDED
@given(st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)))
def test_localize_is_what_the_standard_library_says(moment: datetime) -> None:
    times, ambiguous, nonexistent = localize(pd.Series([moment]).astype("datetime64[us]"), DENVER)
    first, second = (moment.replace(tzinfo=DENVER, fold=n).astimezone(UTC) for n in (0, 1))
    # PEP 495: in a gap, fold=0 takes the offset from before it and so lands an hour on.
    assert times[0] == first
    assert ambiguous[0] == (first < second)
    assert nonexistent[0] == (first > second)


# Hours


@SEEDED
@given(st.lists(st.integers(-(10**6), 10**6), max_size=20))
def test_hours_become_times_and_hours_again(hours: list[int]) -> None:
    values = np.array(hours, np.int64)
    times = hours_to_times(values)
    assert times.dtype == "datetime64[us, UTC]"
    np.testing.assert_array_equal(times_to_hours(times), values)
    assert times.tolist() == [pd.Timestamp(EPOCH + hour * HOUR) for hour in hours]


@SEEDED
@given(st.integers(-(10**6), 10**6), st.integers(0, 3_599_999_999))
def test_every_instant_falls_in_the_hour_that_it_is_in(hour: int, microseconds: int) -> None:
    instant = EPOCH + hour * HOUR + timedelta(microseconds=microseconds)
    stamps = pd.Series([instant]).astype("datetime64[us, UTC]")
    assert times_to_hours(stamps).tolist() == [hour]
    assert times_to_hours(pd.DatetimeIndex(stamps.dt.tz_convert(DENVER))).tolist() == [hour]


def test_an_hour_range_is_half_open() -> None:
    hours = HourRange(-2, 1)
    assert list(hours) == hours.values.tolist() == [-2, -1, 0]
    assert len(hours) == 3
    assert hours.times.tolist() == utc("1969-12-31 22:00", "1969-12-31 23:00", "1970-01-01 00:00")
    assert len(HourRange(5, 5)) == 0
    with pytest.raises(ValueError, match="end before they begin"):
        HourRange(5, 4)


def test_hours_of_week_follow_the_local_clock() -> None:
    monday = reference_hour(datetime(2025, 3, 3, 7, tzinfo=UTC))  # local midnight
    week = HourRange(monday, monday + 168).hours_of_week(DENVER)
    spring = [*range(6 * 24 + 2), *range(6 * 24 + 3, 168), 0]  # Sunday has no 2 o'clock
    assert week.tolist() == spring
    assert week.dtype == np.int16
    autumn = reference_hour(datetime(2025, 11, 2, 6, tzinfo=UTC))
    sunday = HourRange(autumn, autumn + 4).hours_of_week(DENVER)
    assert (sunday - 6 * 24).tolist() == [0, 1, 1, 2]
    half = hours_of_week(pd.DatetimeIndex(utc("2025-01-06 00:00")), KOLKATA)  # 05:30
    assert half.tolist() == [5]


# Cutoffs


def test_reference_hour_is_the_cutoff_rounded_up() -> None:
    whole = datetime(2025, 1, 1, 6, tzinfo=UTC)
    hour = reference_hour(whole)
    assert EPOCH + hour * HOUR == whole
    assert reference_hour(whole + timedelta(microseconds=1)) == hour + 1
    assert reference_hour(whole + timedelta(minutes=59)) == hour + 1
    assert reference_hour(whole - timedelta(microseconds=1)) == hour
    assert reference_hour(datetime(1969, 12, 31, 23, 30, tzinfo=UTC)) == 0


@pytest.mark.parametrize(
    ("now", "cutoff"),
    [
        ("2025-07-01 12:00", "2025-07-01 12:00"),  # 06:00 MDT is not after itself
        ("2025-07-01 11:59:59", "2025-06-30 12:00"),
        ("2025-07-02 05:00", "2025-07-01 12:00"),  # still the first in Denver
        ("2025-03-09 12:00", "2025-03-09 12:00"),
        ("2025-03-09 11:00", "2025-03-08 13:00"),  # the day before was in winter time
        ("2025-11-02 12:30", "2025-11-01 12:00"),
        ("2025-11-02 13:00", "2025-11-02 13:00"),
    ],
)
def test_latest_cutoff_is_the_last_one_that_is_not_to_come(now: str, cutoff: str) -> None:
    found = latest_cutoff(utc(now)[0].to_pydatetime(), time(6), DENVER)
    assert found == utc(cutoff)[0]
    assert found.utcoffset() == timedelta(0)


def test_latest_cutoff_reads_now_in_any_zone() -> None:
    now = datetime(2025, 7, 1, 6, 30, tzinfo=DENVER)
    assert latest_cutoff(now, time(6), DENVER) == datetime(2025, 7, 1, 12, tzinfo=UTC)


CLOCKS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
ZONES = st.sampled_from([DENVER, PHOENIX, KOLKATA, HAVANA])


def around(change: datetime, clock: time, zone: ZoneInfo) -> list[datetime]:
    first = (change - timedelta(days=6)).replace(tzinfo=zone).astimezone(UTC)
    last = (change + timedelta(days=7)).replace(tzinfo=zone).astimezone(UTC)
    return nightly_cutoffs(first, last - timedelta(microseconds=1), clock, zone)


@SEEDED
@given(st.sampled_from([SPRING, AUTUMN]), CLOCKS, ZONES)
def test_there_is_one_cutoff_a_local_day(change: datetime, clock: time, zone: ZoneInfo) -> None:
    cutoffs = around(change, clock, zone)
    days = [cutoff.astimezone(zone).date() for cutoff in cutoffs]
    assert days == [(change + timedelta(days=n)).date() for n in range(-6, 7)]
    clocks = [cutoff.astimezone(zone).time() for cutoff in cutoffs]
    assert sum(shown != clock for shown in clocks) <= (change == SPRING)


@SEEDED
@given(st.sampled_from([SPRING, AUTUMN]), CLOCKS, ZONES)
def test_nightly_and_latest_cutoffs_agree(change: datetime, clock: time, zone: ZoneInfo) -> None:
    for cutoff in around(change, clock, zone):
        assert latest_cutoff(cutoff, clock, zone) == cutoff
        assert latest_cutoff(cutoff + timedelta(hours=22), clock, zone) == cutoff


def test_nightly_cutoffs_include_both_ends() -> None:
    first, last = datetime(2025, 7, 1, 12, tzinfo=UTC), datetime(2025, 7, 3, 12, tzinfo=UTC)
    assert nightly_cutoffs(first, last, time(6), DENVER) == [
        first,
        datetime(2025, 7, 2, 12, tzinfo=UTC),
        last,
    ]
    second = timedelta(seconds=1)
    assert len(nightly_cutoffs(first + second, last - second, time(6), DENVER)) == 1
    assert nightly_cutoffs(last, first, time(6), DENVER) == []


# Horizons


def local(day: datetime, hour: int, minute: int = 0) -> datetime:
    return day.replace(hour=hour, minute=minute, tzinfo=DENVER).astimezone(UTC)


def test_a_night_over_a_change_has_an_hour_less_or_more() -> None:
    day = timedelta(days=1)
    assert len(horizon(local(SPRING, 0), DENVER)) == 23
    assert len(horizon(local(AUTUMN, 0), DENVER)) == 25
    assert len(horizon(local(SPRING - day, 6), DENVER)) == 23
    assert len(horizon(local(SPRING, 6), DENVER)) == 24
    assert len(horizon(local(SPRING, 0), PHOENIX)) == 24
    assert len(horizon(local(AUTUMN - day, 6), DENVER, days=3)) == 73


def test_a_horizon_begins_at_the_reference_hour() -> None:
    cutoff = local(SPRING, 6, 20)
    hours = horizon(cutoff, DENVER)
    assert hours.start == reference_hour(cutoff)
    assert hours.times[0] == pd.Timestamp(local(SPRING, 7))
    assert len(hours) == 24


@SEEDED
@given(st.sampled_from([SPRING, AUTUMN]), CLOCKS, ZONES)
def test_nights_tile(change: datetime, clock: time, zone: ZoneInfo) -> None:
    cutoffs = around(change, clock, zone)
    for cutoff, following in pairwise(cutoffs):
        hours = horizon(cutoff, zone)
        # No hour without a forecast; only a cutoff that the clocks skipped repeats one.
        skipped = cutoff.astimezone(zone).time() != clock
        assert hours.stop == reference_hour(following) + skipped
        assert 23 <= len(hours) - skipped <= 25
