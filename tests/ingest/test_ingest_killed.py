"""Ingestions that are killed between their commits: nothing is lost or doubled."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from tiny import CLOCK, DAY, NOW, City, dirty_rows, good_rows, incidents, make_config

from grids.hexgrid import HexGrid
from pipeline import tables
from pipeline.errors import ConfigError
from pipeline.ingest import recipe as module
from pipeline.ingest.bronze import INGESTED_AT
from pipeline.ingest.recipe import resume


class KilledError(Exception):
    """Stands for the process's end."""


def kill_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The commit of that number, counted from 1, never happens."""
    commit, calls = tables.commit_parts, []

    def counted(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) == number:
            raise KilledError
        commit(*arguments)

    monkeypatch.setattr(module, "commit_parts", counted)


def stored(city: City) -> list[pd.DataFrame]:
    """What bronze, silver and quarantine hold, whenever it was ingested."""
    tables_of = (city.bronze(), city.silver(), city.quarantine())
    frames = [
        rows.drop(columns=["ingested_at", INGESTED_AT], errors="ignore") for rows in tables_of
    ]
    return [rows.sort_values(sorted(rows.columns), ignore_index=True) for rows in frames]


def assert_same(one: City, other: City) -> None:
    for here, there in zip(stored(one), stored(other), strict=True):
        assert_frame_equal(here, there)
    assert one.live() == other.live()


@dataclass(frozen=True)
class Deliveries:
    """Three states of a file, in which rows come, go, change, conflict and cannot be used."""

    rows: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]

    @classmethod
    def made(cls) -> Deliveries:
        first = dirty_rows(120)
        first = first[~first["FATE"].str.contains("future")]  # they are looked at again every time
        second = first[5:].copy()
        second.loc[second.index[:9], "OFFENSE"] = "robbery"
        second.loc[second.index[9:12], "LAT"] = "41.5"
        more = good_rows(130)[120:]
        second = pd.concat([second, more, more[:2].assign(OFFENSE="robbery")], ignore_index=True)
        third = pd.concat([first, more[3:]], ignore_index=True)
        return cls((first, second, third))


DELIVERIES = Deliveries.made()


def begun(folder: Path, grid: HexGrid, delivers: str, state: int) -> City:
    """A city that has taken in the first states of its file."""
    path = {"path": str(folder / "part*.csv"), "delivers": delivers}
    city = City(folder, make_config(folder, source=path), grid)
    for number in range(state):
        city.write(DELIVERIES.rows[number])
        city.ingest(now=NOW + number * DAY)
    return city


def copied(city: City, name: str) -> City:
    """The same files, and another store with the same contents."""
    other = city.folder / name
    if Path(city.config.output.path).exists():
        shutil.copytree(city.config.output.path, other)
    output = city.config.output.model_copy(update={"path": str(other)})
    return replace(city, config=city.config.model_copy(update={"output": output}))


@pytest.mark.parametrize("delivers", ["incremental", "snapshot"])
def test_a_later_night_that_was_killed_loses_and_doubles_nothing(city, monkeypatch, grid, delivers):
    begin = begun(city.folder, grid, delivers, 1)
    city.write(DELIVERIES.rows[1])
    whole = copied(begin, "whole")
    cutoff, later = NOW + DAY, NOW + DAY + timedelta(hours=1)
    record = whole.ingest(now=cutoff, cutoff=cutoff)
    assert record.kept > 10
    assert sum(record.quarantined.values()) > 2
    assert record.absent > 0 or delivers == "incremental"
    killed = [copied(begin, f"killed{number}") for number in (1, 2, 3)]
    for number, broken in enumerate(killed, start=1):
        with monkeypatch.context() as patch:
            kill_at(patch, number)
            with pytest.raises(KilledError):
                broken.ingest(now=cutoff, cutoff=cutoff)
    again = copied(killed[1], "again")  # the delivery has changed when it goes on
    for broken in killed:
        broken.ingest(now=later, cutoff=cutoff)
        assert_same(broken, whole)
    city.write(DELIVERIES.rows[2])
    for store in (whole, again):
        store.ingest(now=NOW + 2 * DAY)
    assert_same(again, whole)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_first_night_that_was_killed_goes_on(city, monkeypatch, number):
    city.write(DELIVERIES.rows[0])
    whole = copied(city, "whole")
    record = whole.ingest()
    with monkeypatch.context() as patch:
        kill_at(patch, number)
        with pytest.raises(KilledError):
            city.ingest()
    assert (city.store.has_bronze, city.store.has_silver) == (number > 1, False)
    if number > 1:  # another delivery is there when it goes on
        city.write(DELIVERIES.rows[2])
        whole.ingest(now=NOW + DAY)
    city.ingest(now=NOW + DAY if number > 1 else NOW)
    assert_same(city, whole)
    assert (city.silver().query("revision == 0")["known_at"] < NOW).sum() == record.kept


@pytest.mark.parametrize("delivers", ["incremental", "snapshot"])
def test_silver_that_was_taken_away_is_made_again_from_bronze(
    city, monkeypatch, grid, delivers, may_be_small
):
    """Also of what is delivered no more, and where bronze's files were written together."""
    monkeypatch.setattr(tables, "SMALL_FILES", 3)
    whole = begun(city.folder, grid, delivers, 3)
    city = copied(whole, "again")
    shutil.rmtree(Path(city.store.silver).parent)
    new = good_rows(140)[130:]
    for store in (whole, city):
        store.write(DELIVERIES.rows[2] if delivers == "snapshot" else new)
        store.ingest(now=NOW + 9 * DAY)
    assert_same(city, whole)
    assert city.live() != {}


