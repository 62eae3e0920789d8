"""Making a night's models from what was known at its cutoff, and issuing one only where it wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import xgboost
from distributed import Client
from numpy.typing import NDArray

from cluster.gpu import gpu_count
from forecasts import scores
from grids.hours import HOUR, nightly_cutoffs
from pipeline.baselines.recipe import (
    BASELINES,
    REFERENCE,
    Forecaster,
    Parameters,
    fit_baselines,
    forecaster,
)
from pipeline.config import Config
from pipeline.delay import maturity, reported_share
from pipeline.errors import ConfigError
from pipeline.learning.fit import fit_booster
from pipeline.learning.model import Model, predict
from pipeline.learning.rows import Rows, training_rows
from pipeline.replay import (
    Block,
    City,
    counts_of,
    cut_blocks,
    mature_nights,
    nights_of,
)
from pipeline.silver import Arrivals
from pipeline.state import Floats, State

WARM_UP = timedelta(days=28)  # no night is learned from whose rates are younger than this
MIN_FIT_NIGHTS = 56
MIN_FIT_INCIDENTS = 500
MODEL = "model"
AREA_SHARES = (0.01, 0.02, 0.05, 0.1)

Scores = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Plan:
    """Which past nights a model is fitted on, and which newer ones it is held to."""

    fit: tuple[datetime, ...]
    holdout: tuple[datetime, ...]
    wait: timedelta


def plan_nights(config: Config, city: City, state: State) -> Plan:
    """Nights whose labels are mature at the state's cutoff; the newest are held out."""
    cutoff = state.as_of
    wait = maturity(reported_share(state.delay, cutoff))
    nights = nightly_cutoffs(city.spec.started + WARM_UP, cutoff, config.cutoff, config.zone)
    mature = mature_nights(city, nights, cutoff, wait)[-config.model.nights :]
    held = config.model.holdout_nights
    # Horizons of several days overlap: no hour may be learned from and judged on.
    apart = held + config.horizon_days - 1
    return Plan(tuple(mature[:-apart]), tuple(mature[-held:]), wait)


def train(
    config: Config,
    city: City,
    categories: tuple[str, ...],
    targets: Sequence[str],
    arrivals: Arrivals,
    state: State,
    client: Client,
) -> list[Model]:
    """A model of every target from ``arrivals``, which are all that is known at the state's cutoff.

    Raises ConfigError where a GPU is asked for and none is here.
    """
    if config.model.device == "cuda" and gpu_count() == 0:
        raise ConfigError("model.device is cuda, but no NVIDIA GPU is here: use cpu")
    plan = plan_nights(config, city, state)
    shared = client.scatter(city, broadcast=True)
    fit_blocks = [client.scatter(block) for block in cut_blocks(city, arrivals, plan.fit)]
    held_blocks = [client.scatter(block) for block in cut_blocks(city, arrivals, plan.holdout)]
    models = []
    for target in targets:
        began = perf_counter()
        members = tuple(categories.index(group) for group in config.targets[target])
        booster, size = _fit(config, shared, fit_blocks, members, client)
        # Of the blocks the newest nights are looked at: these hold more than enough.
        fitted = client.submit(fit_baselines, shared, fit_blocks[-3:], members).result()
        judged = client.submit(_judge, shared, held_blocks, members, fitted, booster)
        held = judged.result() if plan.holdout else {}
        model = _issue(target, state.as_of, booster, held)
        model.record["baselines"] = fitted
        model.record.update(describe(plan, size, perf_counter() - began))
        models.append(model)
    return models


def _fit(
    config: Config, city: Any, blocks: Sequence[Any], members: tuple[int, ...], client: Client
) -> tuple[xgboost.Booster | None, dict[str, int]]:
    """The candidate, or None where there is too little to learn from; and what it learned from."""
    share = config.model.empty_share
    futures = [client.submit(training_rows, city, block, members, share) for block in blocks]
    sizes = client.gather([client.submit(_size, rows) for rows in futures])
    size = {name: sum(part[name] for part in sizes) for name in ("rows", "incidents", "nights")}
    if size["nights"] < MIN_FIT_NIGHTS or size["incidents"] < MIN_FIT_INCIDENTS:
        return None, size
    return fit_booster(client, futures, config.model.rounds, config.model.device), size


def _size(rows: Rows) -> dict[str, int]:
    return {"rows": len(rows.counts), "incidents": int(rows.counts.sum()), "nights": rows.nights}


def score_nights(
    city: City, blocks: Sequence[Block], members: tuple[int, ...], rivals: Mapping[str, Forecaster]
) -> Scores:
    """Scores of every rival on the nights of the blocks, each made from what was known then."""
    expected: dict[str, list[Floats]] = {name: [] for name in rivals}
    counts = []
    for block in blocks:
        for night in nights_of(city, block, members):
            counts.append(counts_of(night, block.labels))
            for name, rival in rivals.items():
                expected[name].append(rival(night))
    happened = np.concatenate(counts, axis=1)
    forecasts = {name: np.concatenate(parts, axis=1) for name, parts in expected.items()}
    return {name: _score(m, happened, forecasts[REFERENCE]) for name, m in forecasts.items()}


def _score(expected: Floats, counts: NDArray[np.int64], reference: Floats) -> dict[str, Any]:
    incidents = int(counts.sum())
    log_score = scores.poisson_log_score(expected, counts)
    yardstick = scores.poisson_log_score(reference, counts)
    found = {
        "incidents": incidents,
        "expected": float(expected.sum()),
        "log_score": log_score,
        "gain_over_reference": scores.information_gain(log_score, yardstick, incidents),
        "auc": scores.auc(expected, counts),
        "average_precision": scores.average_precision(expected, counts),
        **{f"hit_rate_{s:.0%}": scores.hit_rate(expected, counts, s) for s in AREA_SHARES},
    }
    # JSON has no nan: a score that nothing can be said about is null.
    return {name: None if np.isnan(value) else value for name, value in found.items()}


def _judge(
    city: City,
    blocks: Sequence[Block],
    members: tuple[int, ...],
    fitted: Mapping[str, Parameters],
    booster: xgboost.Booster | None,
) -> Scores:
    rivals = {name: forecaster(name, fitted[name]) for name in BASELINES}
    if booster is not None:
        rivals[MODEL] = partial(predict, booster)
    return score_nights(city, blocks, members, rivals)


def _issue(target: str, cutoff: datetime, booster: xgboost.Booster | None, held: Scores) -> Model:
    """The candidate where it beats every baseline on the nights held out, else the best of them."""
    judged = bool(held) and held[REFERENCE]["incidents"] > 0
    names = [name for name in BASELINES if name in held]
    totals = {name: held[name]["log_score"] for name in names} if judged else {REFERENCE: 0.0}
    best = max(totals, key=lambda name: totals[name])
    wins = judged and booster is not None and held[MODEL]["log_score"] > totals[best]
    return Model(target, cutoff, best, booster if wins else None, {"holdout": held})


def describe(plan: Plan, size: Mapping[str, int], seconds: float) -> dict[str, Any]:
    """How a model was made, for its record."""
    return {
        "fit": {**size, "first": str(plan.fit[0]) if plan.fit else None},
        "holdout_nights": [night.isoformat() for night in plan.holdout],
        "label_wait_hours": plan.wait / HOUR,
        "seconds": round(seconds, 1),
    }
