"""Bronze to silver: every delivered row once in silver, merged or in quarantine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import BOX, CLOCK, KEPT, MERGED, NOW, dirty_rows, good_rows, make_config
from deltalake import DeltaTable
from distributed import Client
from pandas.testing import assert_frame_equal

from grids.hexgrid import HexGrid
from pipeline import csv_parts
from pipeline import ingest as module
from pipeline.config import Config
from pipeline.errors import DataError, MissingInputError
from pipeline.ingest import (
    DELIVERY_GRACE,
    IngestRecord,
    extent,
    ingest,
    known_floor,
    new_deliveries,
)
from pipeline.silver import as_known_at
from pipeline.sources import FileSource
from pipeline.store import Store

FOREVER = NOW + timedelta(days=1000)


@dataclass(frozen=True)
class City:
    """A tiny city's folder, with what an ingestion needs."""

    config: Config
    grid: HexGrid
    client: Client

    @property
    def store(self) -> Store:
        return Store(self.config.output.path)

    @property
    def source(self) -> FileSource:
        return FileSource(self.config.source)

    def ingest(self, now: datetime = NOW, cutoff: datetime | None = None) -> IngestRecord:
        """What a night at ``now`` does first; by default its cutoff is long past."""
        floor = known_floor(self.store, cutoff or now - timedelta(days=3), now)
        fresh = new_deliveries(self.source, self.store)
        return ingest(
            self.config, self.store, self.source, fresh, self.grid, floor, now, self.client
        )

    def quarantine(self) -> pd.DataFrame:
        return DeltaTable(self.store.quarantine).to_pyarrow_table().to_pandas()

    def silver(self) -> pd.DataFrame:
        rows = DeltaTable(self.store.silver).to_pyarrow_table().to_pandas()
        return rows.sort_values(["id", "revision"], ignore_index=True)


@pytest.fixture
def city(tmp_path: Path, grid: HexGrid, client: Client) -> City:
    config = make_config(tmp_path, source={"path": str(tmp_path / "part*.csv")})
    return City(config, grid, client)


def write(folder: Path, rows: pd.DataFrame, name: str = "part-1.csv", extra: str = "") -> None:
    text = rows.drop(columns="FATE", errors="ignore").to_csv(index=False)
    (folder / name).write_text(text + extra)


def fates(rows: pd.DataFrame) -> dict[str, int]:
    return dict(Counter(rows["FATE"]))


def test_every_row_comes_out_once(city, tmp_path):
    rows = dirty_rows()
    write(tmp_path, rows, extra="broken,line\n")
    record = city.ingest()
    expected = fates(rows) | {"malformed row": 1}
    assert (record.rows_in, record.kept) == (len(rows) + 1, expected.pop(KEPT))
    assert record.merged == expected.pop(MERGED)
    assert record.quarantined == expected
    assert len(city.silver()) == record.kept
    assert dict(Counter(city.quarantine()["reason"])) == expected
    kept = set(rows["CASE"][rows["FATE"] == KEPT])
    assert set(city.silver()["id"]) == kept
    assert record.deliveries == (str(tmp_path / "part-1.csv"),)


def test_unchanged_files_are_not_read_again(city, tmp_path, monkeypatch):
    write(tmp_path, good_rows(20))
    city.ingest()
    monkeypatch.setattr(FileSource, "read", lambda *_: pytest.fail("rows were read"))
    assert new_deliveries(city.source, city.store) == []


def test_new_and_changed_files_add_only_what_is_new(city, tmp_path):
    rows = good_rows(40)
    write(tmp_path, rows[:20])
    city.ingest()
    before = city.silver()
    changed = rows[:20].assign(OFFENSE=["robbery"] * 3 + rows["OFFENSE"][3:20].tolist())
    write(tmp_path, changed)
    write(tmp_path, rows[10:30], "part-2.csv")
    later = NOW + timedelta(days=2)
    record = city.ingest(now=later)
    assert (record.rows_in, record.kept, record.merged) == (40, 3 + 10, 27)
    after = city.silver()
    assert_frame_equal(after[after["ingested_at"] == NOW].reset_index(drop=True), before)
    fresh = after[after["ingested_at"] == later]
    assert (fresh["known_at"] == later).all()
    assert fresh["revision"].value_counts().to_dict() == {0: 10, 1: 3}
    assert (fresh[fresh["revision"] == 1]["was_group"] != "").all()
    assert as_known_at(city.store.silver, NOW)["id"].nunique() == 20


