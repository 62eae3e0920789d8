"""Nights that go wrong: killed, badly fed, badly configured; what stops them and what does not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
from cities import Small, midnight, reported_at, small_config

from grids.cube import open_cube
from grids.snapshots import tag_of
from pipeline.errors import (
    BusyError,
    ConfigError,
    DataError,
    EmptyDeliveryError,
    HexcastError,
    MissingInputError,
)
from pipeline.nightly import run_night
from pipeline.store import Store

NOW = midnight(400)
FIRST, SECOND = midnight(110), midnight(111)


@pytest.mark.parametrize(
    "step",
    [
        "pipeline.ingest.recipe.commit_parts",
        "pipeline.cubing.write_state",
        "pipeline.issuing.write_layers",
    ],
)
def test_a_night_that_broke_goes_on_where_it_stopped(
    tmp_path: Path, cluster: dict[str, str], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Small().rows()
    config = small_config(tmp_path / "broken", rows, cluster=cluster)
    with monkeypatch.context() as patch:
        patch.setattr(step, _break)
        with pytest.raises(OSError, match="disk full"):
            run_night(config, NOW, FIRST)
    assert not (Path(config.output.path) / "latest").exists()
    broken = run_night(config, NOW, FIRST)
    whole = run_night(small_config(tmp_path / "whole", rows, cluster=cluster), NOW, FIRST)
    assert broken.run is not None
    assert whole.run is not None
    one, other = (
        pd.DataFrame(geopandas.read_parquet(run / "forecast.parquet"))
        for run in (broken.run, whole.run)
    )
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_silver_and_cube_are_made_again_from_bronze(
    tmp_path: Path, cluster: dict[str, str]
) -> None:
    """Of a city without boundary, too, whose extent is measured anew."""
    rows = Small().rows()
    late = reported_at(rows) > FIRST
    stores = [
        small_config(tmp_path / name, rows[~late], cluster=cluster, grid={"resolution": 8})
        for name in ("whole", "again")
    ]
    for config in stores:
        run_night(config, FIRST, FIRST, until="cube")
        news = rows[late & (reported_at(rows) <= SECOND)]
        news.to_csv(Path(config.output.path).parent / "in" / "b.csv", index=False)
        run_night(config, SECOND, SECOND, until="cube")
    root = Path(stores[1].output.path)
    shutil.rmtree(root / "cube")
    with pytest.raises(ConfigError, match="with it went the grid"):
        run_night(stores[1], SECOND, SECOND, until="cube")
    shutil.rmtree(root / "silver")
    shutil.rmtree(root / "cube")
    again, whole = (run_night(config, SECOND, SECOND, until="cube") for config in stores[::-1])
    assert again.manifest["incidents_known"] == whole.manifest["incidents_known"] > 1000
    one, other = (open_cube(Store(config.output.path).cube)["counts"] for config in stores)
    assert np.array_equal(one.to_numpy(), other.to_numpy())


def test_what_is_not_ours_is_not_written_into(tmp_path: Path) -> None:
    config = small_config(tmp_path, Small().rows())
    theirs = Path(Store(config.output.path).bronze) / "mine.parquet"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"of somebody else")
    with pytest.raises(ConfigError, match=r"mine\.parquet is none of ours"):
        run_night(config, NOW, FIRST)
    assert theirs.read_bytes() == b"of somebody else"


def test_a_clock_that_went_back_loses_nothing(tmp_path: Path, cluster: dict[str, str]) -> None:
    """What comes in while the clock is behind the cube is known after what the cube has passed."""
    rows = Small().rows()
    late = reported_at(rows) > FIRST
    config = small_config(tmp_path, rows[~late], cluster=cluster)
    run_night(config, midnight(112), midnight(112), until="cube")
    rows[late & (reported_at(rows) <= SECOND)].to_csv(tmp_path / "in" / "b.csv", index=False)
    run_night(config, SECOND, SECOND, until="cube")
    last = run_night(config, midnight(113), midnight(113), until="cube").manifest
    assert last["incidents_known"] == (reported_at(rows) <= SECOND).sum()


def _break(*_: object, **__: object) -> None:
    raise OSError("disk full")


def test_a_mended_configuration_may_begin_the_store_anew(
    tmp_path: Path, cluster: dict[str, str]
) -> None:
    rows = Small().rows()
    wrong = small_config(tmp_path, rows, cluster=cluster, timezone="America/Phoenix")
    with pytest.raises(MissingInputError):
        run_night(wrong, NOW, midnight(3), until="ingest")
    right = small_config(tmp_path, rows, cluster=cluster)
    assert run_night(right, NOW, FIRST, until="cube").manifest["incidents_known"] > 1000


def test_a_night_killed_before_its_tag_gets_it(
    tmp_path: Path, cluster: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(tmp_path, Small().rows(), cluster=cluster)
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.cubing.tag_night", _break)
        with pytest.raises(OSError, match="disk full"):
            run_night(config, NOW, FIRST, until="cube")
    run_night(config, NOW, FIRST, until="cube")
    known = open_cube(Store(config.output.path).cube, tag_of(FIRST))
    assert int(known["counts"].sum()) > 1000


@pytest.mark.parametrize("late", ["unusable", "header only", "nothing at all"])
def test_a_later_delivery_without_a_usable_row_does_not_stop_the_night(
    tmp_path: Path, cluster: dict[str, str], late: str
) -> None:
    rows = Small().rows()
    config = small_config(tmp_path, rows, cluster=cluster)
    run_night(config, NOW, FIRST, until="cube")
    more = tmp_path / "in" / "later.csv"
    match late:
        case "unusable":
            rows.head(1).assign(lat="").to_csv(more, index=False)
        case "header only":
            rows.head(0).to_csv(more, index=False)
        case "nothing at all":
            more.write_text("")
    outcome = run_night(config, NOW, SECOND, until="cube")
    assert outcome.manifest["as_of"] == SECOND.isoformat()
    assert outcome.manifest["ingest"]["rows_in"] == (1 if late == "unusable" else 0)


def test_two_at_once_do_not_write_one_store(tmp_path: Path) -> None:
    config = small_config(tmp_path, Small().rows())
    with Store(config.output.path).locked(), pytest.raises(BusyError, match="try again") as fault:
        run_night(config, NOW, FIRST)
    assert fault.value.exit_code == 75


def few(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.head(150)


def elsewhere(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(lat="41.5")


@pytest.mark.parametrize(
    ("change", "as_of", "kind", "message"),
    [
        (elsewhere, FIRST, DataError, "outside the bounds"),
        (few, FIRST, MissingInputError, "a baseline needs 200"),
        (lambda rows: rows, midnight(20), MissingInputError, "of 28"),
        (lambda rows: rows, midnight(-3), MissingInputError, "source.start"),
        (lambda rows: rows, midnight(500), ConfigError, "lies ahead"),
        (lambda rows: rows.head(0), FIRST, EmptyDeliveryError, "no rows"),
        (lambda rows: rows.drop(columns="lat"), FIRST, DataError, "no column 'lat'"),
    ],
)
def test_bad_input_publishes_nothing(
    tmp_path: Path, cluster: dict[str, str], change: Any, as_of: Any, kind: type, message: str
) -> None:
    config = small_config(tmp_path, change(Small().rows()), cluster=cluster)
    with pytest.raises(HexcastError, match=message) as fault:
        run_night(config, NOW, as_of)
    assert type(fault.value) is kind
    assert "\n" not in str(fault.value)
    assert not (Path(config.output.path) / "runs").exists()


def test_after_bad_input_a_good_night_loses_nothing(
    tmp_path: Path, cluster: dict[str, str]
) -> None:
    rows = Small().rows()
    config = small_config(tmp_path, rows, cluster=cluster)
    with pytest.raises(MissingInputError):
        run_night(config, NOW, midnight(20))
    outcome = run_night(config, NOW, FIRST)
    known = (reported_at(rows) <= FIRST).sum()
    assert outcome.manifest["incidents_known"] == known
