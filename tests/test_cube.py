"""The cube: against a NumPy oracle, as readers see it, and as xarray and xdggs understand it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import icechunk
import numpy as np
import pandas as pd
import pytest
import xdggs
import zarr
from numpy.typing import NDArray

from grids.counts import Events, SparseCounts, net_changes
from grids.cube import (
    amend,
    create_cube,
    extend_hours,
    hour_of,
    open_cube,
    read_info,
    set_attributes,
    shards,
    write_shard,
)
from grids.hexgrid import HexGrid
from grids.hours import HourRange
from grids.shards import CHUNK_CELLS, SHARD_HOURS
from grids.snapshots import BRANCH, open_repository, tag_of

FULL = HexGrid.from_extent(-105.1, 39.6, -104.8, 39.9, 8)
GRID = HexGrid(8, FULL.cells[: CHUNK_CELLS + 51])  # two chunks of 351 cells: one too many
CATEGORIES = ("violent", "property", "police_initiated")
START = 400_003
HOURS = HourRange(START, START + 2 * SHARD_HOURS + 100)
SIZE = (len(GRID), len(CATEGORIES))


def some_events(hours: HourRange, size: int, seed: int) -> Events:
    rng = np.random.default_rng(seed)
    return Events(
        rng.integers(hours.start, hours.stop, size),
        rng.integers(0, SIZE[0], size, dtype=np.int32),
        rng.integers(0, SIZE[1], size, dtype=np.int8),
        np.ones(size, np.int8),
    )


def within(events: Events, hours: HourRange) -> Events:
    return events[(events.hour >= hours.start) & (events.hour < hours.stop)]


def one_change(hour: int, cell: int, category: int, change: int) -> SparseCounts:
    return SparseCounts(*(np.array([value]) for value in (hour, cell, category, change)))


def counts_of(store: object) -> NDArray[np.uint16]:
    return np.asarray(zarr.open_group(store, mode="r")["counts"][:])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, NDArray[np.uint16]]:
    """A cube of two whole shards and a part of one, written shard by shard, and its oracle."""
    path = str(tmp_path_factory.mktemp("built") / "cube")
    repository = open_repository(path)
    create_cube(repository, GRID, CATEGORIES, START, {"city": "here"})
    events = some_events(HOURS, 4000, seed=2)
    session = repository.writable_session(BRANCH)
    assert extend_hours(session.store, HOURS.stop) == HOURS
    for block in shards(HOURS):
        write_shard(session.store, block, net_changes(within(events, block), *SIZE))
    session.commit("first night")
    oracle = np.zeros((len(HOURS), *SIZE), np.uint16)
    np.add.at(oracle, (events.hour - START, events.cell, events.category), 1)
    return path, oracle


@pytest.fixture
def short(tmp_path: Path) -> tuple[str, icechunk.Repository]:
    """A committed cube of twelve empty hours."""
    path = str(tmp_path / "cube")
    repository = open_repository(path)
    create_cube(repository, GRID, CATEGORIES, START, {})
    session = repository.writable_session(BRANCH)
    extend_hours(session.store, START + 12)
    session.commit("empty hours")
    return path, repository


# Contents


def test_shards_part_the_hours() -> None:
    parts = shards(HOURS)
    assert [len(part) for part in parts] == [SHARD_HOURS, SHARD_HOURS, 100]
    assert [hour for part in parts for hour in part] == list(HOURS)
    assert shards(HourRange(5, 5)) == []


def test_cube_holds_what_was_written(built: tuple[str, NDArray[np.uint16]]) -> None:
    path, oracle = built
    session = open_repository(path).readonly_session(BRANCH)
    counts = zarr.open_group(session.store, mode="r")["counts"]
    assert len(GRID) % counts.chunks[1] != 0
    assert counts.dtype == np.uint16
    np.testing.assert_array_equal(counts[:], oracle)
    np.testing.assert_array_equal(open_cube(path)["counts"].to_numpy(), oracle)


def test_info_is_what_the_cube_was_made_of(built: tuple[str, NDArray[np.uint16]]) -> None:
    info = read_info(open_repository(built[0]).readonly_session(BRANCH).store)
    np.testing.assert_array_equal(info.grid.cells, GRID.cells)
    assert info.grid.resolution == 8
    assert info.categories == CATEGORIES
    assert info.hours == HOURS
    assert info.attributes["city"] == "here"
    assert info.watermark is None


def test_a_new_cube_has_no_hours(tmp_path: Path) -> None:
    repository = open_repository(str(tmp_path))
    create_cube(repository, GRID, CATEGORIES, START, {})
    assert read_info(repository.readonly_session(BRANCH).store).hours == HourRange(START, START)


def test_time_axis_grows_and_never_shrinks(short: tuple[str, icechunk.Repository]) -> None:
    session = short[1].writable_session(BRANCH)
    assert extend_hours(session.store, START + 20) == HourRange(START + 12, START + 20)
    assert extend_hours(session.store, START + 15) == HourRange(START + 20, START + 20)
    assert read_info(session.store).hours == HourRange(START, START + 20)
    times = zarr.open_group(session.store, mode="r")["time"][:]
    np.testing.assert_array_equal(times, np.arange(START, START + 20))
    assert not counts_of(session.store).any()


def test_amend_adds_to_every_shard(built: tuple[str, NDArray[np.uint16]]) -> None:
    path, oracle = built
    session = open_repository(path).writable_session(BRANCH)
    extend_hours(session.store, HOURS.stop + 30)
    events = some_events(HourRange(START, HOURS.stop + 30), 2000, seed=6)
    taken = np.argwhere(oracle)[:5]
    gone = Events(taken[:, 0] + START, taken[:, 1], taken[:, 2], np.full(5, -1, np.int8))
    every = Events(*(np.concatenate([getattr(e, n) for e in (events, gone)]) for n in vars(gone)))
    amend(session.store, net_changes(every, *SIZE))
    expected = np.concatenate([oracle, np.zeros((30, *SIZE), np.uint16)]).astype(np.int64)
    np.add.at(expected, (every.hour - START, every.cell, every.category), every.sign)
    np.testing.assert_array_equal(counts_of(session.store), expected)


def test_nothing_to_amend_changes_nothing(short: tuple[str, icechunk.Repository]) -> None:
    session = short[1].writable_session(BRANCH)
    amend(session.store, SparseCounts(*(np.array([], np.int64) for _ in range(4))))
    assert not counts_of(session.store).any()


@pytest.mark.parametrize("hour", [START - 1, START + 12])
def test_amending_outside_the_axis_is_an_error(
    short: tuple[str, icechunk.Repository], hour: int
) -> None:
    session = short[1].writable_session(BRANCH)
    with pytest.raises(ValueError, match=f"hours {hour} to {hour} leave"):
        amend(session.store, one_change(hour, 0, 0, 1))
    assert not counts_of(session.store).any()


def test_amending_beyond_the_counts_is_an_error(short: tuple[str, icechunk.Repository]) -> None:
    session = short[1].writable_session(BRANCH)
    amend(session.store, one_change(START + 3, 7, 1, 65_535))
    for change in (1, -65_536):
        with pytest.raises(ValueError, match="outside 0 to 65535"):
            amend(session.store, one_change(START + 3, 7, 1, change))
    counts = counts_of(session.store)
    assert counts.sum() == counts[3, 7, 1] == 65_535


@pytest.mark.parametrize("offset", [1, SHARD_HOURS - 1, -SHARD_HOURS])
def test_a_shard_is_written_from_its_first_hour(
    short: tuple[str, icechunk.Repository], offset: int
) -> None:
    session = short[1].writable_session(BRANCH)
    first = START + offset
    with pytest.raises(ValueError, match="are no shard of 672 hours"):
        write_shard(session.store, HourRange(first, first + 4), one_change(first, 0, 0, 1))


@pytest.mark.parametrize("hour", [START - 1, START + SHARD_HOURS])
def test_a_shard_holds_its_own_hours_alone(
    short: tuple[str, icechunk.Repository], hour: int
) -> None:
    session = short[1].writable_session(BRANCH)
    with pytest.raises(ValueError, match="of other hours"):
        write_shard(session.store, HourRange(START, START + SHARD_HOURS), one_change(hour, 0, 0, 1))


# Readers


def test_readers_see_nothing_before_the_commit(short: tuple[str, icechunk.Repository]) -> None:
    path, repository = short
    session = repository.writable_session(BRANCH)
    extend_hours(session.store, START + 20)
    amend(session.store, one_change(START + 15, 3, 0, 2))
    set_attributes(session.store, {"watermark": "2024-01-01T06:00:00+00:00"})
    assert open_cube(path).sizes["time"] == 12
    assert read_info(repository.readonly_session(BRANCH).store).watermark is None
    session.commit("night")
    cube = open_cube(path)
    assert cube["counts"].to_numpy()[15, 3, 0] == 2
    info = read_info(repository.readonly_session(BRANCH).store)
    assert info.watermark == datetime(2024, 1, 1, 6, tzinfo=UTC)
    assert info.attributes["title"] == cube.attrs["title"]


def test_an_earlier_night_stays_readable(short: tuple[str, icechunk.Repository]) -> None:
    path, repository = short
    tags = [tag_of(datetime(2024, 9, day, 6, tzinfo=UTC)) for day in (1, 2)]
    for number, tag in enumerate(tags, start=1):
        session = repository.writable_session(BRANCH)
        extend_hours(session.store, START + 12 + number)
        amend(session.store, one_change(START + 2, 3, 0, 1))
        repository.create_tag(tag, snapshot_id=session.commit(tag))
    assert tags == ["20240901T060000Z", "20240902T060000Z"]
    for number, tag in enumerate(tags, start=1):
        cube = open_cube(path, tag)
        assert cube.sizes["time"] == 12 + number
        assert cube["counts"].sum() == number
    assert open_cube(path).sizes["time"] == 14


def test_reading_where_no_cube_is_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no cube at"):
        open_cube(str(tmp_path / "typo"))
    with pytest.raises(FileNotFoundError, match="no cube at"):
        open_cube(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


# What others understand


def test_time_decodes_to_the_utc_hours(built: tuple[str, NDArray[np.uint16]]) -> None:
    times = open_cube(built[0])["time"]
    assert times.dtype == "datetime64[us]"
    assert times.to_index().tz_localize("UTC").equals(HOURS.times)
    assert HOURS.times[0] == pd.Timestamp(START * 3600, unit="s", tz="UTC")


def test_stored_attributes_are_cfs(built: tuple[str, NDArray[np.uint16]]) -> None:
    group = zarr.open_group(open_repository(built[0]).readonly_session(BRANCH).store, mode="r")
    assert group.attrs["Conventions"] == "CF-1.11"
    assert group["time"].attrs["units"] == "hours since 1970-01-01T00:00:00Z"
    assert group["time"].attrs["standard_name"] == "time"
    assert group["category"].attrs["flag_meanings"] == "violent property police_initiated"
    assert group["category"].attrs["flag_values"] == [0, 1, 2]
    assert group["counts"].metadata.dimension_names == ("time", "cell", "category")


def test_categories_are_read_by_name(built: tuple[str, NDArray[np.uint16]]) -> None:
    path, oracle = built
    chosen = open_cube(path)["counts"].sel(category="property")
    np.testing.assert_array_equal(chosen.to_numpy(), oracle[:, :, 1])


def test_xdggs_understands_the_cube(built: tuple[str, NDArray[np.uint16]]) -> None:
    cube = xdggs.decode(open_cube(built[0]))
    assert isinstance(cube.dggs.grid_info, xdggs.H3Info)
    assert cube.dggs.grid_info.level == 8
    np.testing.assert_array_equal(cube.dggs.coord, GRID.cells)
    lat, lon = GRID.centroids
    here = cube.dggs.sel_latlon(lat[[5, 600]], lon[[5, 600]])
    np.testing.assert_array_equal(here["cell_ids"], GRID.cells[[5, 600]])
    np.testing.assert_array_equal(here["counts"], built[1][:, [5, 600]])


@pytest.mark.parametrize("minute", [0, 59])
def test_hour_of_is_the_hour_that_an_instant_falls_in(minute: int) -> None:
    assert hour_of(datetime(1970, 1, 2, 3, minute, tzinfo=UTC)) == 27
    assert hour_of(datetime(1969, 12, 31, 23, minute, tzinfo=UTC)) == -1
