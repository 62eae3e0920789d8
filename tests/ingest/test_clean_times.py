"""The times of incidents: read by their formats, drawn from windows, known since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from cleaning import (
    GOOD,
    clean,
    in_bronze,
    local,
    the_cleaner,  # noqa: F401 -- a fixture
    the_folder,  # noqa: F401 -- a fixture
)
from pandas.testing import assert_frame_equal
from scipy.stats import chisquare, kstest
from tiny import CLOCK, NOW, cleaned, good_rows, make_config

from grids.hexgrid import HexGrid
from pipeline.ingest.bronze import KNOWN_FROM
from pipeline.ingest.clean import Cleaner
from pipeline.ingest.clocks import parse_times

DENVER = ZoneInfo("America/Denver")


def test_a_window_keeps_its_end(cleaner):
    bad = {"TO": "whenever"}
    out = clean(cleaner, {"TO": "12/31/2024 1:00:00 AM"}, {"TO": GOOD["FROM"]}, bad, {"TO": ""})
    assert out["occurred_until"][0] == local("2024-12-31 01:00")
    assert out["occurred_until"][1] == out["occurred_at"][1]
    assert out["occurred_until"].isna().tolist() == [False, False, True, True]
    assert out["reason"].tolist() == [""] * 4


def test_known_at_takes_report_lag_revision_and_floor(folder, grid):
    columns = {"revised_at": "UPDATED"}
    config = make_config(folder, columns, source={"delivery_lag_days": 2})
    times = {"FROM": "5/1/2024 1:00:00 AM", "REPORTED": "5/2/2024 1:00:00 AM"}
    changes = [
        times,
        times | {"UPDATED": "5/3/2024 1:00:00 AM"},
        times | {"UPDATED": "5/9/2024 1:00:00 AM"},
        times | {"UPDATED": "soon"},
        times | {"UPDATED": "1/1/2031 1:00:00 AM"},
    ]
    out = clean(Cleaner(config, grid, NOW), *changes)
    expected = [local(f"2024-05-{day:02d} 01:00") for day in (4, 4, 9)]
    assert out["known_at"][:3].tolist() == expected
    assert out["revised_at"].isna().tolist() == [True, False, False, True, False]
    assert out["revised_at"][1:3].tolist() == [local("2024-05-03 01:00"), local("2024-05-09 01:00")]
    assert out["reason"].tolist()[3:] == ["unreadable revision time", "revised in the future"]
    floor = datetime(2024, 5, 5, tzinfo=UTC)
    cleaner = Cleaner(config, grid, NOW)
    floored = cleaner(in_bronze(cleaner, [GOOD | c for c in changes], **{KNOWN_FROM: floor}))
    assert floored["known_at"][:3].tolist() == [floor, floor, expected[2]]


def parsed(text: str, *formats: str) -> pd.Timestamp:
    times, _, _ = parse_times(pd.Series([text], dtype="str"), formats or ("ISO8601",), DENVER)
    return times[0]


@pytest.mark.parametrize(
    ("text", "formats", "utc"),
    [
        ("2024-05-01T06:00:00.5", ["ISO8601"], "2024-05-01T12:00:00.500Z"),
        ("2024-05-01", ["ISO8601"], "2024-05-01T06:00Z"),
        ("2024-05-01 06:00:00Z", ["ISO8601"], "2024-05-01T06:00Z"),
        ("2024-05-01T06:00-0500", ["ISO8601"], "2024-05-01T11:00Z"),
        ("2024-11-03T01:30-07:00", ["ISO8601"], "2024-11-03T08:30Z"),  # the second 1:30
        ("2024-11-03T01:30", ["ISO8601"], "2024-11-03T07:30Z"),
        ("06:00 01-05-2024", ["ISO8601", "%H:%M %d-%m-%Y"], "2024-05-01T12:00Z"),
        ("1.5.2024 06:00 +0200", [CLOCK, "%d.%m.%Y %H:%M %z"], "2024-05-01T04:00Z"),
        ("01/02/2024", ["%d/%m/%Y", "%m/%d/%Y"], "2024-02-01T07:00Z"),
        ("01/13/2024", ["%d/%m/%Y", "%m/%d/%Y"], "2024-01-13T07:00Z"),
    ],
)
def test_times_are_read_by_the_first_format_that_can(text, formats, utc):
    assert parsed(text, *formats) == pd.Timestamp(utc)


@pytest.mark.parametrize("text", ["now", "today", "", "9999-12-31", "0001-01-01", "2024-02-30"])
def test_no_time(text):
    assert parsed(text, "ISO8601", CLOCK) is pd.NaT


def test_local_and_absolute_times_mix():
    texts = pd.Series(["2024-05-01", "", "2024-05-01T00:00Z", "?"], index=[5, 3, 9, 1], dtype="str")
    times, ambiguous, nonexistent = parse_times(texts, (CLOCK, "ISO8601"), DENVER)
    stamps = [pd.Timestamp("2024-05-01T06:00Z"), pd.Timestamp("2024-05-01T00:00Z")]
    assert times.dropna().tolist() == stamps
    assert times.index.tolist() == [5, 3, 9, 1]
    assert not ambiguous.any()
    assert not nonexistent.any()


def test_without_a_floor_or_with_one_only_known_at_differs(cleaner):
    floor = NOW - timedelta(days=20)
    plain = cleaned(cleaner, good_rows(50))
    floored = cleaner(in_bronze(cleaner, good_rows(50), **{KNOWN_FROM: pd.Timestamp(floor)}))
    moved = plain["known_at"] < floor
    assert 0 < moved.sum() < 50
    assert (floored["known_at"][moved] == floor).all()
    same = floored.assign(known_at=floored["known_at"].mask(moved, plain["known_at"]))
    assert_frame_equal(same, plain)


def test_a_time_may_stand_in_several_columns(folder, grid):
    columns = {
        "occurred_at": ["YEAR", "MONTH", "DAY", "HOUR", "MINUTE"],
        "occurred_until": ["DATE", "TIME"],
        "reported_at": ["DATE", "TIME"],
    }
    formats = ["%Y %m %d %H %M", "%m/%d/%Y 12:00:00 AM %H%M"]
    config = make_config(folder, columns, source={"date_formats": formats})
    first = {"YEAR": "2024", "MONTH": "5", "DAY": " 1 ", "HOUR": "9", "MINUTE": "05"}
    last = {"DATE": "05/01/2024 12:00:00 AM", "TIME": "1130"}
    out = clean(Cleaner(config, grid, NOW), first | last, first | last | {"HOUR": ""})
    assert out["occurred_at"][0] == local("2024-05-01 09:05")
    assert out["known_at"][0] == out["occurred_until"][0] == local("2024-05-01 11:30")
    assert out["reason"].tolist() == ["", "unreadable time"]
    nothing = clean(Cleaner(config, grid, NOW), dict.fromkeys(first, "") | last)
    assert nothing["reason"].tolist() == ["no time"]


@pytest.mark.parametrize(
    ("clock", "shown"),
    [("1", "00:01"), ("45", "00:45"), ("130", "01:30"), ("0130", "01:30"), ("2359", "23:59")],
)
def test_short_clocks_are_padded(clock, shown):
    form = "%m/%d/%Y %H%M"
    assert parsed(f"05/01/2024 {clock}", form) == local(f"2024-05-01 {shown}")


@pytest.mark.parametrize("text", ["05/01/2024 2400", "05/01/2024 61", "05/01/2024 x30"])
def test_no_clock_is_made_up(text):
    assert parsed(text, "%m/%d/%Y %H%M") is pd.NaT


def test_other_formats_are_not_padded():
    assert parsed("2024-05-01 6", "%Y-%m-%d %H") == local("2024-05-01 06:00")
    assert parsed("5-1-24", "%m-%d-%y") == local("2024-05-01")


def test_a_literal_z_is_no_offset():
    text = "2024-05-01T06:00:00Z"
    assert parsed(text, "%Y-%m-%dT%H:%M:%SZ") == local("2024-05-01 06:00")
    assert parsed(text, "ISO8601") == pd.Timestamp(text)


@pytest.fixture(scope="module")
def drawing(folder: Path, grid: HexGrid) -> Cleaner:
    """Times are drawn from the windows."""
    return Cleaner(make_config(folder, source={"aoristic": True}), grid, NOW)


def windows(count: int) -> pd.DataFrame:
    """Incidents of one night, found and reported the morning after."""
    row = GOOD | {"FROM": "5/1/2024 10:00:00 PM", "TO": "5/2/2024 6:00:00 AM"}
    keys = [f"2024-{number}" for number in range(count)]
    return pd.DataFrame([row] * count).assign(REPORTED="5/2/2024 7:00:00 AM", CASE=keys)


def test_drawn_times_are_spread_evenly_over_the_window(drawing):
    out = cleaned(drawing, windows(4000))
    assert (out["occurred_from"] == local("2024-05-01 22:00")).all()
    share = (out["occurred_at"] - out["occurred_from"]) / pd.Timedelta("8h")
    assert share.between(0, 1).all()
    assert kstest(share, "uniform").pvalue > 0.01
    hours = np.bincount((share * 8).astype(int), minlength=8)
    assert chisquare(hours).pvalue > 0.01


def test_a_key_draws_the_same_time_whatever_it_comes_with(drawing):
    rows = windows(50)
    out = cleaned(drawing, rows).set_index("id")["occurred_at"]
    shuffled = cleaned(drawing, rows.sample(frac=1, random_state=1)[:20])
    changed = cleaned(drawing, rows.assign(OFFENSE="robbery", DISTRICT="9"))
    for other in (shuffled, changed):
        found = other.set_index("id")["occurred_at"]
        assert (found == out[found.index]).all()
    assert out.nunique() == 50


@pytest.mark.parametrize("until", ["5/2/2024 6:00:00 AM", "5/9/2024 6:00:00 AM"])
def test_a_later_delivery_of_the_same_window_draws_the_same(drawing, until):
    rows = windows(20).assign(TO=until)
    later = in_bronze(drawing, rows, **{KNOWN_FROM: pd.Timestamp(NOW)})
    assert (drawing(later)["occurred_at"] == cleaned(drawing, rows)["occurred_at"]).all()


def test_nothing_is_drawn_from_after_the_report(drawing):
    rows = windows(300).assign(TO="12/31/2024 1:00:00 AM", REPORTED="5/1/2024 11:00:00 PM")
    out = cleaned(drawing, rows)
    share = (out["occurred_at"] - out["occurred_from"]) / pd.Timedelta("1h")
    assert share.between(0, 1).all()
    assert share.max() > 0.9
    assert (out["known_at"] > out["occurred_at"]).all()
    assert (out["known_at"] - local("2024-05-01 23:00") <= pd.Timedelta("1us")).all()


@pytest.mark.parametrize("until", ["", "?", "5/1/2024 9:00:00 PM", "5/1/2024 10:00:00 PM"])
def test_without_a_window_nothing_is_drawn(drawing, until):
    """However long the report took: that says nothing of the hour."""
    out = cleaned(drawing, windows(5).assign(TO=until))
    assert (out["occurred_at"] == out["occurred_from"]).all()


def test_unless_asked_for_nothing_is_drawn(cleaner):
    out = cleaned(cleaner, windows(5))
    assert (out["occurred_at"] == local("2024-05-01 22:00")).all()
    assert (out["occurred_from"] == out["occurred_at"]).all()
