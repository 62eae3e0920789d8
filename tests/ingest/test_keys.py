"""The index of keys: the same answers as a scan of silver, whatever happened to the index."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from tiny import DAY, NOW, incidents

from pipeline import tables
from pipeline.errors import BusyError
from pipeline.ingest import key_tables as module
from pipeline.ingest.key_tables import LATEST
from pipeline.ingest.keys import Keys
from pipeline.silver import QUARANTINE, SILVER
from pipeline.store import Store
from pipeline.tables import commit_parts, tidy, write_part

START = datetime(2024, 5, 1, tzinfo=UTC)
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
    commit(store, [revision("a", 0, 1), revision("a", 1, 2), revision("b", 0, 3)], tuple(refused))
    keys = Keys.of(store, "r")
    rows = [("a", 2), ("b", 3), ("a", 1), ("a", 8), ("a", 9), ("x", 7), ("b", 2), ("c", 4)]
    expected = ["repeated"] * 2 + ["heard"] * 3 + ["refused", "new", "new"]
    assert said(keys, *rows) == expected
    assert said(keys, *rows[::-1]) == expected[::-1]


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
    assert Keys.of(store, "r").latest(text("a"))["revision"].tolist() == [0]


def test_an_index_of_another_silver_is_forgotten(tmp_path, store):
    other = Store(str(tmp_path / "other"))
    commit(other, [revision("a", 3, 9), revision("z", 0, 8)], ((7, "no time", "r"),))
    Keys.of(other, "r").take({"file": 5})
    commit(store, [revision("a", 0, 1)])
    shutil.copy(other.keys, store.keys)
    keys = Keys.of(store, "r")
    assert keys.latest(text("a", "z"))["content"].tolist() == [1]
    assert (said(keys, ("x", 7)), keys.taken()) == (["new"], {})


def test_an_index_that_is_ahead_of_silver_is_made_again(tmp_path, store):
    """A backup of silver was put back, and the index beside it was not."""
    commit(store, [revision("a", 0, 1)])
    shutil.copytree(Path(store.silver), tmp_path / "backup")
    commit(store, [revision("a", 1, 2), revision("b", 0, 3)])
    assert said(Keys.of(store, "r"), ("a", 2), ("b", 3)) == ["repeated", "repeated"]
    shutil.rmtree(store.silver)
    shutil.copytree(tmp_path / "backup", store.silver)
    assert said(Keys.of(store, "r"), ("a", 1), ("a", 2), ("b", 3)) == ["repeated", "new", "new"]


@pytest.mark.parametrize("rest", [b"", b"no database at all" * 99])
def test_a_damaged_index_is_made_again(store, rest):
    commit(store, [revision("a", 0, 1)])
    Keys.of(store, "r")
    file = Path(store.keys)
    file.write_bytes(file.read_bytes()[: 100 if not rest else 0] + rest)
    commit(store, [revision("b", 0, 2)])
    assert said(Keys.of(store, "r"), ("a", 1), ("b", 2)) == ["repeated", "repeated"]


def test_an_index_that_was_half_written_is_mended_by_the_next_night(city):
    """A kill leaves SQLite's journal, which only one who may write can take back."""
    city.write(incidents(k="theft"))
    city.ingest()
    database = sqlite3.connect(city.store.keys, isolation_level=None)
    database.execute("pragma cache_size = 1")
    database.execute("begin")
    text = [(f"k{number}", 1) for number in range(20_000)]
    database.executemany("insert into taken values (?, ?)", text)
    for name in ("", "-journal"):  # as they are now, and as they stay after a kill
        shutil.copy(city.store.keys + name, f"{city.folder}/copy{name}")
    database.execute("rollback")
    database.close()
    for name in ("", "-journal"):
        shutil.copy(f"{city.folder}/copy{name}", city.store.keys + name)
    with pytest.raises(BusyError, match="is half written"):
        Keys(city.store.keys, "r").taken()
    city.write(incidents(k="theft", x="fraud"))
    assert city.ingest(now=NOW + DAY).kept == 1
    assert len(Keys(city.store.keys, "r").taken()) == 1


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
