"""What is compared: every baseline, the model, and what would have been issued.

Everything that a backtest knows of training stands in this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from cluster.lazy import LazyCluster
from forecasts.counting import CountLaw
from pipeline.baselines.recipe import BASELINES, Forecaster
from pipeline.config import Config
from pipeline.enough import require_history
from pipeline.learning.model import Model, find_model, predict, save_model
from pipeline.replay import City
from pipeline.silver import Arrivals
from pipeline.state import advance, empty_state

MODEL, ISSUED = "model", "issued"
NO_BASELINES = (MODEL, ISSUED)


@dataclass(frozen=True)
class Rivals:
    """The forecasters of one target, as made at one refit.

    ``forecasters``: MODEL, ISSUED, the rest are baselines. ``law``: None where counts are taken as
    Poisson. ``record``: parameters and how they were made, JSON.
    """

    target: str
    forecasters: Mapping[str, Forecaster]
    law: CountLaw | None = None
    record: dict[str, Any] = field(default_factory=dict)


def make_rivals(
    config: Config,
    city: City,
    categories: tuple[str, ...],
    arrivals: Arrivals,
    refit: datetime,
    root: Path,
    cluster: LazyCluster,
) -> list[Rivals]:
    """The rivals of every target from what ``arrivals`` held at ``refit``, or as kept in ``root``.

    ``arrivals`` may reach beyond. Raises MissingInputError where too little was known.
    """
    kept = [find_model(root, target, config.fingerprint, refit, 1) for target in config.targets]
    found = {model.target: model for model in kept if model is not None and model.cutoff == refit}
    missing = [target for target in config.targets if target not in found]
    if missing:
        for model in _train(config, city, categories, missing, arrivals, refit, cluster):
            save_model(root, model, config.fingerprint)
            found[model.target] = model
    return [_rivals(found[target]) for target in config.targets]


def _train(
    config: Config,
    city: City,
    categories: tuple[str, ...],
    targets: Sequence[str],
    arrivals: Arrivals,
    refit: datetime,
    cluster: LazyCluster,
) -> list[Model]:
    from pipeline.learning.train import train  # Dask takes seconds to load

    known = arrivals.until(refit)
    state = advance(empty_state(city.spec), known, refit, city.spec)
    require_history(state.incidents, city.spec.started, refit)
    return train(config, city, categories, targets, known, state, cluster.client)


def _rivals(model: Model) -> Rivals:
    """Where no model was issued, the baseline that was stands in for it as well."""
    forecasters = dict(BASELINES)
    best = forecasters[model.baseline]
    issued = best if model.booster is None else partial(predict, model.booster)
    record = {"issued": model.label, "baseline": model.baseline, **model.record}
    return Rivals(model.target, forecasters | {MODEL: issued, ISSUED: issued}, None, record)
