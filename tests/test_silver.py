"""Silver and its arrivals: whatever the files are like, the same incidents at every instant."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from grids.clock import EPOCH
from grids.hexgrid import HexGrid
from grids.hours import times_to_hours
from pipeline.silver import (
    SILVER,
    Arrivals,
    as_known_at,
    microseconds,
    read_arrivals,
)
from pipeline.tables import commit_parts, open_rows, write_part

START = datetime(2024, 5, 1, tzinfo=UTC)
KINDS = ("violent", "property", "other")
DAYS = 40


def revisions(grid: HexGrid, count: int = 150, seed: int = 5) -> pd.DataFrame:
    """Silver rows of ``count`` incidents, a third of them revised, a tenth retracted."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        occurred = START + timedelta(hours=6 * int(rng.integers(0, 4 * DAYS)) + float(rng.random()))
        known = START + ((occurred - START).days + 1) * timedelta(days=1)  # many at one instant
        last: dict[str, object] | None = None
        for revision in range(1 + (i % 3 == 0) + (i % 9 == 0)):
            known += timedelta(days=int(rng.integers(0, 3)))  # 0: a tie with the one before
            place = {"cell": int(rng.choice(grid.cells)), "group": str(rng.choice(KINDS))}
            row = {
                "id": str(i),
                "revision": revision,
                "known_at": known,
                "content": i * 9 + revision,
            }
            row |= place | {"occurred_at": occurred, "retracted": (i + revision) % 10 == 0}
            was = last if last is not None and not last["retracted"] else {}
            row |= {f"was_{name}": was.get(name) for name in ("occurred_at", "cell", "group")}
            rows.append(row)
            last = row
    table = pa.Table.from_pylist(rows, schema=SILVER)
    return table.to_pandas(integer_object_nulls=True).astype({"was_cell": "Int64"})


def store(path: Path, rows: pd.DataFrame, files: int, seed: int = 0) -> str:
    """A silver table of so many files, the rows dealt out at random; an address."""
    dealt = np.random.default_rng(seed).permuted(np.arange(len(rows)) % files)
    for i in range(files):
        part = write_part(str(path), rows[dealt == i], SILVER, "known_at")
        commit_parts(str(path), [part], SILVER, "known_at", {f"file{i}": i})
    return str(path)


@pytest.fixture(scope="module")
def rows(grid: HexGrid) -> pd.DataFrame:
    return revisions(grid)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, rows: pd.DataFrame) -> str:
    return store(tmp_path_factory.mktemp("silver") / "incidents", rows, 3)


def counts(arrivals: Arrivals) -> Counter:
    """Net number of incidents by (hour, cell index, category)."""
    events, total = arrivals.events, Counter()
    for hour, cell, kind, sign in zip(
        events.hour, events.cell, events.category, events.sign, strict=True
    ):
        total[int(hour), int(cell), int(kind)] += int(sign)
    return Counter({slot: count for slot, count in total.items() if count})


def live(rows: pd.DataFrame, instant: datetime) -> pd.DataFrame:
    """The pandas oracle: last revision known by then of every incident, less those retracted."""
    known = rows[rows["known_at"] <= instant]
    latest = known.loc[known.groupby("id")["revision"].idxmax()]
    return latest[~latest["retracted"]]


def counts_of(rows: pd.DataFrame, grid: HexGrid) -> Counter:
    cell = grid.index_of(rows["cell"].to_numpy().astype(np.uint64)).tolist()
    hour = times_to_hours(rows["occurred_at"]).tolist()
    return Counter(zip(hour, cell, [KINDS.index(group) for group in rows["group"]], strict=True))


INSTANTS = [START + timedelta(days=days) for days in (-1, 0.3, 7, 20.5, DAYS, 2 * DAYS)]


@pytest.mark.parametrize("instant", INSTANTS)
def test_arrivals_are_what_was_live(table, rows, grid, instant):
    expected = live(rows, instant)
    found = as_known_at(table, instant)
    assert sorted(zip(found["id"], found["revision"], strict=True)) == sorted(
        zip(expected["id"], expected["revision"], strict=True)
    )
    assert counts(read_arrivals(table, grid, KINDS, instant)) == counts_of(expected, grid)
    assert len(expected) > 100 or instant < INSTANTS[-1]


