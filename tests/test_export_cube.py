"""The plain Zarr copy: equal to the cube, whole or absent, and made in little memory."""

from __future__ import annotations

import fcntl
import os
import tracemalloc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import xdggs
import zarr
from cubes import CATEGORIES, GRID, add_nights, begin, cutoff
from tiny import make_config
from zarr.storage import LocalStore

from grids.counts import SparseCounts
from grids.cube import open_cube, read_info, shards, write_shard
from grids.shards import SHARD_HOURS
from grids.snapshots import BRANCH, open_repository, tag_of
from pipeline.config import Config
from pipeline.errors import BusyError, ConfigError, HexcastError, MissingInputError
from pipeline.export_cube import export_cube
from pipeline.store import Store

TIMES = xr.coders.CFDatetimeCoder(time_unit="us")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A store of three nights; its time axis is two shards and a part long."""
    made = make_config(tmp_path)
    begin(path_of(made))
    add_nights(path_of(made), [0, 1, 60])
    return made


def path_of(config: Config) -> str:
    return Store(config.output.path).cube


def keys(store: object) -> dict[str, bytes]:
    """Every stored object of the counts."""
    root = Path(str(store))
    return {f.relative_to(root).as_posix(): f.read_bytes() for f in root.rglob("c/*/*/*")}


# What is in it


@pytest.mark.parametrize(
    ("night", "choice"),
    [
        (60, {}),
        (0, {"tag": tag_of(cutoff(0))}),
        (60, {"tag": tag_of(cutoff(60))}),
        (0, {"as_of": cutoff(0.5)}),
        (1, {"as_of": cutoff(59)}),
    ],
)
def test_it_is_the_cube_that_readers_see(
    config: Config, tmp_path: Path, night: int, choice: dict[str, Any]
) -> None:
    record = export_cube(config, tmp_path / "out.zarr", **choice)
    plain = xr.open_zarr(tmp_path / "out.zarr", decode_times=TIMES)
    cube = open_cube(path_of(config), tag_of(cutoff(night)))
    xr.testing.assert_identical(plain.drop_vars("category_flag"), cube)
    assert cube["counts"].sum() > 0
    assert record["night"] == tag_of(cutoff(night))
    assert record["as_of"] == cutoff(night).isoformat() == plain.attrs["watermark"]
    assert (record["hours"], record["cells"]) == (cube.sizes["time"], len(GRID))


def test_it_opens_as_it_is(config: Config, tmp_path: Path) -> None:
    # Warnings are errors here: this is what everybody would write first.
    export_cube(config, tmp_path / "out.zarr")
    plain = xr.open_zarr(tmp_path / "out.zarr")
    assert list(plain["category"].to_numpy()) == list(CATEGORIES)
    assert set(plain.coords) == {"time", "cell_ids", "category", "category_flag"}
    assert set(plain.data_vars) == {"counts"}
    assert plain["time"].to_index()[0].isoformat() == "2024-08-31T06:00:00"
    assert plain.attrs["Conventions"] == "CF-1.11"
    flags = plain["category_flag"]
    assert flags.attrs == {"flag_values": [0, 1], "flag_meanings": "violent property"}
    np.testing.assert_array_equal(flags, [0, 1])
    by_name = plain["counts"].sel(category="property").sum()
    assert by_name == zarr.open_group(tmp_path / "out.zarr", mode="r")["counts"][:, :, 1].sum()
    cube = xdggs.decode(plain)
    assert cube.dggs.grid_info.level == 8
    np.testing.assert_array_equal(cube.dggs.coord, GRID.cells)


def test_the_forecasters_memory_stays_at_home(config: Config, tmp_path: Path) -> None:
    session = open_repository(path_of(config)).writable_session(BRANCH)
    zarr.open_group(session.store, mode="r+").require_group("state").create_array(
        "rate", shape=(2,), dtype="f8"
    )[:] = 1.0
    session.commit("with state")
    export_cube(config, tmp_path / "out.zarr")
    names = set(zarr.open_group(tmp_path / "out.zarr", mode="r").keys())
    assert names == {"counts", "time", "cell_ids", "category", "category_flag"}


def test_shards_and_chunks_are_the_cubes(config: Config, tmp_path: Path) -> None:
    record = export_cube(config, tmp_path / "out.zarr")
    session = open_repository(path_of(config)).readonly_session(BRANCH)
    ours = zarr.open_group(session.store, mode="r")["counts"]
    theirs = zarr.open_group(tmp_path / "out.zarr", mode="r")["counts"]
    assert theirs.metadata.shape == ours.metadata.shape
    assert theirs.shards == ours.shards == (SHARD_HOURS, len(GRID), 2)
    assert theirs.chunks == ours.chunks
    assert theirs.metadata.codecs == ours.metadata.codecs
    assert theirs.metadata.dimension_names == ("time", "cell", "category")
    stored = keys(tmp_path / "out.zarr" / "counts")
    assert set(stored) == {"c/0/0/0"}, "shards without incidents are not stored"
    assert 0 < len(stored["c/0/0/0"]) < record["bytes"]


# What it costs


def test_it_never_holds_more_than_a_few_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(tmp_path)
    shard = noisy_cube(path_of(config), shards_long=16)
    export_cube(config, tmp_path / "first.zarr")  # with what is loaded once
    held = at_once(monkeypatch)
    tracemalloc.start()
    try:
        record = export_cube(config, tmp_path / "second.zarr")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert record["bytes"] > 16 * shard
    assert peak < 4 * shard, "nothing but what is being copied is read"
    # The event loop lets go of what is done a moment later than it could.
    assert max(held) <= 4, "a few of the sixteen at once, not all"


def noisy_cube(path: str, shards_long: int) -> int:
    """A night whose shards do not compress; returns the bytes of one."""
    begin(path)
    add_nights(path, [shards_long * SHARD_HOURS / 24])
    session = open_repository(path).writable_session(BRANCH)
    rng, sizes = np.random.default_rng(1), (len(GRID), len(CATEGORIES))
    for block in shards(read_info(session.store).hours)[:shards_long]:
        hour, cell, category = np.indices((len(block), *sizes)).reshape(3, -1)
        noise = rng.integers(1, 2**16, hour.size)
        write_shard(session.store, block, SparseCounts(hour + block.start, cell, category, noise))
    session.commit("noise")
    return SHARD_HOURS * len(GRID) * len(CATEGORIES) * 2


def at_once(patch: pytest.MonkeyPatch) -> list[int]:
    """How many of the objects written so far are in memory, at every write of another.

    Icechunk's own buffers are not Python's, and tracemalloc does not see them.
    """
    written: list[weakref.ref[object]] = []
    alive: list[int] = []
    keep = LocalStore.set

    async def watched(self: LocalStore, key: str, value: object) -> None:
        written.append(weakref.ref(value))
        alive.append(sum(1 for reference in written if reference() is not None))
        await keep(self, key, value)

    patch.setattr(LocalStore, "set", watched)
    return alive


# Whole or absent


def test_what_is_there_is_left_alone(config: Config, tmp_path: Path) -> None:
    taken = tmp_path / "taken.zarr"
    taken.mkdir()
    (taken / "mine").write_text("precious")
    (tmp_path / "file.zarr").write_text("precious")
    for out in (taken, tmp_path / "file.zarr", tmp_path):
        with pytest.raises(ConfigError, match="is there already: give another path") as fault:
            export_cube(config, out)
        assert "\n" not in str(fault.value)
    assert [path.name for path in taken.iterdir()] == ["mine"]
    assert (tmp_path / "file.zarr").read_text() == "precious"


@pytest.mark.parametrize("before", ["nothing", "an empty folder", "no folder above it"])
def test_a_free_place_is_taken(config: Config, tmp_path: Path, before: str) -> None:
    out = tmp_path / "out.zarr"
    if before == "an empty folder":
        out.mkdir()
    if before == "no folder above it":
        out = tmp_path / "some" / "where" / "out.zarr"
    export_cube(config, out)
    assert xr.open_zarr(out)["counts"].sum() > 0
    assert [path.name for path in out.parent.glob(".*part")] == []


@pytest.mark.parametrize("step", ["_copy", "_name_categories", "_require_free"])
def test_an_export_that_broke_leaves_nothing(
    config: Config, tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(tmp_path.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(f"pipeline.export_cube.{step}", _break)
        with pytest.raises(OSError, match="disk full"):
            export_cube(config, tmp_path / "out.zarr")
    assert sorted(tmp_path.iterdir()) == before
    export_cube(config, tmp_path / "out.zarr")
    assert xr.open_zarr(tmp_path / "out.zarr")["counts"].sum() > 0


def _break(*_: object, **__: object) -> None:
    raise OSError("disk full")


def test_nothing_stands_at_the_place_until_all_does(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, consolidate = [], zarr.consolidate_metadata

    def look(folder: Path) -> None:  # the last step
        consolidate(folder)
        seen.append((tmp_path / "out.zarr").exists())

    monkeypatch.setattr("zarr.consolidate_metadata", look)
    export_cube(config, tmp_path / "out.zarr")
    assert seen == [False]
    assert (tmp_path / "out.zarr").exists()


def test_what_a_killed_export_left_is_not_taken_over(config: Config, tmp_path: Path) -> None:
    left = tmp_path / ".out.zarr.part"
    (left / "counts" / "c" / "7").mkdir(parents=True)
    (left / "counts" / "c" / "7" / "0").write_text("half")
    (left / "zarr.json").write_text("{")
    export_cube(config, tmp_path / "out.zarr")
    assert not left.exists()
    assert not (tmp_path / "out.zarr" / "counts" / "c" / "7").exists()


def test_two_exports_to_one_place_do_not_mix(config: Config, tmp_path: Path) -> None:
    part = tmp_path / ".out.zarr.part"
    part.mkdir()
    (part / "theirs").write_text("half")
    handle = os.open(part, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="another export writes"):
            export_cube(config, tmp_path / "out.zarr")
    finally:
        os.close(handle)
    assert [path.name for path in part.iterdir()] == ["theirs"]


# What there is to export


def test_a_night_that_is_not_there_is_named(config: Config, tmp_path: Path) -> None:
    out = tmp_path / "out.zarr"
    kept = "the earliest of 3 is 20240901T060000Z"
    for choice, kind, message in (
        ({"tag": "20250101T060000Z"}, MissingInputError, f"no night 20250101T060000Z .*{kept}"),
        ({"as_of": cutoff(-1)}, MissingInputError, f"no night at or before 20240831.*{kept}"),
        ({"as_of": cutoff(0).replace(tzinfo=None)}, ConfigError, "has no offset: write it as"),
        ({"as_of": cutoff(0), "tag": tag_of(cutoff(0))}, ConfigError, "give one of them"),
    ):
        with pytest.raises(HexcastError, match=message) as fault:
            export_cube(config, out, **choice)
        assert type(fault.value) is kind
        assert "\n" not in str(fault.value)
    assert not out.exists()
    assert not (tmp_path / ".out.zarr.part").exists()


def test_a_store_without_nights_has_nothing_to_export(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    with pytest.raises(MissingInputError, match="no cube at"):
        export_cube(config, tmp_path / "out.zarr")
    assert not Path(config.output.path).exists()
    begin(path_of(config))
    with pytest.raises(MissingInputError, match="holds no night yet"):
        export_cube(config, tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr").exists()
