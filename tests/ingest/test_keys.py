"""The index of keys: the same answers as a scan of silver, whatever happened to the index."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from conftest import BOX, NOW, City, incidents, make_config
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from grids.hexgrid import HexGrid
from pipeline import tables
from pipeline.ingest import keys as module
from pipeline.ingest.keys import LATEST, PASSING, Keys
from pipeline.silver import QUARANTINE, SILVER
from pipeline.store import Store
from pipeline.tables import commit_parts, tidy, write_part

START = datetime(2024, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ODD = timedelta(microseconds=1999)


def revision(key: str, number: int, content: int, **changes: object) -> dict[str, object]:
    """A silver row; times at odd microseconds, and a cell that no float can hold."""
    at = START + number * DAY + ODD
    row = {"id": key, "revision": number, "content": content, "known_at": at, "cell": 2**61 + 1}
    row |= {"occurred_at": START, "group": "violent", "retracted": False, "delivery": "file"}
    return row | changes


def commit(store: Store, silver: list[dict[str, object]], refused: tuple[object, ...] = ()) -> None:
    """One ingestion's commits. ``refused``: (content, reason, reading) of quarantined rows."""
    names = ("content", "reason", "reading")
    rows = [dict(zip(names, row, strict=True)) | {"delivery": "bad"} for row in refused]
    for table, schema, order, records in (
        (store.quarantine, QUARANTINE, "ingested_at", rows),
        (store.silver, SILVER, "known_at", silver),
    ):
        at = [record | {"ingested_at": START} for record in records]
        frame = pa.Table.from_pylist(at, schema).to_pandas(integer_object_nulls=True)
        parts = [write_part(table, frame, schema, order)] if records else []
        commit_parts(table, parts, schema, order, {})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "out"))


def said(keys: Keys, *rows: tuple[str, int]) -> list[str]:
    frame = pd.DataFrame(rows, columns=["id", "content"])
    return keys.said_before(frame.astype({"id": "str"})).tolist()


def text(*ids: str) -> pd.Series:
    return pd.Series(list(ids), dtype="str")


def scan(city: City) -> pd.DataFrame:
    """The newest revision of every key, from all of silver; columns LATEST."""
    rows = city.silver().rename(columns={"delivery": "source"})
    return rows.drop_duplicates("id", keep="last")[LATEST].reset_index(drop=True)


def test_before_anything_is_known_the_index_is_empty(store):
    keys = Keys.of(store, "r")
    assert keys.is_empty
    assert said(keys, ("a", 1), ("b", 2)) == ["new", "new"]
    assert (keys.latest(text("a")).columns.tolist(), keys.taken()) == (LATEST, {})
    assert not Path(store.keys).exists()


def test_latest_are_the_newest_revisions_in_full(store):
    first = revision("a", 0, 1, revised_at=START + ODD)
    second = revision("a", 1, 2, group="other", retracted=True, delivery="there")
    commit(store, [second, first, revision("b", 0, -3), revision("c", 0, 2**63 - 1)])
    found = Keys.of(store, "r").latest(text("b", "a", "none", "b")).sort_values("id")
    assert found["id"].tolist() == ["a", "b"]
    expected = second | {"source": second["delivery"], "revised_at": None}
    row = found.iloc[0]
    assert {name: row[name] for name in LATEST if name != "revised_at"} == {
        name: expected[name] for name in LATEST if name != "revised_at"
    }
    assert found["revised_at"].isna().all()
    assert (found["content"].tolist(), found["cell"].tolist()) == ([2, -3], [2**61 + 1] * 2)
    assert str(found["known_at"].dtype) == "datetime64[us, UTC]"
    assert str(found["retracted"].dtype) == "bool"


def test_every_row_is_told_what_it_is(store):
    refused = [(7, "no time", "r"), (8, "duplicate key", "r"), (9, "outside the bounds", "r")]
    refused += [(20 + i, reason, "r") for i, reason in enumerate(PASSING)]
    commit(store, [revision("a", 0, 1), revision("a", 1, 2), revision("b", 0, 3)], tuple(refused))
    keys = Keys.of(store, "r")
    rows = [("a", 2), ("b", 3), ("a", 1), ("a", 8), ("a", 9), ("x", 7), ("b", 2), ("c", 4)]
    expected = ["repeated"] * 2 + ["heard"] * 3 + ["refused", "new", "new"]
    assert said(keys, *rows) == expected
    assert said(keys, *rows[::-1]) == expected[::-1]
    assert said(keys, *((f"{i}", 20 + i) for i in range(3))) == ["new"] * 3


