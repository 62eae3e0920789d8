"""A search in a small city: as known then, kept whole, gone on with, and used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cities import Small, midnight, reported_at, small_config
from distributed import Client

from pipeline.backtest.folder import key_of
from pipeline.backtest.schedule import Period, Request, Schedule
from pipeline.config import Config
from pipeline.errors import BusyError, ConfigError, MissingInputError
from pipeline.known import read_known
from pipeline.learning.boosting import boosting_at, tuning_path
from pipeline.learning.model import find_model
from pipeline.locks import only_one
from pipeline.nightly import run_night
from pipeline.tuning import recipe, search
from pipeline.tuning.recipe import run_tuning

CUTOFF, NOW = midnight(110), midnight(400)
Record = dict[str, Any]


def city(folder: Path, client: Client, rows: pd.DataFrame) -> Config:
    config = small_config(
        folder,
        rows,
        cluster={"kind": "address", "address": client.scheduler.address},
        targets={"violent": ["violent"]},
        model={"rounds": 6, "holdout_nights": 14, "retrain_days": 1},
    )
    run_night(config, NOW, midnight(129), until="ingest")
    return config


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Config:
    """A small city, ingested, and nothing searched."""
    return city(tmp_path_factory.mktemp("city"), client, Small().rows())


@pytest.fixture
def config(small: Config) -> Iterator[Config]:
    yield small
    tuning_path(small, CUTOFF).unlink(missing_ok=True)


def tune(config: Config, trials: int = 4, minutes: float = 30) -> Record:
    return run_tuning(config, NOW, CUTOFF, minutes, lambda _: None, trials)


def but_time(record: Record) -> Record:
    """The record without what a clock says."""
    trials = [trial | {"seconds": 0} for trial in record["trials"]]
    return record | {"trials": trials, "seconds": 0, "minutes": 0}


def test_a_search_sees_nothing_that_became_known_later(
    config: Config, client: Client, tmp_path: Path
) -> None:
    rows = Small().rows()
    late = reported_at(rows) > CUTOFF
    assert late.sum() > 300
    other = city(tmp_path, client, rows[~late])
    found, without = but_time(tune(config)), but_time(tune(other))
    assert len(found["trials"]) == 4
    assert found == without  # so it is the same every time, too
    held = [pd.Timestamp(at) for fold in found["made_from"]["folds"] for at in fold["held"]]
    # The nights of the gate, and those whose labels are not in, are never looked at.
    assert max(held) < pd.Timestamp(CUTOFF) - pd.Timedelta(days=14)


def test_a_killed_search_goes_on(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = but_time(tune(config))
    tuning_path(config, CUTOFF).unlink()
    tell, told = search._tell, []

    def killed(*arguments: Any) -> None:
        told.append(1)
        if len(told) > 2:
            raise KeyboardInterrupt
        tell(*arguments)

    monkeypatch.setattr(search, "_tell", killed)
    with pytest.raises(KeyboardInterrupt):
        tune(config)
    left = json.loads(tuning_path(config, CUTOFF).read_text())
    assert len(left["trials"]) == 2
    assert not left["finished"]
    assert boosting_at(config, CUTOFF).tuning is None
    monkeypatch.undo()
    assert but_time(tune(config)) == whole


def test_a_search_that_is_done_is_not_done_again(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tune(config, 2)
    monkeypatch.setattr(recipe, "_search", None)  # cannot be called
    assert tune(config, 2) == found
    assert tune(config, 9, minutes=20) == found


def test_more_minutes_and_trials_go_on_from_there(config: Config) -> None:
    few = tune(config, 2)
    more = tune(config, 4, minutes=31)
    assert more["trials"][:2] == few["trials"]
    assert len(more["trials"]) == 4
    assert more["seconds"] > few["seconds"]


def test_other_data_start_it_anew(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    few = tune(config, 2)
    monkeypatch.setattr(recipe, "digest", lambda *_: "other")
    said: list[str] = []
    again = run_tuning(config, NOW, CUTOFF, 30, said.append, 2)
    assert "starts anew" in said[0]
    assert [t["score"] for t in again["trials"]] == [t["score"] for t in few["trials"]]
    assert again["made_from"]["incidents"] == "other"


def test_a_model_is_made_with_what_was_found_and_keeps_its_history(config: Config) -> None:
    tune(config, 2)
    path = tuning_path(config, CUTOFF)
    record = json.loads(path.read_text())
    record["chosen"] = {"number": 1, "parameters": {"max_depth": 2}, "rounds": {"violent": 9}}
    path.write_text(json.dumps(record))
    made = {}
    for cutoff in (midnight(109), CUTOFF):
        run_night(config, NOW, cutoff, until="train", fetch=False)
        root = Path(config.output.path) / "models"
        made[cutoff] = find_model(root, "violent", config.model_fingerprint, cutoff, 1)
    before, after = made.values()
    assert before is not None
    assert after is not None
    assert before.tuning is None
    assert before.record["boosting"]["tuned_as_of"] is None
    assert before.booster is not None
    assert before.booster.num_boosted_rounds() == 6
    assert after.record["boosting"]["tuned_as_of"] == CUTOFF.isoformat()
    assert after.record["boosting"]["parameters"]["max_depth"] == 2
    assert after.booster is not None
    assert after.booster.num_boosted_rounds() == 9
    assert max(tree.count("\n") for tree in after.booster.get_dump()) <= 2**3 - 1
    assert after.tuning == record


def test_a_backtest_starts_anew_where_a_search_changes_its_refits(config: Config) -> None:
    known = read_known(config)
    periods = tuple(Period((midnight(day),)) for day in (109, 111))
    plan = Schedule(Request(date(2024, 4, 1), date(2024, 4, 30)), known.until, periods, ())

    def boosting() -> list[Any]:
        city = known.city
        return key_of(config, plan, city.cell_keys, known.arrivals, city.context)["boosting"]

    before = boosting()
    tune(config, 2)
    path = tuning_path(config, CUTOFF)
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({**kept, "chosen": None}))
    assert boosting() == before
    path.write_text(json.dumps({**kept, "chosen": {"parameters": {"eta": 0.2}, "rounds": {}}}))
    after = boosting()
    assert [each["since"] for each in before] == [midnight(109).isoformat()]
    assert after[0] == before[0]
    assert [each["since"] for each in after] == [midnight(day).isoformat() for day in (109, 111)]


def test_rounds_are_found_beyond_those_configured(config: Config) -> None:
    first = tune(config, 2)["trials"][0]
    assert first["rounds"]["violent"] == 15  # two and a half times six: the steps are small
    assert first["gain"]["gain"] > 0
    assert np.isfinite(first["gain"]["low"])


def test_faults_are_named(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="--minutes 0: the time was over"):
        tune(config, minutes=0)
    assert boosting_at(config, CUTOFF).tuning is None
    with pytest.raises(ConfigError, match="lies ahead"):
        run_tuning(config, NOW, midnight(401), 1, lambda _: None)
    with pytest.raises(MissingInputError, match="a search needs 42"):
        run_tuning(config, NOW, midnight(50), 1, lambda _: None)
    with monkeypatch.context() as rare:
        rare.setattr(recipe, "MIN_FIT_INCIDENTS", 10**6)
        with pytest.raises(MissingInputError, match="no target has 1000000 incidents"):
            tune(config)
    folder = tuning_path(config, CUTOFF).parent
    with only_one(folder / ".lock", "this test"), pytest.raises(BusyError, match="another search"):
        tune(config)