def test_a_rebuild_that_was_killed_goes_on(city, monkeypatch, grid):
    """In the middle of a file of bronze that was made of many."""
    monkeypatch.setattr(tables, "SMALL_FILES", 2)
    whole = begun(city.folder, grid, "incremental", 3)
    city = copied(whole, "again")
    shutil.rmtree(Path(city.store.silver).parent)
    assert len(tables.active_files(city.store.bronze)) == 1
    for number in (3, 2):  # quarantine and silver, an ingestion at a time
        with monkeypatch.context() as patch:
            kill_at(patch, number)
            with pytest.raises(KilledError):
                city.ingest(now=NOW + 9 * DAY)
    city.ingest(now=NOW + 9 * DAY)
    assert_same(city, whole)


def test_a_column_that_bronze_lacks_is_an_error(city):
    city.write(good_rows(15))
    city.ingest()
    shutil.rmtree(Path(city.store.silver).parent)
    with pytest.raises(ConfigError, match="holds no column 'ARREST'"):
        city.configured({"arrest": "ARREST"}).ingest()


@pytest.mark.parametrize("step", ["Keys.take", "tidy"])
def test_a_night_killed_after_its_commits_is_done(city, monkeypatch, step):
    city.write(good_rows(15)[:10])
    city.ingest()
    city.write(good_rows(15))
    with monkeypatch.context() as patch:
        patch.setattr(
            f"pipeline.ingest.recipe.{step}", lambda *_: (_ for _ in ()).throw(KilledError)
        )
        with pytest.raises(KilledError):
            city.ingest(now=NOW + DAY)
    sizes = city.sizes()
    again = city.ingest(now=NOW + 2 * DAY)
    assert (again.kept, again.quarantined) == (0, {})
    assert city.sizes() == sizes == (15, 15, 0)


def test_what_a_killed_night_left_is_settled_as_of_that_night(city, monkeypatch):
    """What lay in the future then has not come about by itself since."""
    ahead = (NOW + 2 * DAY).strftime(CLOCK)
    city.write(incidents(k="theft"))
    city.ingest()
    city.write(incidents(k="theft", x="theft").assign(REPORTED=ahead))
    with monkeypatch.context() as patch:
        kill_at(patch, 3)
        with pytest.raises(KilledError):
            city.ingest(now=NOW + DAY)
    resume(city.intake(NOW + 9 * DAY), city.grid)
    assert set(city.quarantine()["reason"]) == {"reported in the future"}
    assert city.sizes() == (3, 1, 2)