@pytest.mark.parametrize("whole", [True, False])
def test_what_was_refused_in_another_reading_is_new(store, whole):
    """Whether the index was there all along or is made anew."""
    commit(store, [revision("a", 0, 1)], ((7, "no time", "old"),))
    assert said(Keys.of(store, "old"), ("x", 7)) == ["refused"]
    if not whole:
        Path(store.keys).unlink()
    assert said(Keys.of(store, "new"), ("x", 7), ("a", 1)) == ["new", "repeated"]
    commit(store, [], ((7, "no time", "new"),))
    assert said(Keys.of(store, "new"), ("x", 7)) == ["refused"]
    assert said(Keys.of(store, "old"), ("x", 7)) == ["refused"]


def test_sources_are_those_of_rows_and_of_deliveries(store):
    commit(store, [revision("a", 0, 1)], ((7, "no time", "r"),))
    keys = Keys.of(store, "r")
    keys.take({"other": 5, "file": 2**55})
    keys.take({"other": 6})
    assert {"bad", "file", "other"} <= set(keys.sources())
    assert "never" not in keys.sources()
    assert keys.taken() == {"other": 6, "file": 2**55}


def test_live_keys_are_those_not_taken_back(store):
    rows = [revision("a", 0, 1), revision("b", 0, 2), revision("a", 1, 0, retracted=True)]
    commit(store, rows)
    assert Keys.of(store, "r").live().to_pylist() == ["b"]


def test_a_store_may_lie_anywhere(tmp_path):
    for name in ("a#b?c=d&e", "läger", 'it\'s "quoted"'):
        store = Store(str(tmp_path / name))
        commit(store, [revision("a", 0, 1)])
        assert Keys.of(store, "r").latest(text("a"))["content"].tolist() == [1]


def test_files_may_be_learned_in_any_order_and_twice(store, monkeypatch):
    """A tidied file brings back what is known, an older one what was superseded."""
    monkeypatch.setattr(tables, "SMALL_FILES", 2)
    commit(store, [revision("a", 0, 1), revision("b", 0, 10)])
    Keys.of(store, "r")
    for number in range(1, 6):
        commit(store, [revision("a", number, number + 1)])
        if number % 2:
            tidy(store.silver, SILVER, "known_at")
        keys = Keys.of(store, "r")
        assert keys.latest(text("a"))["revision"].tolist() == [number]
        assert said(keys, *(("a", i + 1) for i in range(number + 1)))[-2:] == ["heard", "repeated"]
    assert said(keys, *(("a", i + 1) for i in range(5))) == ["heard"] * 5


