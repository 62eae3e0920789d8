"""Shifts by the city's clock, and what a horizon holds of them."""

from datetime import UTC, datetime, time
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from forecast_cases import DENVER, SHIFTS
from hypothesis import given
from hypothesis import strategies as st

from forecasts.shifts import Period, Shift, periods
from grids.clock import reference_hour
from grids.hours import horizon


def spans(as_of, zone=DENVER, shifts=SHIFTS):
    hours = horizon(as_of, zone)
    return hours, periods(hours.start, hours.stop, zone, shifts)


def test_a_shift_is_read_from_text():
    assert Shift.parse("late", "22:00-06:00") == Shift("late", time(22), time(6))
    assert Shift.parse("all day", "00:00-24:00") == Shift("all day", time(0), time(0))
    lengths = {"22:00-06:00": 8, "00:00-24:00": 24, "06:00-06:00": 24, "13:00-14:00": 1}
    assert {text: Shift.parse("x", text).length for text in lengths} == lengths
    assert Shift.parse("late", "22:00-06:00").label == "late 22-06"


@pytest.mark.parametrize("name", ["", " ", "late ", "one\ntwo"])
def test_a_shift_has_a_name(name):
    with pytest.raises(ValueError, match="give it a name"):
        Shift.parse(name, "22:00-06:00")


@pytest.mark.parametrize("text", ["22-06", "22:30-06:00", "24:00-06:00", "25:00-01:00", "", "day"])
def test_what_is_no_shift_is_refused(text):
    with pytest.raises(ValueError, match=r"shift late is .*write whole hours"):
        Shift.parse("late", text)


def test_from_six_in_the_morning_three_shifts_tile_the_day():
    hours, found = spans(datetime(2024, 9, 1, 12, tzinfo=UTC))
    assert [(p.shift, p.stop - p.first) for p in found] == [
        *(("day", 8), ("evening", 8), ("night", 8))
    ]
    assert (found[0].first, found[-1].stop) == (hours.start, hours.stop)
    assert found[2].local(DENVER) == "2024-09-01 22:00 -06:00 to 2024-09-02 06:00"
    assert found[2].clock(DENVER) == "Sun 22:00-06:00"


def test_shifts_may_overlap_or_leave_hours_out():
    some = (Shift.parse("power", "18:00-02:00"), Shift.parse("evening", "14:00-22:00"))
    _, found = spans(datetime(2024, 9, 1, 12, tzinfo=UTC), shifts=some)
    assert [p.shift for p in found] == ["evening", "power"]
    assert found[0].stop - found[1].first == 4


@pytest.mark.parametrize(
    ("as_of", "hours"),
    [(datetime(2024, 3, 9, 13, tzinfo=UTC), 7), (datetime(2024, 11, 2, 12, tzinfo=UTC), 9)],
)
def test_the_night_of_a_clock_change_is_shorter_or_longer(as_of, hours):
    _, found = spans(as_of)
    assert [p.stop - p.first for p in found] == [8, 8, hours]


def test_a_clock_between_the_hours_takes_the_hours_that_begin_in_the_shift():
    zone = ZoneInfo("Asia/Kolkata")  # 5:30 ahead
    noon = (Shift.parse("noon", "12:00-14:00"),)
    _, (period,) = spans(datetime(2024, 9, 1, 0, tzinfo=UTC), zone, noon)
    first = reference_hour(datetime(2024, 9, 1, 6, 30, tzinfo=UTC))
    assert period == Period(first, first + 2, "noon")


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["America/Denver", "Asia/Kolkata", "Australia/Lord_Howe", "Europe/London"]),
)
def test_shifts_that_tile_the_clock_tile_every_horizon(as_of, zone):
    hours, found = spans(as_of, ZoneInfo(zone))
    assert found[0].first == hours.start
    assert found[-1].stop == hours.stop
    assert all(one.stop == other.first for one, other in pairwise(found))