def test_a_row_that_is_mended_later_becomes_known_then(city, tmp_path):
    rows = good_rows(20)
    write(tmp_path, rows.assign(LAT=["", *rows["LAT"][1:]]))
    assert city.ingest().quarantined == {"no coordinates": 1}
    write(tmp_path, rows)
    record = city.ingest(now=NOW + timedelta(days=1))
    assert (record.kept, record.merged) == (1, 19)
    mended = city.silver().iloc[0]
    assert (mended["revision"], mended["known_at"]) == (0, NOW + timedelta(days=1))


def test_a_conflict_stays_one_however_often_it_is_delivered(city, tmp_path):
    rows = dirty_rows()
    write(tmp_path, rows)
    first, before = city.ingest(), city.silver()
    write(tmp_path, pd.concat([rows, good_rows(301)[300:]]))
    second = city.ingest(now=NOW + timedelta(days=1))
    assert second.quarantined == first.quarantined
    assert (second.kept, second.merged) == (1, first.kept + first.merged)
    assert_frame_equal(city.silver()[: len(before)], before)


def test_the_floor(city, tmp_path):
    hour = timedelta(hours=1)
    assert known_floor(city.store, NOW, NOW) is None
    write(tmp_path, good_rows(5))
    city.ingest()
    assert known_floor(city.store, NOW, NOW + DELIVERY_GRACE) == NOW
    assert known_floor(city.store, NOW, NOW + DELIVERY_GRACE + hour) == NOW + DELIVERY_GRACE + hour
    assert known_floor(city.store, NOW, NOW - hour) == NOW - hour


def test_a_delivery_within_the_grace_counts_as_known_at_the_cutoff(city, tmp_path):
    rows = good_rows(30)
    write(tmp_path, rows[:20])
    city.ingest()
    cutoff = NOW + timedelta(days=1)
    late = (pd.Timestamp(cutoff) + pd.Timedelta("1h")).tz_convert("America/Denver")
    arrived = rows[20:].assign(REPORTED=[late.strftime(CLOCK), *rows["REPORTED"][21:]])
    write(tmp_path, arrived, "part-2.csv")
    city.ingest(now=cutoff + timedelta(hours=2), cutoff=cutoff)
    assert len(as_known_at(city.store.silver, cutoff)) == 29
    assert len(as_known_at(city.store.silver, cutoff - timedelta(microseconds=1))) == 20
    assert len(as_known_at(city.store.silver, late.to_pydatetime())) == 30


class KilledError(Exception):
    """Stands for the process's end."""