def test_windows_add_up_and_meet_at_the_microsecond(table, rows, grid):
    at = rows["known_at"].sort_values().iloc[len(rows) // 2].to_pydatetime()  # a row is known now
    end = INSTANTS[-1]
    whole = read_arrivals(table, grid, KINDS, end)
    before, after = (
        read_arrivals(table, grid, KINDS, at),
        read_arrivals(table, grid, KINDS, end, at),
    )
    assert len(before) + len(after) == len(whole)
    assert before.known[-1] == microseconds(at) < after.known[0]
    early = at - timedelta(microseconds=1)
    assert len(read_arrivals(table, grid, KINDS, early)) < len(before)
    assert counts(before) + counts(after) == counts(whole)
    for part, same in ((whole.until(at), before), (whole.after(at), after)):
        assert_equal(part, same)


def assert_equal(one: Arrivals, other: Arrivals) -> None:
    for name in ("known", "first"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("hour", "cell", "category", "sign"):
        np.testing.assert_array_equal(getattr(one.events, name), getattr(other.events, name))


@pytest.mark.parametrize("files", [1, 7])
def test_order_does_not_hang_on_the_files(tmp_path, table, rows, grid, files):
    other = store(tmp_path / "incidents", rows.sample(frac=1, random_state=1), files, seed=files)
    here, there = (read_arrivals(at, grid, KINDS, INSTANTS[-1]) for at in (table, other))
    assert_equal(here, there)
    assert (np.diff(here.known) >= 0).all()


def test_first_reports_are_the_first_revisions(table, rows, grid):
    arrivals = read_arrivals(table, grid, KINDS, INSTANTS[-1])
    expected = ((rows["revision"] == 0) & ~rows["retracted"]).sum()
    assert arrivals.first.sum() == expected
    assert (arrivals.events.sign[arrivals.first] == 1).all()


def test_no_table_and_nothing_known_yet(tmp_path, table, grid):
    for address, until in ((str(tmp_path / "none"), INSTANTS[-1]), (table, INSTANTS[0])):
        assert len(read_arrivals(address, grid, KINDS, until)) == 0
        assert as_known_at(address, until).empty


def one_row(rows: pd.DataFrame, known: datetime) -> pd.DataFrame:
    return rows[(rows["revision"] == 0) & ~rows["retracted"]][:1].assign(
        known_at=pd.Timestamp(known)
    )


@pytest.fixture
def nights(tmp_path, rows) -> tuple[str, list[datetime]]:
    """A table of one file a night, its rows known at odd microseconds."""
    path = str(tmp_path / "incidents")
    instants = [START + timedelta(days=day, microseconds=1999 * day + 1) for day in range(5)]
    for at in instants:
        part = write_part(path, one_row(rows, at), SILVER, "known_at")
        commit_parts(path, [part], SILVER, "known_at", {})
    return path, instants


def test_only_the_files_of_the_window_are_opened(nights):
    path, instants = nights
    for i, at in enumerate(instants):
        day = timedelta(hours=12)
        window = open_rows(path, "known_at", pd.Timestamp(at - day), pd.Timestamp(at + day))
        assert window is not None
        assert window.to_table()["known_at"].to_pylist() == [at]
        later = open_rows(path, "known_at", pd.Timestamp(at + day))
        assert len(later.files if later else []) == 4 - i


def test_millisecond_statistics_lose_no_microsecond(nights, grid):
    path, instants = nights
    tick = timedelta(microseconds=1)
    for at in instants:
        assert len(read_arrivals(path, grid, KINDS, at, after=at - tick)) == 1
        assert len(read_arrivals(path, grid, KINDS, at - tick, after=at - 2 * tick)) == 0
        assert len(read_arrivals(path, grid, KINDS, at + tick, after=at)) == 0


def test_a_table_without_files_is_read_as_empty(tmp_path, grid):
    path = str(tmp_path / "incidents")
    commit_parts(path, [], SILVER, "known_at", {"a": 1})
    assert len(read_arrivals(path, grid, KINDS, START, after=EPOCH)) == 0
    assert as_known_at(path, START).empty
