"""Which parameters a training uses: those of the newest search that knew no more than it does."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cities import midnight, small_config

from pipeline.config import Config
from pipeline.learning.boosting import PARAMETERS, boosting_at, tuning_path
from pipeline.learning.features import FEATURE_NAMES
from pipeline.learning.model import FORM

ROUNDS = {"all": 77, "violent": 33}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    nothing = pd.DataFrame(columns=["id", "occurred", "reported", "kind", "lat", "lon"])
    return small_config(tmp_path, nothing)


def keep(config: Config, cutoff: datetime, **changes: Any) -> None:
    """A search's record, as far as a training reads it."""
    record = {
        "form": FORM,
        "features": list(FEATURE_NAMES),
        "cutoff": cutoff.isoformat(),
        "finished": True,
        "defaults": {"parameters": PARAMETERS},
        "chosen": {"parameters": {"max_depth": 3}, "rounds": ROUNDS},
    }
    path = tuning_path(config, cutoff)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record | changes))


def test_without_a_search_the_defaults(config: Config) -> None:
    found = boosting_at(config, midnight(100))
    assert (found.parameters, found.tuning) == (PARAMETERS, None)
    assert found.rounds == {"all": 150, "violent": 150}
    assert found.describe("all")["tuned_as_of"] is None


def test_a_search_serves_its_own_cutoff_and_later_ones(config: Config) -> None:
    keep(config, midnight(100))
    found = boosting_at(config, midnight(100))
    assert found.parameters == PARAMETERS | {"max_depth": 3}
    assert found.describe("violent") == {
        "parameters": PARAMETERS | {"max_depth": 3},
        "rounds": 33,
        "tuned_as_of": midnight(100).isoformat(),
    }
    assert boosting_at(config, midnight(400)).rounds == ROUNDS
    assert boosting_at(config, midnight(100) - timedelta(seconds=1)).tuning is None


def test_the_newest_that_could_be_known_counts(config: Config) -> None:
    for day in (80, 100, 120):
        keep(config, midnight(day), chosen={"parameters": {}, "rounds": {"all": day, "violent": 1}})
    assert [boosting_at(config, midnight(day)).rounds["all"] for day in (79, 99, 119, 121)] == [
        150, 80, 100, 120,
    ]  # fmt: skip


def test_a_target_too_rare_to_search_keeps_its_rounds(config: Config) -> None:
    keep(config, midnight(100), chosen={"parameters": {"max_depth": 3}, "rounds": {"all": 77}})
    assert boosting_at(config, midnight(100)).rounds == {"all": 77, "violent": 150}


def test_a_search_that_found_nothing_better_says_so(config: Config) -> None:
    keep(config, midnight(80))
    keep(config, midnight(100), chosen=None)
    found = boosting_at(config, midnight(100))
    assert found.parameters == PARAMETERS
    assert found.rounds["all"] == 150
    assert found.describe("all")["tuned_as_of"] == midnight(100).isoformat()


@pytest.mark.parametrize(
    "changes",
    [
        {"finished": False},
        {"form": FORM - 1},
        {"features": [*FEATURE_NAMES, "another"]},
        {"defaults": {"parameters": PARAMETERS | {"eta": 0.5}}},
    ],
)
def test_a_search_that_is_not_done_or_of_another_version_is_passed_over(
    config: Config, changes: dict[str, Any]
) -> None:
    keep(config, midnight(80))
    keep(config, midnight(100), **changes)
    found = boosting_at(config, midnight(110))
    assert found.describe("all")["tuned_as_of"] == midnight(80).isoformat()


def test_another_configuration_has_searches_of_its_own(config: Config) -> None:
    keep(config, midnight(100))
    fewer = config.model.model_copy(update={"rounds": 10})
    other = config.model_copy(update={"model": fewer})
    other.__dict__.pop("model_fingerprint", None)
    assert boosting_at(other, midnight(100)).tuning is None