def kill_before(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """The commit to the table whose address ends so never happens."""
    commit = module.commit_parts

    def once(table: str, *arguments: Any) -> None:
        if table.endswith(ending):
            raise KilledError
        commit(table, *arguments)

    monkeypatch.setattr(module, "commit_parts", once)


@pytest.mark.parametrize("ending", ["incidents", "quarantine"])
@pytest.mark.parametrize("more", [False, True])
def test_a_night_that_was_killed_doubles_nothing(city, tmp_path, monkeypatch, ending, more):
    rows = dirty_rows()
    write(tmp_path, rows)
    with monkeypatch.context() as patch:
        kill_before(patch, ending)
        with pytest.raises(KilledError):
            city.ingest()
    assert not city.store.has_silver
    if more:  # a second file arrives before the night is run again
        write(
            tmp_path, dirty_rows(120, seed=1).assign(CASE=lambda r: "x" + r["CASE"]), "part-2.csv"
        )
    record = city.ingest()
    assert dict(Counter(city.quarantine()["reason"])) == record.quarantined
    assert len(city.silver()) == record.kept
    assert (city.silver()["known_at"] < NOW).all()  # history, not what came in today


def test_a_file_that_cannot_be_used_commits_nothing(city, tmp_path):
    write(tmp_path, good_rows(30).assign(LAT="41.5", LON="-87.6"))
    remedy = r"none of 30 rows can be used; 30 of them: outside the boundary\. Check .* boundary"
    with pytest.raises(DataError, match=remedy):
        city.ingest()
    assert not city.store.has_silver
    assert not Path(city.store.quarantine).joinpath("_delta_log").exists()


def test_a_file_without_rows_commits_nothing(city, tmp_path):
    write(tmp_path, good_rows(1)[:0])
    with pytest.raises(MissingInputError, match="holds no rows"):
        city.ingest()
    assert not city.store.has_silver


def test_the_number_of_partitions_does_not_matter(city, tmp_path, monkeypatch, grid, client):
    rows = dirty_rows()
    rows.loc[:39, "FROM"] = "?"  # whole partitions of bad rows
    write(tmp_path, rows)
    one = city.ingest()
    monkeypatch.setattr(csv_parts, "BYTES_PER_PART", 4000)
    (tmp_path / "again").mkdir()
    config = make_config(
        tmp_path, source={"path": city.config.source.path}, output={"path": str(tmp_path / "again")}
    )
    other = City(config, grid, client)
    assert other.source.read(other.source.deliveries()).npartitions > 5
    many = other.ingest()
    assert many == one
    assert_frame_equal(other.silver(), city.silver())
    by_row = ["reason", "id", "row"]
    for table in (city, other):
        assert table.quarantine()["row"].str.startswith("{").sum() >= 40
    assert_frame_equal(
        other.quarantine().sort_values(by_row, ignore_index=True),
        city.quarantine().sort_values(by_row, ignore_index=True),
    )


def test_more_partitions_than_keys(city, tmp_path, monkeypatch):
    """Some partitions are empty after the shuffle."""
    monkeypatch.setattr(csv_parts, "BYTES_PER_PART", 150)
    monkeypatch.setattr(module, "MAX_FILES", 100)
    write(tmp_path, pd.concat([good_rows(2)] * 10))
    record = city.ingest()
    assert (record.rows_in, record.kept, record.merged) == (20, 2, 18)


def test_ambiguous_and_nonexistent_times_are_counted(city, tmp_path):
    times = ["11/3/2024 1:30:00 AM", "3/10/2024 2:30:00 AM", "3/10/2024 3:30:00 AM"]
    write(tmp_path, good_rows(3).assign(FROM=times, REPORTED=times))
    record = city.ingest(now=NOW + timedelta(days=365))
    assert (record.ambiguous_times, record.nonexistent_times) == (1, 1)


def test_extent_is_that_of_what_was_known_but_for_the_outermost(city, tmp_path, monkeypatch):
    rows = good_rows(300)
    rows.loc[5, "LON"], rows.loc[6, "LAT"] = "104.98", "3.974"  # a sign, a point mistyped
    far = good_rows(40, seed=1).assign(CASE="late", LON="-104.5")
    write(tmp_path, rows)
    cutoff = NOW - timedelta(days=10)
    config = replace_boundary(city.config)

    def measure() -> tuple[float, ...]:
        fresh = city.source.deliveries()
        return extent(config, city.source, fresh, cutoff, city.client)

    measured = measure()
    west, south, east, north = measured
    assert BOX[0] < west < BOX[0] + 0.002 < BOX[2] - 0.002 < east < BOX[2]
    assert BOX[1] < south < BOX[1] + 0.002 < BOX[3] - 0.002 < north < BOX[3]
    late = far.assign(REPORTED="6/14/2024 1:00:00 AM")
    write(tmp_path, pd.concat([rows, late]))
    assert measure() == measured
    write(tmp_path, pd.concat([rows, far]))
    assert measure()[2] > -104.6


def test_extent_waits_for_the_delivery_lag(tmp_path, city):
    columns = {"reported_at": None, "occurred_until": None}
    source = {"path": city.config.source.path, "delivery_lag_days": 7}
    config = replace_boundary(make_config(tmp_path, columns, source=source))
    recent = good_rows(40, seed=1).assign(CASE="new", FROM="5/30/2024 1:00:00 AM", LON="-104.5")
    write(tmp_path, pd.concat([good_rows(100)[:80], recent]))
    fresh = city.source.deliveries()
    east = [
        extent(config, city.source, fresh, NOW - timedelta(days=days), city.client)[2]
        for days in (10, 5)
    ]
    assert east[0] < BOX[2] < east[1]


def replace_boundary(config: Config) -> Config:
    return config.model_copy(update={"grid": config.grid.model_copy(update={"boundary": None})})


def test_extent_without_any_known_incident(city, tmp_path):
    write(tmp_path, good_rows(5))
    with pytest.raises(DataError, match=r"no usable incident was known by .*grid\.bounds"):
        extent(city.config, city.source, city.source.deliveries(), city.config.start, city.client)


def test_the_record_is_checked(city):
    outcome = {"rows": 2, "kept": 1, "merged": 0, "reasons": {}, "ambiguous": 0, "nonexistent": 0}
    with pytest.raises(AssertionError, match="2 rows came in, but 1 came out"):
        module._record([], [outcome], None)
    assert replace(module._record([], [], None), rows_in=0) == IngestRecord()
