"""Tables of many nights: committed whole, marked, and kept in few files."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pandas.testing import assert_frame_equal

from pipeline import tables
from pipeline.tables import (
    active_files,
    commit_parts,
    listing,
    mark_of,
    open_rows,
    parts_after,
    tidy,
    write_part,
)

START = datetime(2024, 5, 1, tzinfo=UTC)
SCHEMA = pa.schema({"id": pa.string(), "at": pa.timestamp("us", "UTC"), "cell": pa.int64()})
TICK = timedelta(microseconds=1)


def night(number: int, rows: int = 3) -> pd.DataFrame:
    """Rows of one night, at odd microseconds and in no order."""
    at = START + timedelta(days=number, microseconds=1999 * number)
    times = [pd.Timestamp(at + i * timedelta(hours=1)) for i in reversed(range(rows))]
    return pd.DataFrame(
        {"id": [f"{number}.{i}" for i in range(rows)], "at": times, "cell": 2**61 + 1}
    )


def commit(table: str, number: int, rows: int = 3) -> None:
    part = write_part(table, night(number, rows), SCHEMA, "at")
    commit_parts(table, [part], SCHEMA, "at", {"writer": number + 1})


def contents(table: str) -> pd.DataFrame:
    dataset = open_rows(table, "at")
    assert dataset is not None
    return dataset.to_table().to_pandas().sort_values("id", ignore_index=True)


@pytest.fixture
def table(tmp_path: Path) -> str:
    return str(tmp_path / "rows")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four small files are many."""
    monkeypatch.setattr(tables, "SMALL_FILES", 4)


def test_row_groups_are_in_order_so_that_few_are_read(table, monkeypatch):
    monkeypatch.setattr(tables, "ROW_GROUP", 20)
    write_part(table, night(0, rows=110).sample(frac=1, random_state=1), SCHEMA, "at")
    (file,) = Path(table).glob("*.parquet")
    groups = [pq.ParquetFile(file).metadata.row_group(i) for i in range(6)]
    ends = [(g.column(1).statistics.min, g.column(1).statistics.max) for g in groups]
    assert all(high <= low for (_, high), (low, _) in pairwise(ends))


def test_a_part_says_how_large_it_is(table):
    part = write_part(table, night(0), SCHEMA, "at")
    assert (part.rows, part.size) == (3, Path(table, part.path).stat().st_size)


def test_commits_mark_how_far_a_writer_has_come(table):
    assert mark_of(table, "a") == 0
    part = write_part(table, night(0), SCHEMA, "at")
    assert open_rows(table, "at") is None  # written, but not committed
    assert active_files(table) == []
    commit_parts(table, [part], SCHEMA, "at", {"a": 2**55})
    assert mark_of(table, "a") == 2**55
    commit_parts(table, [], SCHEMA, "at", {"a": 7, "b": 8})
    assert [mark_of(table, name) for name in "abc"] == [7, 8, 0]
    assert_frame_equal(contents(table), night(0), check_dtype=False)
    assert active_files(table) == [f"{table}/{part.path}"]


def test_a_first_commit_is_one_commit(table):
    """A table is there with its rows or not at all: its being there says that a city has data."""
    commit(table, 0)
    assert len(list(Path(table, "_delta_log").glob("*.json"))) == 1


def test_marks_outlive_the_checkpoints(table):
    for number in range(25):
        marks = {"writer": number + 1} | ({"once": 5} if number == 0 else {})
        commit_parts(table, [], SCHEMA, "at", marks)
    assert list(Path(table, "_delta_log").glob("*.checkpoint.parquet"))
    assert (mark_of(table, "writer"), mark_of(table, "once")) == (25, 5)


def test_every_table_has_its_own_name(tmp_path):
    for name in "ab":
        commit(str(tmp_path / name), 0)
    one, other = (listing(str(tmp_path / name)) for name in "ab")
    assert one.name != other.name
    commit(str(tmp_path / "a"), 1)
    later = listing(str(tmp_path / "a"))
    assert (later.name, later.version) == (one.name, one.version + 1)
    assert later.columns == tuple(SCHEMA.names)
    assert listing(str(tmp_path / "c")) is None


