"""The first night's cube: one commit, and nothing of it before."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pandas as pd
import pytest
from cities import Small, midnight, small_config

from grids.cube import open_cube, read_info
from grids.snapshots import BRANCH, open_repository, tag_of
from pipeline import building
from pipeline.city import make_city
from pipeline.config import Config
from pipeline.cubing import read_state
from pipeline.nightly import run_night
from pipeline.silver import Arrivals, as_known_at, read_arrivals
from pipeline.state import advance, empty_state
from pipeline.store import Store

NOW = midnight(400)
FIRST, SECOND = midnight(110), midnight(111)


@pytest.fixture
def config(tmp_path: Path, cluster: dict[str, str]) -> Config:
    """A small city whose incidents are in silver, without a night yet."""
    made = small_config(tmp_path, Small().rows(), cluster=cluster)
    run_night(made, NOW, FIRST, until="ingest")
    return made


def test_no_reader_finds_hours_without_their_counts(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, seen = Store(config.output.path), []

    def look() -> None:
        cube = open_cube(store.cube)
        seen.append((cube.sizes["time"], cube.attrs.get("watermark"), int(cube["counts"].sum())))

    for owner, name in ((icechunk.Session, "commit"), (icechunk.Repository, "reset_branch")):
        look_after(monkeypatch, owner, name, look)
    look()
    run_night(config, NOW, FIRST, until="cube")
    hours = 110 * 24 - 1  # a March day has 23
    whole = (hours, FIRST.isoformat(), len(as_known_at(store.silver, FIRST)))
    assert seen == [(0, None, 0), whole]


def look_after(patch: pytest.MonkeyPatch, owner: type, name: str, look: Any) -> None:
    method = getattr(owner, name)

    def watched(self: object, *args: object, **kwargs: object) -> object:
        found = method(self, *args, **kwargs)
        look()
        return found

    patch.setattr(owner, name, watched)


def test_no_snapshot_in_the_history_is_half_a_night(config: Config) -> None:
    run_night(config, NOW, FIRST, until="cube")
    repository = open_repository(Store(config.output.path).cube)
    messages = [snapshot.message for snapshot in repository.ancestry(branch=BRANCH)]
    assert messages[0] == f"known until {FIRST.isoformat()}"
    assert messages[1:] == ["create the cube", "Repository initialized"]


@pytest.mark.parametrize("step", ["_write_shards", "commit_state"])
def test_a_killed_build_leaves_the_store_as_it_was(
    config: Config, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(config.output.path)
    before = open_repository(store.cube).lookup_branch(BRANCH)
    with monkeypatch.context() as patch:
        patch.setattr(f"pipeline.building.{step}", _break)
        with pytest.raises(OSError, match="disk full"):
            run_night(config, NOW, SECOND, until="cube")
    repository = open_repository(store.cube)
    assert repository.lookup_branch(BRANCH) == before
    assert repository.list_branches() == {BRANCH}
    assert read_info(repository.readonly_session(BRANCH).store).watermark is None
    # Nothing of it stays, even where an earlier night comes next.
    run_night(config, NOW, FIRST, until="cube")
    cube = open_cube(store.cube, tag_of(FIRST))
    assert end_of(cube) == FIRST
    assert int(cube["counts"].sum()) == len(as_known_at(store.silver, FIRST))


def end_of(cube: Any) -> datetime:
    last = cube["time"].to_index()[-1].tz_localize("UTC") + pd.Timedelta("1h")
    return last.to_pydatetime()


def _break(*_: object, **__: object) -> None:
    raise OSError("disk full")


def test_a_part_of_the_shuffle_may_be_empty(config: Config) -> None:
    run_night(config, NOW, FIRST, until="ingest")
    store = open_repository(Store(config.output.path).cube).writable_session(BRANCH).fork()
    info = read_info(store.store)
    nothing = pd.DataFrame({n: pd.Series(dtype=kind) for n, kind in building._EVENTS.items()})
    assert building._write_shards(nothing, store, info, info.hours) is store
    assert not store.has_uncommitted_changes


@pytest.mark.parametrize("row_group", [300, 20_000], ids=["many groups", "more pieces than groups"])
def test_a_large_file_is_read_in_pieces(
    row_group: int, tmp_path: Path, cluster: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.tables.ROW_GROUP", row_group)
    config = small_config(tmp_path, Small().rows(), cluster=cluster)
    run_night(config, NOW, FIRST, until="ingest")
    store = Store(config.output.path)
    monkeypatch.setattr(building, "PIECE", 700)
    assert len(building._pieces(store.silver, FIRST)) >= 3
    run_night(config, NOW, FIRST, until="cube")
    assert int(open_cube(store.cube)["counts"].sum()) == len(as_known_at(store.silver, FIRST))


def test_a_long_history_is_read_piece_by_piece(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    read = building.read_arrivals

    def watched(*args: Any, **kwargs: Any) -> Arrivals:
        found = read(*args, **kwargs)
        asked.append(len(found))
        return found

    monkeypatch.setattr(building, "YEAR", timedelta(days=30))
    monkeypatch.setattr(building, "read_arrivals", watched)
    run_night(config, NOW, FIRST, until="cube")
    assert len(asked) == 4  # of 110 days
    assert max(asked) < sum(asked) / 3

    session = open_repository(Store(config.output.path).cube).readonly_session(BRANCH)
    info, state = read_info(session.store), read_state(session.store)
    spec = make_city(config, info).spec
    known = read_arrivals(Store(config.output.path).silver, info.grid, info.categories, FIRST)
    at_once = advance(empty_state(spec), known, FIRST, spec)
    for name, values in at_once.arrays().items():
        np.testing.assert_allclose(state.arrays()[name], values, rtol=1e-9, err_msg=name)
