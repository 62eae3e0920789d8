from __future__ import annotations

import pandas as pd
import pytest

from pipeline.errors import DataError
from pipeline.init.roles import role_of
from pipeline.init.times import Times, find_times

NAMES = {
    "occurred": "FIRST_OCCURRENCE_DATE|DATE OCC|occurred_from|Date|CMPLNT_FR_DT|DateOccur|"
    "Offense Start DateTime|START_DATE|OCCURRED_ON_DATE|Incident Datetime|fecha_hecho|Tatzeit|"
    "beginDate|From_Date|Date1 of Occurrence|dispatch_date_time|DATE_INCIDENT_BEGAN",
    "until": "LAST_OCCURRENCE_DATE|occurred_to|CMPLNT_TO_DT|END_DATE|Offense End DateTime|"
    "Date2 of Occurrence|possible_date|To_Date|OCCURRED TO|DATE_INCIDENT_END",
    "reported": "REPORTED_DATE|Date Rptd|RPT_DT|Report DateTime|REPORT_DAT|Date of Report|"
    "Created At|enteredDate|fecha_inicio|Incident Reported|ReportedDateTime|Recorded",
    "revised": "Updated On|updated_at|Update Date|lastchanged|last_edited_date|:updated_at",
    "loaded": "data_loaded_at|Load_Date|LastUpdateDateETL|data as of|GDB_TO_DATE",
    "other": "arrest_date|Clearance Date|DATE_OF_CLEARANCE|Court Date|Date of Birth|TimeClosed|"
    "TimeArrive|DISPO_DATE",
}


@pytest.mark.parametrize("role", NAMES)
def test_names_say_what_a_time_is(role: str) -> None:
    assert {name: role_of((name,))[0] for name in NAMES[role].split("|")} == dict.fromkeys(
        NAMES[role].split("|"), role
    )


FIRST = pd.Series(pd.date_range("2023-01-01 03:10", periods=900, freq="7h"))
LATER = FIRST + pd.to_timedelta([3 + i % 50 for i in range(900)], unit="h")


def find(day_first: bool | None = None, **columns: pd.Series) -> Times:
    rows = pd.DataFrame(
        {
            name: texts if texts.dtype == "str" else texts.dt.strftime("%Y-%m-%d %H:%M")
            for name, texts in columns.items()
        },
        dtype="str",
    ).fillna("")
    return find_times(rows, {name: rows[name].value_counts() for name in rows}, day_first)


def test_a_report_is_not_before_its_incident() -> None:
    times = find(occurred=FIRST, reported=LATER)
    assert times.reported is not None
    early = find(occurred=LATER, reported=FIRST)
    assert early.reported is None
    assert early.unused == {"reported": "before the occurrence in 100% of the rows"}


def test_a_report_is_not_always_at_once_and_not_all_on_one_day() -> None:
    assert find(occurred=FIRST, reported=FIRST).unused == {
        "reported": "never later than the occurrence"
    }
    loaded = pd.Series(pd.Timestamp("2025-01-01 02:00")).repeat(900).reset_index(drop=True)
    assert "when the file was loaded" in find(occurred=FIRST, reported=loaded).unused["reported"]


def test_a_report_date_may_be_the_day_of_the_incident() -> None:
    times = find(occurred=FIRST, report_date=LATER.dt.strftime("%Y-%m-%d").astype("str"))
    assert times.reported is not None
    assert not times.reported.reading.clock


def test_an_end_may_be_blank_but_not_before_the_beginning() -> None:
    ends = LATER.where(LATER.index % 2 == 0)
    assert find(occurred_from=FIRST, occurred_to=ends).until is not None
    assert find(occurred_from=LATER, occurred_to=FIRST).until is None


def test_a_time_beats_a_date_and_one_column_beats_two() -> None:
    date, clock = (FIRST.dt.strftime(form).astype("str") for form in ("%Y-%m-%d", "%H:%M"))
    times = find(incident_date=date, incident_time=clock, occ_datetime=FIRST)
    assert times.occurred.columns == ("occ_datetime",)
    assert find(incident_date=date, incident_time=clock).occurred.columns == (
        "incident_date",
        "incident_time",
    )


def test_blank_clocks_begin_the_day() -> None:
    date, clock = (FIRST.dt.strftime(form).astype("str") for form in ("%m/%d/%Y", "%H:%M"))
    times = find(date=date, time=clock.where(clock.index % 5 > 0, ""))
    assert times.occurred.reading.formats == ("%m/%d/%Y %H:%M", "%m/%d/%Y")
    assert times.occurred.times[0] == FIRST[0].normalize()
    assert times.occurred.read == 1


def test_clocks_on_the_day_that_a_program_counts_from() -> None:
    clock = FIRST.dt.strftime("12/30/1899 %I:%M:%S %p").astype("str")
    times = find(Date=FIRST.dt.strftime("%m/%d/%Y").astype("str"), Time=clock)
    assert times.occurred.reading.formats == ("%m/%d/%Y 12/30/1899 %I:%M:%S %p",)
    assert (times.occurred.times == FIRST).all()


def test_the_custom_of_the_country_settles_an_open_order() -> None:
    odd = FIRST[FIRST.dt.day.isin([3, 8, 11])].reset_index(drop=True)
    texts = odd.dt.strftime("%d/%m/%Y %H:%M").astype("str")
    assert find(True, when=texts).occurred.reading.formats == ("%d/%m/%Y %H:%M",)
    american = find(False, when=texts)
    assert american.occurred.reading.formats == ("%m/%d/%Y %H:%M",)
    assert any("as is usual there" in doubt for doubt in american.doubts)


def test_another_column_settles_an_open_order() -> None:
    odd = FIRST[FIRST.dt.day <= 12].reset_index(drop=True)
    texts = odd.dt.strftime("%d/%m/%Y %H:%M").astype("str")
    ends = (odd + pd.Timedelta("9D")).dt.strftime("%d/%m/%Y %H:%M").astype("str")
    times = find(False, occurred=texts, reported=ends)
    assert times.occurred.reading.formats == ("%d/%m/%Y %H:%M",)
    assert any("as in the other columns" in doubt for doubt in times.doubts)


def test_days_that_follow_each_other_settle_an_open_order() -> None:
    days = pd.Series(pd.date_range("2024-03-01 00:30", "2024-03-12 23:00", freq="25min"))
    times = find(False, when=days.dt.strftime("%d/%m/%Y %H:%M").astype("str"))
    assert times.occurred.reading.formats == ("%d/%m/%Y %H:%M",)


def test_of_a_call_the_first_time_counts() -> None:
    minutes = pd.Timedelta("9min")
    times = find(TimeDispatch=FIRST + minutes, TimeCreate=FIRST, TimeClosed=FIRST + 5 * minutes)
    assert times.occurred.columns == ("TimeCreate",)


def test_nothing_that_can_be_read_is_an_error() -> None:
    with pytest.raises(DataError, match="no column holds dates that can be read; there are kind"):
        find(kind=pd.Series(["theft", "robbery"] * 40, dtype="str"))


def test_a_year_in_two_digits_is_in_doubt() -> None:
    times = find(when=FIRST.dt.strftime("%y-%m-%d %H:%M").astype("str"))
    assert times.occurred.reading.formats == ("%y-%m-%d %H:%M",)
    assert any("could also be read as %d-%m-%y" in doubt for doubt in times.doubts)
