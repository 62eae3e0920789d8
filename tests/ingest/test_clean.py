"""Text to incidents: every row comes out once, complete or with the reason why not."""

from __future__ import annotations

import json
from datetime import UTC, timedelta
from itertools import combinations
from pathlib import Path

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
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from pyproj import Transformer
from tiny import CLOCK, CONFLICT, FAULTS, KEPT, MERGED, NOW, cleaned, dirty_rows, make_config

from grids.hexgrid import HexGrid
from pipeline.config import Config
from pipeline.ingest.bronze import ABSENT, AGAIN, KNOWN_FROM, SAID
from pipeline.ingest.clean import CLEAN, Cleaner
from pipeline.sources.source import MALFORMED

PROJECTED = {"latitude": None, "longitude": None, "x": "X", "y": "Y"}


def reasons(cleaner: Cleaner, *changes: dict[str, str]) -> list[str]:
    return clean(cleaner, *changes)["reason"].tolist()


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


def test_a_clock_may_be_a_day_ahead_and_is_known_when_it_has_come(cleaner):
    """As where 23:59 means the day."""
    at = pd.Timestamp(NOW).tz_convert("America/Denver")
    now, soon, later = (
        (at + pd.Timedelta(ahead)).strftime(CLOCK) for ahead in ("0s", "24h", "24h 1s")
    )
    rows = [{"FROM": now, "REPORTED": now}, {"FROM": now, "REPORTED": soon}]
    rows += [{"FROM": soon, "REPORTED": now}, {"FROM": now, "REPORTED": later}]
    rows += [{"FROM": later, "REPORTED": later}]
    out = clean(cleaner, *rows)
    assert out["reason"].tolist() == ["", "", "", "reported in the future", "in the future"]
    soon_known = pd.Timestamp(NOW) + pd.Timedelta("24h")
    assert out["known_at"][1] == soon_known
    assert out["known_at"][2] == soon_known + pd.Timedelta("1us")


@pytest.mark.parametrize("key", ["2.024E+11", "2.02400000001e+11", "2E+16"])
def test_a_key_that_lost_its_digits_is_no_key(cleaner, key):
    """Spreadsheets and floats write long numbers so: many keys would become one."""
    assert reasons(cleaner, {"CASE": key}, {"CASE": "202400000001"}, {"CASE": "2E5-11"}) == [
        "key without its last digits",
        "",
        "",
    ]


def test_retracted_in_any_case(folder, grid):
    config = make_config(folder, {"status": "STATUS"}, source={"retracted": ["Unfounded"]})
    out = clean(Cleaner(config, grid, NOW), *({"STATUS": s} for s in ("UNFOUNDED ", "open", "")))
    assert out["retracted"].tolist() == [True, False, False]


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


@pytest.mark.parametrize("said", [AGAIN, ABSENT])
def test_a_statement_about_a_key_has_no_fault(cleaner, said):
    """It has no text, and is known when it was heard."""
    row = in_bronze(cleaner, [{}], **{SAID: said, KNOWN_FROM: pd.Timestamp(NOW)})
    out = cleaner(row).iloc[0]
    assert (out["said"], out["reason"], out["row"]) == (said, "", "")
    assert out["known_at"] == NOW
