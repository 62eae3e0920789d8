"""Holidays, paydays and the country of a timezone."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from configurations import parse, refusal

from grids.clock import EPOCH, HOUR
from grids.hours import HourRange
from pipeline.context.calendar import (
    DAY_AFTER,
    EVE,
    HOLIDAY,
    ORDINARY,
    Calendar,
    since_first_or_fifteenth,
)
from pipeline.context.config import CalendarConfig
from pipeline.context.countries import country_of
from pipeline.context.sun import elevation

COLORADO = Calendar("US", "CO", 39.74, -104.99)


def days(first: date, count: int) -> list[date]:
    return [first + timedelta(days=n) for n in range(count)]


def test_a_holiday_its_eve_and_the_day_after() -> None:
    found = COLORADO.days(days(date(2023, 11, 21), 5))  # Thanksgiving is the 23rd
    assert found.tolist() == [ORDINARY, EVE, HOLIDAY, DAY_AFTER, ORDINARY]
    assert COLORADO.days([date(2024, 1, 1), date(2023, 12, 31)]).tolist() == [HOLIDAY, EVE]


def test_subdivisions_have_holidays_of_their_own() -> None:
    cabrini = [date(2023, 10, 2)]
    assert COLORADO.days(cabrini).tolist() == [HOLIDAY]
    assert Calendar("US", "IL").days(cabrini).tolist() == [ORDINARY]


def test_without_a_country_every_day_is_ordinary() -> None:
    assert not Calendar().days(days(date(2023, 12, 20), 20)).any()


def test_days_since_the_last_working_day_of_a_month() -> None:
    # 31 December 2023 is a Sunday, 1 January a holiday: the last working day is Friday the 29th.
    found = COLORADO.since_last_workday(days(date(2023, 12, 28), 5))
    assert found.tolist() == [28, 0, 1, 2, 3]
    # Memorial Day, Monday 31 May 2021: the last working day is Friday the 28th.
    assert COLORADO.since_last_workday([date(2021, 5, 31)]).tolist() == [3]


def test_days_since_the_1st_or_15th() -> None:
    at = [date(2024, 2, day) for day in (1, 14, 15, 29)]
    assert since_first_or_fifteenth(at).tolist() == [0, 13, 0, 14]


def test_the_sun_is_that_of_the_middle_of_the_hour() -> None:
    half_past = datetime.fromisoformat("2024-06-21T18:30+00:00")
    hour = int((half_past - EPOCH) / HOUR)
    (found,) = COLORADO.sun(HourRange(hour, hour + 1))
    assert found == pytest.approx(float(elevation(half_past.timestamp(), 39.74, -104.99)))


def test_the_country_of_a_timezone() -> None:
    names = ["America/Denver", "America/Vancouver", "Europe/Zurich", "UTC", "Etc/GMT+7"]
    assert [country_of(name) for name in names] == ["US", "CA", "CH", None, None]


def test_the_country_named_goes_before_the_timezones() -> None:
    assert parse().calendar is None
    named = [CalendarConfig(), CalendarConfig(country="CA")]
    assert [each.country_in("America/Denver") for each in named] == ["US", "CA"]


def test_asking_for_a_calendar_changes_the_fingerprint_and_not_the_store() -> None:
    plain, asked = parse(), parse({"calendar.country": "US"})
    assert plain.fingerprint != asked.fingerprint
    assert plain.store_fingerprint == asked.store_fingerprint


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"calendar.country": "XX"}, "country 'XX' has no calendar of holidays"),
        ({"calendar.country": "US", "calendar.subdivision": "QQ"}, "subdivision 'QQ' is none of"),
        ({"calendar.subdivision": "CO"}, "subdivision 'CO' of what? Name the country"),
        ({"calendar.nation": "US"}, "calendar.nation: unknown key"),
    ],
)
def test_a_calendar_that_is_none(changes: dict[str, str], words: str) -> None:
    assert words in refusal(changes)