def test_parts_after_an_instant_are_those_that_can_hold_more(table):
    for number in range(3):
        at = START + timedelta(days=number, milliseconds=1)
        rows = night(number).assign(at=pd.Timestamp(at))
        commit_parts(table, [write_part(table, rows, SCHEMA, "at")], SCHEMA, "at", {})
    assert parts_after(f"{table}-none", "at", START) == []
    for number in range(3):
        at = START + timedelta(days=number, milliseconds=1)
        after = timedelta(milliseconds=1)  # of which the range of a file is told
        assert len(parts_after(table, "at", at + after)) == 2 - number
        found = {datetime.fromisoformat(part.low) for part in parts_after(table, "at", at)}
        assert min(found) == at
        assert len(found) == 3 - number


def test_few_files_are_left_as_they_are(table, few):
    tidy(table, SCHEMA, "at")  # no table yet
    for number in range(3):
        commit(table, number)
    before = active_files(table)
    tidy(table, SCHEMA, "at")
    assert active_files(table) == before


def test_many_small_files_become_one_with_the_same_rows(table, few):
    for number in range(4):
        commit(table, number)
    before = contents(table)
    tidy(table, SCHEMA, "at")
    assert len(active_files(table)) == 1
    assert_frame_equal(contents(table), before)
    assert mark_of(table, "writer") == 4
    assert DeltaTable(table).schema() == tables.Schema.from_arrow(SCHEMA)


def test_large_files_are_left_alone(table, few, monkeypatch):
    commit(table, 0, rows=900)
    (large,) = active_files(table)
    monkeypatch.setattr(tables, "SMALL_BYTES", Path(large).stat().st_size)
    for number in range(1, 5):
        commit(table, number)
    tidy(table, SCHEMA, "at")
    assert len(active_files(table)) == 2
    assert large in active_files(table)


def test_windows_find_their_rows_in_tidied_files(table, few):
    for number in range(6):
        commit(table, number)
        tidy(table, SCHEMA, "at")
    last = night(3)["at"].max()  # the newest row of the tidied file
    assert len(active_files(table)) == 3
    after, upto = (open_rows(table, "at", last - TICK), open_rows(table, "at", until=last))
    assert after is not None
    assert upto is not None
    assert last in after.to_table()["at"].to_pylist()
    assert last in upto.to_table()["at"].to_pylist()
    beyond = open_rows(table, "at", last + timedelta(milliseconds=2))
    assert beyond is not None
    assert len(beyond.files) == 2


def test_files_stay_few_over_many_nights(table, monkeypatch):
    monkeypatch.setattr(tables, "SMALL_FILES", 8)
    for number in range(60):
        commit(table, number, rows=1)
        tidy(table, SCHEMA, "at")
        assert len(active_files(table)) < 8
    expected = pd.concat([night(number, 1) for number in range(60)])
    expected = expected.sort_values("id", ignore_index=True)
    assert_frame_equal(contents(table), expected, check_dtype=False)
    assert mark_of(table, "writer") == 60


def test_a_reader_of_the_earlier_files_reads_on(table, few):
    for number in range(4):
        commit(table, number)
    opened, version = open_rows(table, "at"), DeltaTable(table).version()
    tidy(table, SCHEMA, "at")
    assert opened is not None
    assert opened.count_rows() == 12
    assert len(opened.to_table()) == 12
    assert DeltaTable(table, version=version).to_pyarrow_table().num_rows == 12


def test_what_no_commit_names_vanishes_after_a_while(table, few):
    commit(table, 0)
    old, young = Path(table, "part-old.parquet"), Path(table, "part-young.parquet")
    for orphan in (old, young):
        orphan.write_bytes(b"left by a killed run")
    long_ago = time.time() - (tables.KEEP_HOURS + 1) * 3600
    os.utime(old, (long_ago, long_ago))
    for number in range(1, 4):
        commit(table, number)
    tidy(table, SCHEMA, "at")
    assert (old.exists(), young.exists()) == (False, True)
    assert len(contents(table)) == 12


def test_replaced_files_vanish_after_a_while(table, few, monkeypatch):
    for number in range(4):
        commit(table, number)
    replaced = active_files(table)
    earlier = time.time() - (tables.KEEP_HOURS + 1) * 3600
    for path in replaced:
        os.utime(path, (earlier, earlier))
    monkeypatch.setattr(tables, "time", SimpleNamespace(time=lambda: earlier))  # of the replacing
    tidy(table, SCHEMA, "at")
    assert not any(Path(path).exists() for path in replaced)
    assert len(contents(table)) == 12
