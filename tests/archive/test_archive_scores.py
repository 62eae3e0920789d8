"""Issued forecasts against what then happened: once it is known, and only then."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from cities import Small, midnight, reported_at, small_config
from click.testing import Result
from scipy.stats import poisson
from typer.testing import CliRunner

from grids.clock import EPOCH, HOUR
from grids.cube import read_info
from grids.snapshots import open_repository
from pipeline.archive.layout import ARCHIVE, SCORES, array, open_archive, read
from pipeline.archive.realised import _Happened, _mature
from pipeline.archive.recipe import score_issued
from pipeline.archive.summary import _realised, summarize
from pipeline.cli import app
from pipeline.config import Config
from pipeline.errors import MissingInputError
from pipeline.nightly import run_night
from pipeline.silver import as_known_at
from pipeline.store import Store

NOW = midnight(400)
FIRST, LATER = (110, 111, 112), 122


def issued(config: Config) -> xr.Dataset:
    return xr.open_zarr(Path(config.output.path) / ARCHIVE, decode_times=False)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Three nights, and one ten days later, which finds them mature."""
    model = {"rounds": 20, "holdout_nights": 14}
    config = small_config(tmp_path_factory.mktemp("scored"), Small().rows(), model=model)
    for day in FIRST:
        run_night(config, NOW, midnight(day))
    assert np.isnan(issued(config)["incidents"]).all(), "nothing is mature yet"
    run_night(config, NOW, midnight(LATER))
    return config


