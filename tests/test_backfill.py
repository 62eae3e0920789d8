"""Past nights issued in one go: the same as the nightly job's, resumed, and never twice."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
from cities import Small, midnight, reported_at, small_config
from distributed import Client

from forecasts.store import run_name
from pipeline import backfill
from pipeline.backfill import plan_backfill, run_backfill
from pipeline.config import Config
from pipeline.errors import BusyError, ConfigError, MissingInputError
from pipeline.locks import only_one
from pipeline.nightly import run_night

NOW = midnight(400)
FIRST, LAST = date(2024, 4, 16), date(2024, 4, 26)  # the 106th day to the 116th
DAYS = range(106, 117)


def city(folder: Path, client: Client, rows: pd.DataFrame | None = None, **changes: Any) -> Config:
    cluster = {"kind": "address", "address": client.scheduler.address}
    model = {"rounds": 20, "holdout_nights": 14, "retrain_days": 8}
    targets = {"all": ["violent", "other"], "violent": ["violent"]}
    made = {"cluster": cluster, "model": model, "targets": targets} | changes
    return small_config(folder, Small().rows() if rows is None else rows, **made)


def fill(config: Config, reprocess: backfill.Reprocess = "missing") -> tuple[dict[str, Any], str]:
    said: list[str] = []
    return run_backfill(config, FIRST, LAST, NOW, reprocess, said.append), "\n".join(said)


def run_of(config: Config, cutoff: datetime) -> Path:
    return Path(config.output.path) / "runs" / run_name(cutoff)


def layer(config: Config, cutoff: datetime) -> geopandas.GeoDataFrame:
    return geopandas.read_parquet(run_of(config, cutoff) / "forecast.parquet")


def manifest(config: Config, cutoff: datetime) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run_of(config, cutoff) / "manifest.json").read_text())
    return found


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Config:
    config = city(tmp_path_factory.mktemp("filled"), client)
    figures, said = fill(config)
    assert figures["to make"] == len(DAYS)
    assert said.count("models of all, violent from") == 2, "one serves 8 nights, here are 11"
    return config


@pytest.mark.timeout(240)
def test_nights_are_those_of_the_nightly_job(
    filled: Config, tmp_path: Path, client: Client
) -> None:
    nightly = city(tmp_path, client)
    for day in DAYS:
        run_night(nightly, NOW, midnight(day))
        plain, filled_in = layer(nightly, midnight(day)), layer(filled, midnight(day))
        assert plain["model"].equals(filled_in["model"])
        if day < 113:  # the same steps of the state as the nightly job's
            pd.testing.assert_frame_equal(
                pd.DataFrame(plain), pd.DataFrame(filled_in), check_exact=True
            )
        else:  # sums taken in another order may fall on the other side of a bin's edge
            close = np.isclose(plain["all_expected"], filled_in["all_expected"], rtol=1e-5)
            assert close.mean() > 0.99


def test_what_was_heard_later_does_not_reach_a_night(
    filled: Config, tmp_path: Path, client: Client
) -> None:
    """``filled`` had all rows when it made these nights, and moved its state on beyond them."""
    rows = Small().rows()
    heard = reported_at(rows) <= midnight(107)
    assert (~heard).sum() > 300
    config = city(tmp_path, client, rows[heard])
    run_backfill(config, FIRST, date(2024, 4, 17), NOW, "missing", str)
    for day in (106, 107):
        plain, known = layer(filled, midnight(day)), layer(config, midnight(day))
        pd.testing.assert_frame_equal(pd.DataFrame(plain), pd.DataFrame(known), check_exact=True)


def test_the_record_is_that_of_a_night(filled: Config, tmp_path: Path, client: Client) -> None:
    alone = city(tmp_path, client)
    run_night(alone, NOW, midnight(106))
    other, made = manifest(alone, midnight(106)), manifest(filled, midnight(106))
    assert made.keys() == other.keys()
    assert made["incidents_known"] == other["incidents_known"] > 1000
    assert made["files"].keys() == other["files"].keys()
    assert made["seconds"].keys() == {"forecast", "layers"}
    assert (Path(filled.output.path) / "latest").readlink().name == run_name(midnight(116))


def test_a_finished_backfill_does_nothing(filled: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "run_night", None)  # nothing is even ingested
    figures, said = fill(filled)
    assert figures["to make"] == 0
    assert "0 nights are to be made, 11 are there" in said


def test_a_killed_backfill_goes_on_where_it_stopped(
    tmp_path: Path, client: Client, filled: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = city(tmp_path, client)
    issue, issued = backfill.publish_forecast, []

    def killed(run: Any, *rest: Any) -> Path:
        if run.cutoff == midnight(110):
            raise OSError("no room")
        issued.append(run.cutoff)
        return issue(run, *rest)

    monkeypatch.setattr(backfill, "publish_forecast", killed)
    with pytest.raises(Exception, match="no room"):
        fill(config)
    assert midnight(109) in issued
    assert not run_of(config, midnight(110)).exists()
    before = manifest(config, midnight(109))
    monkeypatch.setattr(backfill, "publish_forecast", issue)
    figures, _ = fill(config)
    assert (figures["to make"], figures["there"]) == (11 - len(issued), len(issued))
    assert manifest(config, midnight(109)) == before
    for day in DAYS:
        whole, resumed = layer(filled, midnight(day)), layer(config, midnight(day))
        pd.testing.assert_frame_equal(pd.DataFrame(whole), pd.DataFrame(resumed), check_exact=True)


def test_all_makes_every_night_again(tmp_path: Path, client: Client) -> None:
    config = city(tmp_path, client)
    run_night(config, midnight(200), midnight(106))
    asked = config, date(2024, 4, 16), date(2024, 4, 17), NOW
    assert plan_backfill(*asked).wanted == {midnight(107)}
    assert plan_backfill(*asked, "all").wanted == {midnight(106), midnight(107)}
    run_backfill(*asked, "all", str)
    assert manifest(config, midnight(106))["made_at"] == NOW.isoformat()


def test_what_another_configuration_issued_stays(tmp_path: Path, client: Client) -> None:
    config = city(tmp_path, client)
    run_night(config, midnight(200), midnight(106))
    before = manifest(config, midnight(106))
    other = city(tmp_path, client, hotspot_share=0.1)
    plan = plan_backfill(other, date(2024, 4, 16), date(2024, 4, 17), NOW)
    assert plan.wanted == {midnight(107)}
    assert "1 are there, 1 of them of another configuration" in plan.line
    run_backfill(other, date(2024, 4, 16), date(2024, 4, 17), NOW, "missing", str)
    assert manifest(config, midnight(106)) == before


def test_a_night_of_silence_is_left_out_and_the_others_are_made(
    tmp_path: Path, client: Client
) -> None:
    rows = Small().rows()
    silent = (reported_at(rows) > midnight(70)) & (reported_at(rows) <= midnight(110))
    cluster = {"kind": "address", "address": client.scheduler.address}
    config = small_config(tmp_path, rows[~silent], cluster=cluster, model={"rounds": 20})
    asked = config, date(2024, 4, 18), date(2024, 4, 22), NOW  # the 108th day to the 112th
    with pytest.raises(MissingInputError, match="of 5 nights could not be made, the first that"):
        run_backfill(*asked, "missing", str)
    made = [day for day in range(108, 113) if run_of(config, midnight(day)).exists()]
    assert made == [111, 112]
    with pytest.raises(MissingInputError, match="3 of 3 nights"):
        run_backfill(*asked, "missing", str)


def test_what_cannot_be_made_is_said(tmp_path: Path, client: Client) -> None:
    config = city(tmp_path, client)
    with pytest.raises(ConfigError, match="swap them"):
        plan_backfill(config, LAST, FIRST, NOW)
    with pytest.raises(ConfigError, match="lies ahead"):
        plan_backfill(config, FIRST, date(2030, 1, 1), NOW)
    with pytest.raises(MissingInputError, match="not after the data begin"):
        plan_backfill(config, date(2023, 1, 1), LAST, NOW)
    few = city(tmp_path, client, output={"path": "store", "keep_days": 3})
    assert "keeps the newest 3" in plan_backfill(few, FIRST, LAST, NOW).line
    with pytest.raises(MissingInputError, match=r"2 of 2 nights could not .* a baseline needs"):
        run_backfill(config, date(2024, 1, 5), date(2024, 1, 6), NOW, "missing", str)
    with (
        only_one(Path(config.output.path) / ".backfill.lock", "the test"),
        pytest.raises(BusyError, match="another backfill writes"),
    ):
        fill(config)
