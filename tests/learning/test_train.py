"""Which nights are learned from and judged on, and what is issued."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from cities import BOUNDS, Small, midnight, small_config
from distributed import Client

from grids.hexgrid import HexGrid
from grids.hours import EPOCH, HOUR
from pipeline.config import Config
from pipeline.learning.features import FEATURE_NAMES
from pipeline.learning.train import MODEL, _issue, plan_nights, train
from pipeline.night import Place
from pipeline.nightly import run_night
from pipeline.replay import City
from pipeline.silver import Arrivals, read_arrivals
from pipeline.state import State, StateSpec, advance, empty_state

CUTOFF = midnight(115)
Known = tuple[Config, City, Arrivals, State]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Known:
    """A city and what it knew at the cutoff."""
    cluster = {"kind": "address", "address": client.scheduler.address}
    config = small_config(tmp_path_factory.mktemp("city"), Small().rows(), cluster=cluster)
    run_night(config, midnight(400), CUTOFF, until="ingest")
    grid = HexGrid.from_extent(*BOUNDS, 9)
    axes = len(grid), len(config.grouping.names), int((config.start - EPOCH) / HOUR)
    spec = StateSpec(*axes, config.zone)
    table = f"{config.output.path}/silver/incidents"
    arrivals = read_arrivals(table, grid, config.grouping.names, CUTOFF)
    state = advance(empty_state(spec), arrivals, CUTOFF, spec)
    return config, City(spec, Place.of(grid), grid.cells, 1), arrivals, state


@pytest.mark.parametrize("days", [1, 3])
def test_no_hour_is_both_learned_from_and_judged_on(
    known: Known, tmp_path: Path, days: int
) -> None:
    _, city, _, state = known
    config = small_config(tmp_path, Small().rows(), horizon_days=days)
    city = replace(city, horizon_days=days)
    plan = plan_nights(config, city, state)
    learned = {hour for night in plan.fit for hour in city.hours_ahead(night)}
    judged = {hour for night in plan.holdout for hour in city.hours_ahead(night)}
    assert len(plan.holdout) == 14
    assert len(learned) > 24 * 28
    assert not learned & judged


def test_labels_are_mature(known: Known) -> None:
    config, city, arrivals, state = known
    plan = plan_nights(config, city, state)
    newest = EPOCH + city.hours_ahead(plan.holdout[-1]).stop * HOUR
    assert timedelta(0) < plan.wait <= state.as_of - newest < plan.wait + timedelta(days=1)
    age = arrivals.known / 3.6e9 - arrivals.events.hour
    old = arrivals.events.hour < (state.as_of - timedelta(days=40) - EPOCH) / HOUR
    assert 0.93 < (age[old] <= plan.wait / HOUR).mean() < 1


def scores(reference: float, blend: float, model: float, incidents: int = 50) -> dict[str, Any]:
    named = {"reference": reference, "blend": blend, MODEL: model}
    return {name: {"log_score": s, "incidents": incidents} for name, s in named.items()}


@pytest.mark.parametrize(
    ("held", "label"),
    [
        (scores(-10, -9, -8), f"xgboost {CUTOFF:%Y-%m-%dT%H:%MZ}"),
        (scores(-10, -9, -9), "baseline blend"),
        (scores(-8, -9, -8.5), "baseline reference"),
        (scores(-3, -2, -1, incidents=0), "baseline reference"),
        ({}, "baseline reference"),
    ],
)
def test_a_model_is_issued_only_where_it_wins(held: dict[str, Any], label: str) -> None:
    assert _issue("all", CUTOFF, xgboost.Booster(), held).label == label


def test_a_bad_model_loses_to_the_best_baseline(
    known: Known, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, city, arrivals, state = known

    def blind(*_: object) -> xgboost.Booster:
        rng = np.random.default_rng(1)
        codes = rng.integers(0, 9, (50, len(FEATURE_NAMES))).astype(np.uint8)
        matrix = xgboost.DMatrix(codes, rng.random(50), feature_names=list(FEATURE_NAMES))
        return xgboost.train({"objective": "count:poisson"}, matrix, 1)

    monkeypatch.setattr("pipeline.learning.train.fit_booster", blind)
    (model,) = train(config, city, config.grouping.names, ["violent"], arrivals, state, client)
    held = model.record["holdout"]
    assert held[MODEL]["log_score"] < held["reference"]["log_score"]
    assert model.booster is None
    assert model.label in ("baseline reference", "baseline blend")


def test_too_little_for_a_model_issues_the_best_baseline(known: Known, client: Client) -> None:
    config, city, arrivals, _ = known
    cutoff = midnight(60)
    early = arrivals.until(cutoff)
    state = advance(empty_state(city.spec), early, cutoff, city.spec)
    (model,) = train(config, city, config.grouping.names, ["all"], early, state, client)
    assert model.booster is None
    assert MODEL not in model.record["holdout"]
