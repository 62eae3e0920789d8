from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest

from pipeline.init.formats import Reading, find_reading, parse
from pipeline.init.shapes import candidates, shape_of

TIMES = pd.Series(pd.date_range("2022-11-03 01:17", "2024-02-20", freq="31h"))
FORMS = {  # as written -> as found
    "%m/%d/%Y %I:%M:%S %p": "%m/%d/%Y %I:%M:%S %p",
    "%d/%m/%Y %H:%M": "%d/%m/%Y %H:%M",
    "%d.%m.%y %H:%M": "%d.%m.%y %H:%M",
    "%Y-%m-%d %H:%M:%S": "ISO8601",
    "%Y-%m-%dT%H:%M:%S.000Z": "ISO8601",
    "%Y/%m/%d %H:%M:%S+00": "%Y/%m/%d %H:%M:%S%z",
    "%d%b%Y:%H:%M:%S": "%d%b%Y:%H:%M:%S",
    "%d-%b-%y %H:%M": "%d-%b-%y %H:%M",
    "%A, %B %d, %Y %I:%M %p": "%A, %B %d, %Y %I:%M %p",
    "%m-%d-%Y %H%M": "%m-%d-%Y %H%M",
    "%d/%m/%Y %Hh%M": "%d/%m/%Y %Hh%M",
    "%m/%d/%Y %H:%M %p": "%m/%d/%Y %H:%M %p",  # a clock of 24 hours with AM and PM behind
    "%Y%m%d": "%Y%m%d",
    "%m%d%Y": "%m%d%Y",
    "%Y%m%d%H%M%S": "%Y%m%d%H%M%S",
}


def read(texts: pd.Series) -> Reading:
    found = find_reading(texts.value_counts(), dated=True)
    assert found is not None
    return found


@pytest.mark.parametrize("form", FORMS)
def test_finds_the_format(form: str) -> None:
    texts = TIMES.dt.strftime(form)
    found = read(texts)
    assert found.formats[0] == FORMS[form]
    assert found.share == 1
    shown = pd.to_datetime(texts, format=form, utc="%z" in form).dt.tz_localize(None)
    assert (parse(texts.astype("str"), found.formats) == shown).all()
    assert found.clock == ("%M" in form)


def test_unpadded_and_blank_texts_are_no_other_format() -> None:
    texts = TIMES.dt.strftime("%m/%d/%Y %H:%M").str.replace(r"\b0", "", regex=True)
    found = read(pd.concat([texts, pd.Series(["", "NULL", "n/a"] * 9)]))
    assert found.formats == ("%m/%d/%Y %H:%M",)
    assert found.share == 1


@pytest.mark.parametrize(("form", "order"), [("%m/%d/%Y", "month"), ("%d/%m/%Y", "day")])
def test_days_above_twelve_tell_the_order(form: str, order: str) -> None:
    found = read(TIMES.dt.strftime(form))
    assert (found.formats, found.order) == ((form,), order)
    assert 0.3 < found.doubtful < 0.5  # days 1 to 12, but for those equal to their month


def test_without_such_days_the_order_is_open_and_can_be_turned() -> None:
    early = TIMES[TIMES.dt.day <= 12]
    found = read(early.dt.strftime("%d/%m/%Y %H:%M"))
    assert found.order == "unknown"
    assert found.in_order("day").formats == ("%d/%m/%Y %H:%M",)
    assert found.in_order("month").formats == ("%m/%d/%Y %H:%M",)


def test_an_open_shape_follows_the_others() -> None:
    late, early = TIMES[TIMES.dt.day > 12], TIMES[TIMES.dt.day <= 12]
    texts = pd.concat([late.dt.strftime("%d/%m/%Y %H:%M"), early.dt.strftime("%d/%m/%Y")])
    assert set(read(texts).formats) == {"%d/%m/%Y %H:%M", "%d/%m/%Y"}


def test_a_slip_of_the_pen_is_no_second_order() -> None:
    texts = pd.concat([TIMES.dt.strftime("%m/%d/%Y")] * 9 + [pd.Series(["31/12/2022"])])
    assert read(texts).order == "month"


def test_several_formats_come_in_the_order_of_their_weight() -> None:
    iso, american = "%Y-%m-%d %H:%M", "%m/%d/%Y %I:%M %p"
    texts = pd.concat([TIMES[:100].dt.strftime(iso), TIMES[100:].dt.strftime(american)])
    found = read(texts)
    assert found.formats == ("%m/%d/%Y %I:%M %p", "ISO8601")
    assert found.share == 1


@pytest.mark.parametrize(
    "texts",
    [
        ["100 BLOCK OF MAIN ST", "200 BLOCK OF ELM ST"],
        ["2024-00123", "2024-00124"],
        ["2024-01", "2024-02"],  # months
        ["12.5", "-104.99"],
        ["THEFT", "ROBBERY"],
        ["14:05", "23:10"],
        ["99999999", "88888888"],
    ],
)
def test_other_texts_are_no_times(texts: list[str]) -> None:
    assert find_reading(pd.Series(texts * 40).value_counts(), dated=True) is None


def test_numbers_need_a_name_that_says_date() -> None:
    texts = TIMES.dt.strftime("%Y%m%d").value_counts()
    assert find_reading(texts, dated=False) is None


def test_shapes_hold_no_digits_or_months() -> None:
    assert shape_of("7/26/2020 4:00:00 PM") == shape_of("12/3/1999 11:59:59 am")
    assert shape_of("03 Mar 2020") != shape_of("03/03/2020")
    assert candidates("13/14/2020") == ["%m/%d/%Y", "%d/%m/%Y"]


@pytest.mark.parametrize("form", ["%y-%m-%d", "%y/%m/%d %H:%M", "%y%m%d"])
def test_two_digits_of_a_year_in_front_are_a_year(form: str) -> None:
    days = pd.Series(pd.date_range("2023-01-02 10:00", "2025-11-30", freq="31h"))
    found = read(days.dt.strftime(form))
    assert found.formats == (form,)
    assert found.rival != ""
    behind = form.replace("%y", "%_").replace("%d", "%y").replace("%_", "%d")
    assert read(days.dt.strftime(behind)).formats == (behind,)


def test_of_two_readings_one_day_long_that_which_is_past_stands() -> None:
    texts = pd.Series(["26-05-24"] * 9).value_counts()
    past, future = datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    known = find_reading(texts, True, past)
    assert known is not None
    assert known.formats == ("%d-%m-%y",)
    later = find_reading(texts, True, future)
    assert later is not None
    assert later.formats == ("%y-%m-%d",)