def happened(config: Config, target: str, start: int, known: datetime) -> np.ndarray:
    """(cell, hour) counts of 24 hours from silver itself."""
    store = Store(config.output.path)
    grid = read_info(open_repository(store.cube).readonly_session("main").store).grid
    rows = as_known_at(store.silver, known)
    hour = (rows["occurred_at"] - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(hours=1) - start
    inside = rows["group"].isin(config.targets[target]) & hour.between(0, 23)
    counts = np.zeros((len(grid), 24))
    cells = grid.index_of(rows.loc[inside, "cell"].to_numpy(np.uint64))
    np.add.at(counts, (cells, hour[inside].to_numpy()), 1)
    return counts


def test_scores_are_those_of_what_silver_knows_ten_days_later(scored: Config) -> None:
    kept = issued(scored)
    assert kept.sizes["reference_time"] == len(FIRST) + 1
    for at in range(len(FIRST)):
        for target in ("all", "violent"):
            night = kept.isel(reference_time=at).sel(target=target)
            assert night["scored_as_of"] == midnight(LATER).timestamp()
            counts = happened(scored, target, int(night["reference_time"]), midnight(LATER))
            assert counts.sum() > 0
            expected, baseline = (
                night[name].isel(lead=slice(24)).transpose("cell", "lead").to_numpy().astype(float)
                for name in ("expected", "baseline")
            )
            assert night["incidents"] == counts.sum()
            assert night["expected_incidents"] == pytest.approx(expected.sum())
            assert night["log_score"] == pytest.approx(poisson.logpmf(counts, expected).sum())
            baseline_score = poisson.logpmf(counts, baseline).sum()
            assert night["baseline_log_score"] == pytest.approx(baseline_score)
            assert 0.5 < night["auc"] <= 1
            assert 0 < night["hit_rate"] <= 1


def test_a_night_whose_reports_are_not_in_waits(scored: Config) -> None:
    newest = issued(scored).isel(reference_time=-1)
    assert np.isnan(newest["scored_as_of"])
    assert all(np.isnan(newest[name]).all() for name in SCORES)


def test_scoring_again_does_nothing(scored: Config) -> None:
    before = issued(scored).load()
    assert score_issued(scored) == []
    assert issued(scored).load().identical(before)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_the_command_sums_up_what_was_scored(scored: Config) -> None:
    found = summarize(Path(scored.output.path), 2)
    assert (found.kept, found.scored) == (4, 3)
    everything, violent = found.targets
    assert (everything.target, everything.nights) == ("all", 2)
    assert 0 < violent.incidents < everything.incidents
    last = issued(scored).sel(target="all").isel(reference_time=[1, 2])
    assert everything.incidents == last["incidents"].sum()
    ahead = float((last["log_score"] - last["baseline_log_score"]).sum())
    assert everything.gain == pytest.approx(ahead / everything.incidents)
    hits = float((last["hit_rate"] * last["incidents"]).sum())
    assert everything.hit_rate == pytest.approx(hits / everything.incidents)


def test_a_night_that_was_killed_before_it_scored_is_scored_by_the_next(scored: Config) -> None:
    root = Path(scored.output.path) / ARCHIVE
    before = issued(scored)["log_score"].load()
    group = open_archive(root, "r+")
    array(group, "scored_as_of")[1] = np.nan
    array(group, "log_score")[1] = np.nan
    assert score_issued(scored) == [midnight(FIRST[1])]
    assert issued(scored)["log_score"].load().identical(before)


def test_maturity_counts_from_the_last_hour_of_the_night_itself(scored: Config) -> None:
    group = open_archive(Path(scored.output.path) / ARCHIVE)
    start = int(array(group, "reference_time")[0])
    store = open_repository(Store(scored.output.path).cube).readonly_session("main").store
    happened = _Happened(store, read_info(store), scored.targets)
    array(open_archive(Path(scored.output.path) / ARCHIVE, "r+"), "scored_as_of")[0] = np.nan
    ended = EPOCH + (start + 24) * HOUR
    assert [night.at for night in _mature(group, happened, ended - HOUR)] == []
    assert [night.at for night in _mature(group, happened, ended)] == [0]
    assert score_issued(scored) == [midnight(FIRST[0])]


def test_a_night_that_the_disk_has_lost_is_told_and_the_others_are_scored(
    scored: Config, caplog: pytest.LogCaptureFixture
) -> None:
    root = Path(scored.output.path) / ARCHIVE
    before = issued(scored)["log_score"].load()
    (lost,) = (path for path in (root / "baseline" / "c" / "1").rglob("*") if path.is_file())
    sound = lost.read_bytes()
    array(open_archive(root, "r+"), "scored_as_of")[:2] = np.nan
    for kept in (len(sound) - 1, len(sound) * 3 // 4, len(sound) // 2):
        lost.write_bytes(sound[:kept])
        with pytest.raises(ValueError, match="checksum"):
            read(open_archive(root), "baseline", 1)
    assert score_issued(scored) == [midnight(FIRST[0])]
    assert f"{midnight(FIRST[1]):%Y-%m-%d %H:%MZ} is damaged" in caplog.text
    lost.write_bytes(sound)
    assert score_issued(scored) == [midnight(FIRST[1])]
    assert issued(scored)["log_score"].load().identical(before)


def test_days_without_deliveries_are_not_scored_as_calm(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    rows = Small().rows()
    rows = rows[reported_at(rows) <= midnight(113)]
    model = {"rounds": 20, "holdout_nights": 14}
    config = small_config(tmp_path_factory.mktemp("stopped"), rows, model=model)
    for day in (111, 113, 125):  # nothing came since the 113th
        run_night(config, NOW, midnight(day))
    done = np.isfinite(issued(config)["scored_as_of"].to_numpy())
    assert not done[1:].any()


def test_a_cube_that_is_gone_is_an_error_that_says_what_to_do(
    scored: Config, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    shutil.copytree(Path(scored.output.path) / ARCHIVE, root / ARCHIVE)
    output = scored.output.model_copy(update={"path": str(root)})
    with pytest.raises(MissingInputError, match="run a night first"):
        score_issued(scored.model_copy(update={"output": output}))
    assert not (root / "cube").exists()


def test_nights_without_an_incident_have_no_gain() -> None:
    few = {name: np.zeros(14) for name in SCORES}
    found = _realised("rare", few | {"hit_rate": np.full(14, np.nan)})
    assert found.incidents == 0
    assert all(np.isnan([found.gain, found.gain_low, found.gain_high, found.hit_rate]))


def test_nothing_kept_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    config = small_config(tmp_path, Small(days=3).rows())
    with pytest.raises(MissingInputError, match="hexcast nightly issues one"):
        score_issued(config)


def test_json_holds_null_where_there_are_too_few_nights_for_an_interval(
    scored: Config, tmp_path: Path
) -> None:
    file = tmp_path / "city.json"
    file.write_text(json.dumps(scored.model_dump(mode="json", exclude_unset=True)))
    done = run("score", str(file), "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert found["kept"] == 4
    assert found["newly_scored"] == 0
    assert [each["target"] for each in found["targets"]] == ["all", "violent"]
    assert found["targets"][0]["gain_low"] is None
    shown = run("score", str(file)).output
    assert "4 nights kept, 4 of them made a day or more after their cutoff; 3 scored" in shown
