"""Nights appended: their names, whatever broke off before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cities import Small, midnight, small_config

from grids.cube import open_cube
from grids.snapshots import night_tags, open_repository, tag_of
from pipeline.cubing import read_state
from pipeline.nightly import run_night
from pipeline.silver import as_known_at
from pipeline.store import Store

NOW = midnight(400)
CUTOFFS = [midnight(day) for day in (110, 111, 112)]


@pytest.mark.parametrize("nameless", [0, 1])
def test_a_night_without_its_name_gets_it_from_the_next(
    tmp_path: Path, cluster: dict[str, str], nameless: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(tmp_path, Small().rows(), cluster=cluster)
    for number, cutoff in enumerate(CUTOFFS[: nameless + 1]):
        with monkeypatch.context() as patch:
            if number == nameless:
                patch.setattr("pipeline.cubing.icechunk.Repository.create_tag", _break)
                with pytest.raises(OSError, match="disk full"):
                    run_night(config, NOW, cutoff, until="cube")
            else:
                run_night(config, NOW, cutoff, until="cube")
    run_night(config, NOW, CUTOFFS[nameless + 1], until="cube")
    store = Store(config.output.path)
    made = CUTOFFS[: nameless + 2]
    assert night_tags(open_repository(store.cube)) == [tag_of(cutoff) for cutoff in made]
    for cutoff in made:
        known = len(as_known_at(store.silver, cutoff))
        assert int(open_cube(store.cube, tag_of(cutoff))["counts"].sum()) == known


def _break(*_: object, **__: object) -> None:
    raise OSError("disk full")


def test_cube_state_and_watermark_of_every_snapshot_agree(
    tmp_path: Path, cluster: dict[str, str]
) -> None:
    config = small_config(tmp_path, Small().rows(), cluster=cluster)
    for cutoff in CUTOFFS:
        run_night(config, NOW, cutoff, until="cube")
    path = Store(config.output.path).cube
    repository = open_repository(path)
    for cutoff in CUTOFFS:
        state = read_state(repository.readonly_session(tag=tag_of(cutoff)).store)
        cube = open_cube(path, as_of=cutoff)
        assert cube.attrs["watermark"] == state.as_of.isoformat() == cutoff.isoformat()
        by_cell = np.asarray(cube["counts"].sum("time").to_numpy(), np.int64)
        np.testing.assert_array_equal(by_cell, state.rate_count)


def test_a_tag_of_others_is_no_state_to_go_on_from(tmp_path: Path, cluster: dict[str, str]) -> None:
    config = small_config(tmp_path, Small().rows(), cluster=cluster)
    run_night(config, NOW, CUTOFFS[1], until="cube")
    repository = open_repository(Store(config.output.path).cube)
    repository.create_tag("0-draft", repository.lookup_tag(tag_of(CUTOFFS[1])))
    past = run_night(config, NOW, CUTOFFS[0], until="cube")
    known = as_known_at(Store(config.output.path).silver, CUTOFFS[0])
    assert past.manifest["incidents_known"] == len(known)
