"""What is compared: every baseline, the model, and what would have been issued.

Everything that a backtest knows of training stands in this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from cluster.lazy import LazyCluster
from forecasts.counting import CountLaws
from pipeline.baselines.recipe import BASELINES, Forecaster, forecaster
from pipeline.districts import Districts
from pipeline.enough import require_history
from pipeline.known import Known
from pipeline.learning.features import feature_names
from pipeline.learning.model import Model, find_model, predict, save_model
from pipeline.learning.past import train_at
from pipeline.state import State

MODEL, ISSUED = "model", "issued"
NO_BASELINES = (MODEL, ISSUED)


@dataclass(frozen=True)
class Rivals:
    """The forecasters of one target, as made at one refit.

    ``forecasters``: MODEL, ISSUED, the rest are baselines. ``laws``: how counts spread around what
    is issued; without, they are taken as Poisson. ``record``: JSON; parameters and how they were
    made, whether there was a candidate (``has_candidate``) and it ``wins``, the best ``baseline``.
    """

    target: str
    forecasters: Mapping[str, Forecaster]
    laws: CountLaws | None = None
    record: dict[str, Any] = field(default_factory=dict)


def make_rivals(
    known: Known, districts: Districts, refit: datetime, root: Path, cluster: LazyCluster
) -> list[Rivals]:
    """The rivals of every target from what was known at ``refit``, or as kept below ``root``.

    ``districts``: whose shifts the law of counts is of. Raises MissingInputError where too little
    was known.
    """
    config = known.config
    features = feature_names(known.city.context)
    kept = [
        find_model(root, t, config.model_fingerprint, refit, 1, features) for t in config.targets
    ]
    found = {model.target: model for model in kept if model is not None and model.cutoff == refit}
    missing = [target for target in config.targets if target not in found]
    if missing:
        of_cell = districts.of_cell
        for model in train_at(known, refit, missing, of_cell, cluster, _require_history):
            save_model(root, model, config.model_fingerprint)
            found[model.target] = model
    return [rivals_of(found[target]) for target in config.targets]


def _require_history(state: State, started: datetime) -> None:
    """A feed that stopped is no reason to stop a backtest: it shows what comes of it."""
    require_history(state.incidents, started, state.as_of)


def rivals_of(model: Model) -> Rivals:
    """Where there was too little to learn from, what was issued stands in for the model.

    A candidate that lost is the one that was judged: it has not seen the nights held out.
    """
    forecasters = {name: forecaster(name, model.baselines[name]) for name in BASELINES}
    candidate = forecasters[model.baseline]
    if model.booster is not None:
        candidate = partial(predict, model.booster)
    # The same object as one of the others: what is issued need not be computed twice.
    issued = candidate if model.wins else forecasters[model.baseline]
    record = {
        "issued": model.label,
        "baseline": model.baseline,
        "baselines": model.baselines,
        "wins": model.wins,
        "has_candidate": model.booster is not None,
        "laws": model.laws.to_dict(),
        **model.record,
    }
    named = {**forecasters, MODEL: candidate, ISSUED: issued}
    return Rivals(model.target, named, model.laws, record)
