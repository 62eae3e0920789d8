"""Text to incidents: every row comes out once, complete or with the reason why not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from conftest import (
    CLOCK,
    CONFLICT,
    FAULTS,
    KEPT,
    MERGED,
    NOW,
    as_delivered,
    cleaned,
    dirty_rows,
    good_rows,
    make_config,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from pyproj import Transformer
from scipy.stats import chisquare, kstest

from grids.hexgrid import HexGrid
from pipeline.config import Config
from pipeline.ingest.bronze import ABSENT, AGAIN, KNOWN_FROM, SAID, as_bronze
from pipeline.ingest.clean import CLEAN, Cleaner, parse_times
from pipeline.sources.source import MALFORMED

DENVER = ZoneInfo("America/Denver")
GOOD = good_rows(1).iloc[0].to_dict()
PROJECTED = {"latitude": None, "longitude": None, "x": "X", "y": "Y"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clean")


@pytest.fixture(scope="module")
def cleaner(folder: Path, grid: HexGrid) -> Cleaner:
    return Cleaner(make_config(folder), grid, NOW)


def clean(cleaner: Cleaner, *changes: dict[str, str]) -> pd.DataFrame:
    """The good row with each of the changes, cleaned."""
    return cleaned(cleaner, [GOOD | change for change in changes])


def in_bronze(
    cleaner: Cleaner, rows: list[dict[str, str]] | pd.DataFrame, **meta: Any
) -> pd.DataFrame:
    """Bronze rows; ``meta`` replaces what stands with every one."""
    columns = cleaner.config.source.columns
    return as_bronze(as_delivered(cleaner.config, rows), columns).assign(**meta)


def reasons(cleaner: Cleaner, *changes: dict[str, str]) -> list[str]:
    return clean(cleaner, *changes)["reason"].tolist()


def local(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="America/Denver")


def test_a_good_row(cleaner):
    row = clean(cleaner, {"OFFENSE": " Theft ", "DISTRICT": "3 "}).iloc[0]
    assert (row["reason"], row["row"], row["id"]) == ("", "", GOOD["CASE"])
    assert row["occurred_at"] == pd.to_datetime(GOOD["FROM"]).tz_localize("America/Denver")
    assert row["known_at"] == pd.to_datetime(GOOD["REPORTED"]).tz_localize("America/Denver")
    assert (row["category"], row["group"], row["district"]) == ("Theft", "property", "3")
    assert row["cell"] == cleaner.grid.cells[cleaner.grid.locate([row["lat"]], [row["lon"]])[0]]


def test_columns_have_their_types_even_without_rows(cleaner):
    for rows in ([], [GOOD], [GOOD | {"FROM": "?"}]):
        out = cleaned(cleaner, rows)
        assert {name: str(kind) for name, kind in out.dtypes.items()} == CLEAN


@pytest.mark.parametrize("reason", FAULTS)
def test_every_reason_keeps_the_rows_text(cleaner, reason):
    row = clean(cleaner, FAULTS[reason]).iloc[0]
    assert row["reason"] == reason
    kept = json.loads(row["row"])
    delivered = {
        name: (GOOD | FAULTS[reason])[name] for name in cleaner.config.source.columns.names
    }
    assert kept == delivered | {MALFORMED: ""}


def test_the_first_reason_stands(cleaner):
    apart = [
        (first, second)
        for first, second in combinations(FAULTS, 2)
        if not FAULTS[first].keys() & FAULTS[second].keys()
    ]
    assert len(apart) > 30
    found = reasons(cleaner, *(FAULTS[second] | FAULTS[first] for first, second in apart))
    assert found == [first for first, _ in apart]
    broken = [fault | {MALFORMED: "a,b"} for fault in FAULTS.values()]
    assert set(reasons(cleaner, *broken)) == {"malformed row"}


def test_a_malformed_row_keeps_its_text(cleaner):
    bare = dict.fromkeys(GOOD, "")
    out = clean(cleaner, bare | {MALFORMED: " "}, bare | {MALFORMED: 'x,"y\n'})
    assert out["reason"].tolist() == ["malformed row"] * 2
    assert [json.loads(text)[MALFORMED] for text in out["row"]] == [" ", 'x,"y\n']
    assert out["id"].is_unique


def test_odd_characters_survive_in_quarantine(cleaner):
    odd = 'a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x00h\r\ni"\\é\U0001f600'
    out = clean(cleaner, {"FROM": odd}, {}, {"LAT": odd})
    assert [json.loads(text)["FROM"] for text in out["row"][:1]] == [odd]
    assert json.loads(out["row"][2])["LAT"] == odd
    assert out["row"][1] == ""


def test_coordinates_out_of_range_or_infinite_are_unreadable(cleaner):
    bad = [{"LAT": "91"}, {"LON": "-181"}, {"LAT": "inf"}, {"LON": "nan"}, {"LAT": "1e999"}]
    assert reasons(cleaner, *bad) == ["unreadable coordinates"] * 5


def test_bounds_and_boundary_both_count(folder, grid):
    config = make_config(folder, grid={"bounds": [-104.99, 39.73, -104.98, 39.75]})
    east, west = {"LON": "-104.975"}, {"LON": "-104.985"}
    far = {"LON": "-104.985", "LAT": "39.80"}
    assert reasons(Cleaner(config, grid, NOW), east, west) == ["outside the bounds", ""]
    wide = make_config(folder, grid={"bounds": [-105, 39, -104, 40]})
    assert reasons(Cleaner(wide, grid, NOW), far) == ["outside the boundary"]
    assert reasons(Cleaner(wide, None, NOW), far) == [""]


def test_projected_coordinates_land_within_metres(folder, grid):
    config = make_config(folder, PROJECTED, source={"crs": "EPSG:2232"})
    feet = Transformer.from_crs(4326, 2232, always_xy=True).transform(-104.98, 39.74)
    change = {"X": f"{feet[0]:.0f}", "Y": f"{feet[1]:.0f}"}
    row = clean(Cleaner(config, grid, NOW), change).iloc[0]
    metres = np.hypot((row["lat"] - 39.74) * 111_000, (row["lon"] + 104.98) * 85_400)
    assert row["reason"] == ""
    assert metres < 1
    bad = [{"X": "0", "Y": "0"}, {"X": "5.3E-07", "Y": "0"}, {"X": "inf", "Y": "1"}]
    found = reasons(Cleaner(config, grid, NOW), *bad)
    assert found == ["coordinates near 0"] * 2 + ["unreadable coordinates"]


def test_denvers_quirks(folder, grid):
    """Reported before it occurred; a window reversed; a bogus point; an ambiguous hour."""
    config = make_config(folder, source={"start": "2019-01-01", "date_formats": [CLOCK]})
    autumn = {"FROM": "11/5/2023 1:30:00 AM", "REPORTED": "11/5/2023 1:45:00 AM"}
    early = {"FROM": "5/2/2024 4:00:00 PM", "REPORTED": "5/1/2024 4:00:00 PM"}
    window = early | {"TO": "5/1/2024 3:00:00 PM"}
    bogus = {"LON": "-105.2062", "LAT": "39.6652"}
    out = clean(Cleaner(config, grid, NOW), autumn, early, window, bogus)
    assert out["reason"].tolist() == ["", "", "", "outside the boundary"]
    assert out["ambiguous"].tolist() == [True, False, False, False]
    assert out["occurred_at"][0] == pd.Timestamp("2023-11-05T07:30Z")  # the first of the two
    assert out["occurred_at"][1] == local("2024-05-02 16:00")
    assert out["known_at"][1] == out["occurred_at"][1] + pd.Timedelta("1us")
    assert out["occurred_until"].isna().tolist()[1:3] == [True, True]


def test_a_window_keeps_its_end(cleaner):
    bad = {"TO": "whenever"}
    out = clean(cleaner, {"TO": "12/31/2024 1:00:00 AM"}, {"TO": GOOD["FROM"]}, bad, {"TO": ""})
    assert out["occurred_until"][0] == local("2024-12-31 01:00")
    assert out["occurred_until"][1] == out["occurred_at"][1]
    assert out["occurred_until"].isna().tolist() == [False, False, True, True]
    assert out["reason"].tolist() == [""] * 4


def chicago(folder: Path) -> Config:
    columns = {"key": ["ID", "Case Number"], "reported_at": None, "occurred_until": None}
    groups = {"not_criminal": {"patterns": ["NON ?- ?CRIMINAL.*"]}}
    source = {"delivery_lag_days": 7, "start": "2001-01-01", "date_formats": [CLOCK]}
    return make_config(folder, columns, groups=groups, source=source)


def test_chicagos_quirks(folder, grid):
    """Blank ids, an hour that did not exist, renamed categories, and a lag instead of a report."""
    spring = {"ID": "", "Case Number": "HK1", "FROM": "03/10/2024 02:30:00 AM"}
    named = {"ID": "77", "Case Number": "HK2", "OFFENSE": "NON - CRIMINAL"}
    old = {"ID": "", "Case Number": "HK3", "OFFENSE": "NON-CRIMINAL (SUBJECT SPECIFIED)"}
    neither = {"ID": " ", "Case Number": ""}
    nowhere = {"ID": "1", "LAT": "", "LON": ""}
    out = clean(Cleaner(chicago(folder), grid, NOW), spring, named, old, neither, nowhere)
    assert out["id"][:3].tolist() == ["Case Number:HK1", "ID:77", "Case Number:HK3"]
    assert out["id"][3].startswith("row:")
    assert out["nonexistent"].tolist() == [True, False, False, False, False]
    assert out["occurred_at"][0] == local("2024-03-10 03:30")
    assert (out["known_at"] - out["occurred_at"] == timedelta(days=7)).all()
    assert out["group"][1:3].tolist() == ["not_criminal"] * 2
    assert out["reason"].tolist() == [""] * 4 + ["no coordinates"]


def test_keys(folder, grid):
    composite = Cleaner(make_config(folder, {"key": [["CASE", "OFFENSE"], "DISTRICT"]}), grid, NOW)
    whole, half = {"CASE": "a ", "DISTRICT": "9"}, {"CASE": "", "DISTRICT": "9"}
    blank = {"CASE": "", "DISTRICT": ""}
    out = clean(
        composite, whole, half, blank, blank | {"TO": "x"}, blank | {"LAT": " " + GOOD["LAT"]}
    )
    assert out["id"][:2].tolist() == [f"CASE+OFFENSE:a|{GOOD['OFFENSE']}", "DISTRICT:9"]
    first, other, same = out["id"][2:]
    assert first == same
    assert first != other


def test_keys_that_differ_in_case_are_two(cleaner):
    out = clean(cleaner, {"CASE": "ab 1"}, {"CASE": "AB 1"}, {"CASE": "ab 1\t"}, {"CASE": "ab  1"})
    assert out["id"].tolist() == ["ab 1", "AB 1", "ab 1", "ab  1"]


def test_blanks_do_not_change_the_content(cleaner):
    out = clean(cleaner, {}, {"LAT": GOOD["LAT"] + " "}, {"LAT": GOOD["LAT"] + "0"})
    assert out["content"][0] == out["content"][1] != out["content"][2]


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


def test_what_happens_at_the_moment_is_not_in_the_future(cleaner):
    at = pd.Timestamp(NOW).tz_convert("America/Denver")
    now, later = at.strftime(CLOCK), (at + pd.Timedelta("1s")).strftime(CLOCK)
    both = [{"FROM": now, "REPORTED": now}, {"FROM": now, "REPORTED": later}]
    assert reasons(cleaner, *both) == ["", "reported in the future"]


def test_retracted_in_any_case(folder, grid):
    config = make_config(folder, {"status": "STATUS"}, source={"retracted": ["Unfounded"]})
    out = clean(Cleaner(config, grid, NOW), *({"STATUS": s} for s in ("UNFOUNDED ", "open", "")))
    assert out["retracted"].tolist() == [True, False, False]


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


def test_the_dirty_feed_comes_out_as_intended(cleaner):
    rows = dirty_rows()
    out = cleaned(cleaner, rows)
    assert out["reason"].tolist() == rows["FATE"].replace([KEPT, MERGED, CONFLICT], "").tolist()


LATE = ("unreadable revision time", "revised in the future")
CELLS = st.one_of(
    st.sampled_from(["", " ", *GOOD.values(), *(v for f in FAULTS.values() for v in f.values())]),
    st.sampled_from(["2024-05-01T00:00Z", "1/1/1 1:00:00 AM", "2262-04-12", "1e308", "-0", "NaT"]),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.floats().map(str),
    st.datetimes().map(str),
    st.datetimes(timezones=st.just(UTC)).map(lambda at: at.isoformat()),
)
COLUMNS = [name for name in GOOD if name != "OFFICER"] + ["UPDATED", "STATUS"]
ROWS = st.lists(
    st.dictionaries(st.sampled_from([*COLUMNS, MALFORMED]), CELLS, max_size=3), max_size=6
)


@pytest.fixture(scope="module")
def strict(folder: Path, grid: HexGrid) -> Cleaner:
    """Every kind of column is mapped."""
    columns = {"revised_at": "UPDATED", "status": "STATUS", "key": ["CASE", ["OFFENSE", "LAT"]]}
    return Cleaner(make_config(folder, columns, source={"retracted": ["gone"]}), grid, NOW)


@settings(max_examples=20)
@given(changes=ROWS, at=st.integers(0, 6))
def test_any_text_gives_every_row_once_and_any_split_the_same(strict, changes, at):
    rows = in_bronze(strict, [GOOD | change for change in changes])
    out = strict(rows)
    assert out.index.equals(rows.index)
    assert out["reason"].isin(["", "malformed row", *FAULTS, *LATE]).all()
    fine = out[out["reason"] == ""]
    assert fine[["occurred_at", "known_at", "lat", "lon"]].notna().all(axis=None)
    assert (fine[["id", "category", "group"]] != "").all(axis=None)
    assert (fine["cell"] > 0).all()
    assert (fine["known_at"] >= fine["occurred_at"]).all()
    text = rows[[*strict.config.source.columns.names, MALFORMED]].to_dict("records")
    for delivered, kept in zip(text, out["row"], strict=True):
        assert kept == "" or json.loads(kept) == delivered
    split = pd.concat([strict(rows[:at]), strict(rows[at:])])
    assert_frame_equal(split, out)


def test_without_a_floor_or_with_one_only_known_at_differs(cleaner):
    floor = NOW - timedelta(days=20)
    plain = cleaned(cleaner, good_rows(50))
    floored = cleaner(in_bronze(cleaner, good_rows(50), **{KNOWN_FROM: pd.Timestamp(floor)}))
    moved = plain["known_at"] < floor
    assert 0 < moved.sum() < 50
    assert (floored["known_at"][moved] == floor).all()
    same = floored.assign(known_at=floored["known_at"].mask(moved, plain["known_at"]))
    assert_frame_equal(same, plain)


@pytest.mark.parametrize("said", [AGAIN, ABSENT])
def test_a_statement_about_a_key_has_no_fault(cleaner, said):
    """It has no text, and is known when it was heard."""
    row = in_bronze(cleaner, [{}], **{SAID: said, KNOWN_FROM: pd.Timestamp(NOW)})
    out = cleaner(row).iloc[0]
    assert (out["said"], out["reason"], out["row"]) == (said, "", "")
    assert out["known_at"] == NOW


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
