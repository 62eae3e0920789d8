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
from numpy.typing import NDArray

from forecasts.sums import Sums
from grids.clock import EPOCH, HOUR
from grids.hexgrid import HexGrid
from pipeline.baselines.recipe import BASELINES
from pipeline.config import Config
from pipeline.learning.features import FEATURE_NAMES
from pipeline.learning.judging import Judged
from pipeline.learning.plan import plan_nights
from pipeline.learning.train import MODEL, decide, train
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


def district(city: City) -> NDArray[np.int64]:
    """The whole city as one."""
    return np.zeros(city.spec.cells, np.int64)


def judged(best: float, model: float, noise: float, incidents: int = 5, nights: int = 28) -> Judged:
    """Nightly log scores: the blend's, and the model's, which goes to and fro by ``noise``."""
    week = np.where(np.arange(nights) // 7 % 2, noise, -noise)
    score = {name: np.full(nights, best - 1.0) for name in BASELINES}
    score |= {"blend": np.full(nights, best), MODEL: model + week}
    nothing = Sums(np.zeros((3, 0)), np.zeros((2, 0)), np.zeros((2, 0)))
    return Judged({}, score, np.full(nights, incidents), dict.fromkeys(score, nothing))


@pytest.mark.parametrize(
    ("held", "label"),
    [
        (judged(-10, -9, 0.5), f"xgboost {CUTOFF:%Y-%m-%dT%H:%MZ}"),
        (judged(-10, -9, 4.0), "baseline blend"),  # ahead, but not in every week
        (judged(-10, -10, 0.0), "baseline blend"),
        (judged(-10, -9, 0.5, nights=13), "baseline blend"),  # too few for an interval
        (judged(-10, -9, 0.5, incidents=0), "baseline reference"),
        (None, "baseline reference"),
    ],
)
def test_a_model_is_issued_only_where_it_surely_wins(held: Judged | None, label: str) -> None:
    fitted: dict[str, Any] = {name: {} for name in BASELINES}
    assert decide("all", CUTOFF, fitted, xgboost.Booster(), held).label == label


def test_the_paired_gain_is_per_incident() -> None:
    gain = judged(-10, -9, 0.0, incidents=4).paired_gain(MODEL, "blend")
    assert gain == pytest.approx({"gain": 0.25, "low": 0.25, "high": 0.25})


def test_a_bad_model_loses_to_the_best_baseline(
    known: Known, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, city, arrivals, state = known

    def too_much(*_: object) -> xgboost.Booster:
        rng = np.random.default_rng(1)
        codes = rng.integers(0, 9, (50, len(FEATURE_NAMES))).astype(np.uint8)
        matrix = xgboost.DMatrix(codes, np.full(50, 50.0), feature_names=list(FEATURE_NAMES))
        return xgboost.train({"objective": "count:poisson", "base_score": 1}, matrix, 9)

    monkeypatch.setattr("pipeline.learning.train.fit_booster", too_much)
    (model,) = train(
        config, city, config.grouping.names, ["violent"], arrivals, state, district(city), client
    )
    held = model.record["holdout"]
    assert held[MODEL]["log_score"] < held["reference"]["log_score"]
    assert not model.wins
    assert model.label == f"baseline {model.baseline}"
    assert held[model.baseline]["log_score"] == max(held[name]["log_score"] for name in BASELINES)


def test_too_little_for_a_model_issues_the_best_baseline(known: Known, client: Client) -> None:
    config, city, arrivals, _ = known
    cutoff = midnight(60)
    early = arrivals.until(cutoff)
    state = advance(empty_state(city.spec), early, cutoff, city.spec)
    (model,) = train(
        config, city, config.grouping.names, ["all"], early, state, district(city), client
    )
    assert model.booster is None
    assert MODEL not in model.record["holdout"]