def test_a_catching_up_that_was_killed_is_done_again(store, monkeypatch):
    commit(store, [revision("a", 0, 1)])
    Keys.of(store, "r")
    commit(store, [revision("a", 1, 2)], ((7, "no time", "r"),))
    commit(store, [revision("a", 2, 3), revision("b", 0, 5)])
    read, calls = module._read, count(1)

    def killed(*arguments: object) -> pd.DataFrame:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return read(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_read", killed)
        with pytest.raises(KeyboardInterrupt):
            Keys.of(store, "r")
    assert Keys(store.keys, "r").latest(text("a"))["revision"].tolist() == [0]
    keys = Keys.of(store, "r")
    assert keys.latest(text("a", "b"))["content"].tolist() == [3, 5]
    assert said(keys, ("a", 2), ("x", 7)) == ["heard", "refused"]


def test_nothing_is_read_twice(store, monkeypatch):
    commit(store, [revision("a", 0, 1)], ((7, "no time", "r"),))
    Keys.of(store, "r")
    monkeypatch.setattr(module, "_read", lambda *_: pytest.fail("a file was read again"))
    Keys.of(store, "r")


def test_an_index_of_another_silver_is_forgotten(tmp_path, store):
    other = Store(str(tmp_path / "other"))
    commit(other, [revision("a", 3, 9), revision("z", 0, 8)], ((7, "no time", "r"),))
    Keys.of(other, "r").take({"file": 5})
    commit(store, [revision("a", 0, 1)])
    shutil.copy(other.keys, store.keys)
    keys = Keys.of(store, "r")
    assert keys.latest(text("a", "z"))["content"].tolist() == [1]
    assert (said(keys, ("x", 7)), keys.taken()) == (["new"], {})


def test_many_lookups_use_the_index(store):
    """Not a scan of millions of keys for each of a few hundred."""
    commit(store, [revision("a", 0, 1)])
    Keys.of(store, "r")
    with sqlite3.connect(store.keys) as database:
        database.execute("create temp table wanted (id primary key) without rowid")
        for table, column in (("latest", "id"), ("heard", "content"), ("refused", "content")):
            query = f"explain query plan select 1 from wanted w join {table} t on t.{column} = w.id"
            plan = " ".join(row[3] for row in database.execute(query))
            assert "SCAN w" in plan, plan
            assert "SEARCH t" in plan, plan


# Streams of deliveries through whole ingestions

# A night takes a third of a second, of which there is no time to find the smallest example.
SEEDS = st.integers(0, 2**32)
NIGHTS = settings(max_examples=2, phases=[Phase.explicit, Phase.generate])

KINDS = {"A": "assault", "B": "theft", "C": "fraud"}
ROWS = {letter: {"OFFENSE": kind} for letter, kind in KINDS.items()}
ROWS |= {"a": ROWS["A"] | {"COUNT": "-1"}, "o": ROWS["A"] | {"LAT": "39.9"}}
ROWS |= {"x": ROWS["A"] | {"LAT": ""}, "y": ROWS["B"] | {"FROM": "?"}}
_FOLDERS = count()
WIDTH = 12  # keys


def delivered(told: list[str]) -> pd.DataFrame:
    """What a file says of every key, by the letters of ROWS; a key of its own is always there."""
    row = incidents(z="theft").iloc[0].to_dict() | {"COUNT": "1"}
    rows = [row] + [
        row | {"CASE": f"k{number}"} | ROWS[letter]
        for number, letters in enumerate(told)
        for letter in letters
    ]
    return pd.DataFrame(rows, dtype="str")


def a_city(folder: Path, delivers: str) -> City:
    place = folder / str(next(_FOLDERS))
    place.mkdir()
    source = {"path": str(place / "part*.csv"), "delivers": delivers, "retracted": ["-1"]}
    config = make_config(place, {"status": "COUNT"}, source=source)
    return City(place, config, HexGrid.from_extent(*BOX, 9))


def lookups_equal_a_scan(city: City) -> None:
    expected = scan(city)
    keys = Keys(city.store.keys, city.config.source.reading)
    found = keys.latest(expected["id"].astype("str")).sort_values("id", ignore_index=True)
    assert_frame_equal(found, expected.astype(found.dtypes.to_dict()))
    assert set(keys.live().to_pylist()) == set(city.live())


def revisions_are_a_chain(city: City) -> None:
    """Each row takes out just what the one before it put in."""
    silver = city.silver()
    for _, rows in silver.groupby("id"):
        assert rows["revision"].tolist() == list(range(len(rows)))
        assert rows["known_at"].is_monotonic_increasing
        live = ~rows["retracted"]
        for name in ("cell", "group", "occurred_at"):
            before = rows[name].where(live).shift()
            pairs = zip(rows[f"was_{name}"], before, strict=True)
            assert all(pd.isna(old) if pd.isna(was) else was == old for was, old in pairs)


def again_is_nothing_new(city: City, now: datetime) -> None:
    sizes = city.sizes()
    for path in city.folder.glob("part*.csv"):
        city.touch(path.name)
    record = city.ingest(now=now)
    assert (record.kept, record.quarantined, record.absent) == (0, {}, 0)
    assert city.sizes() == sizes


def streams(letters: list[str], seed: int, files: int = 1) -> list[list[list[str]]]:
    """(night, file, key) letters, drawn evenly."""
    shape = (4, files, WIDTH)
    drawn: list[list[list[str]]] = np.random.default_rng(seed).choice(letters, shape).tolist()
    return drawn


@NIGHTS
@given(seed=SEEDS)
def test_of_one_file_the_last_word_counts(seed, tmp_path_factory, may_be_small):
    """Without conflicts: what a row says last, if it can be used; a missing one says nothing."""
    city = a_city(tmp_path_factory.getbasetemp(), "incremental")
    live: dict[str, str] = {}
    for number, (told,) in enumerate(streams([*"ABCABCaox", ""], seed)):
        city.write(delivered(told))
        record = city.ingest(now=NOW + number * DAY)
        assert record.rows_in == record.kept + record.merged + sum(record.quarantined.values())
        for key, letter in enumerate(told):
            if letter in KINDS:
                live[f"k{key}"] = KINDS[letter]
            elif letter in ("a", "o"):
                live.pop(f"k{key}", None)
        assert city.live() == {"z": "theft"} | live
        lookups_equal_a_scan(city)
    revisions_are_a_chain(city)
    again_is_nothing_new(city, NOW + 9 * DAY)


@NIGHTS
@given(seed=SEEDS)
def test_of_a_snapshot_live_is_what_is_in_it(seed, tmp_path_factory, may_be_small):
    """Each key in one of its files, in another one by night; edits, deletions and returns."""
    city = a_city(tmp_path_factory.getbasetemp(), "snapshot")
    live: dict[str, str] = {}
    for number, (told, places) in enumerate(streams([*"ABCABaox", "", ""], seed, files=2)):
        for name, letters in (("part-1.csv", "ABCx"), ("part-2.csv", "ao")):
            pairs = zip(told, places, strict=True)
            city.write(delivered([said if at in [*letters] else "" for said, at in pairs]), name)
        there = {f"k{i}": said for i, said in enumerate(told) if said and places[i]}
        record = city.ingest(now=NOW + number * DAY)
        assert record.absent == len(live.keys() - there.keys())
        live = {
            key: KINDS[said] if said in KINDS else live[key]
            for key, said in there.items()
            if said in KINDS or (said == "x" and key in live)
        }
        assert city.live() == {"z": "theft"} | live
        lookups_equal_a_scan(city)
    revisions_are_a_chain(city)
    again_is_nothing_new(city, NOW + 9 * DAY)


@NIGHTS
@given(seed=SEEDS, delivers=st.sampled_from(["snapshot", "incremental"]))
def test_whatever_is_delivered_the_index_may_be_lost(
    seed, delivers, tmp_path_factory, may_be_small
):
    """Conflicts, doubles and contradicting files; with the index lost or restored in between."""
    whole, lossy = (a_city(tmp_path_factory.getbasetemp(), delivers) for _ in range(2))
    files = {"source": whole.config.source}
    lossy = replace(lossy, folder=whole.folder, config=lossy.config.model_copy(update=files))
    old, keys = Path(lossy.store.root) / "keys.old", Path(lossy.store.keys)
    letters = [*"ABCABCaox", "AB", "BA", "AC", "Aa", "Ao", "xB", "AA", "y", "", "", ""]
    for number, told in enumerate(streams(letters, seed, files=2)):
        for name, rows in zip(("part-1.csv", "part-2.csv"), told, strict=True):
            whole.write(delivered(rows), name)
        one, other = (city.ingest(now=NOW + number * DAY) for city in (whole, lossy))
        assert one == other
        lookups_equal_a_scan(whole)
        match number:
            case 0:
                shutil.copy(keys, old)
            case 1:
                keys.unlink()
            case 2:
                shutil.copy(old, keys)
    assert_frame_equal(*(city.silver() for city in (whole, lossy)))
    assert Counter(whole.quarantine()["content"]) == Counter(lossy.quarantine()["content"])
    revisions_are_a_chain(whole)
    for city in (whole, lossy):
        again_is_nothing_new(city, NOW + 9 * DAY)


@pytest.fixture
def may_be_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.enough.MIN_INCIDENTS", 1)
