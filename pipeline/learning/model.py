"""What is made for one target: used locally, whatever it was made on; kept as JSON and UBJ."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import xgboost

from forecasts.counting import CountLaws
from grids.clock import HOUR
from grids.snapshots import tag_of
from pipeline.baselines.recipe import BASELINES, Forecaster, Parameters, forecaster
from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.learning.features import (
    FEATURE_NAMES,
    MISSING,
    feature_names,
    features_of,
    night_codes,
    start,
)
from pipeline.night import Night
from pipeline.state import Floats

# Another number whenever what features, starts or baselines mean has changed: a model of another
# form would be given other values than it has learned from.
FORM = 7
Load = Callable[[Path, tuple[str, ...]], "Model | None"]
EDGES = "edges"  # the booster's attribute: of the codes of the city's tables


@dataclass(frozen=True)
class Model:
    """What is made for a target: every baseline, and a booster that ``wins`` over them or not.

    ``cutoff``: it was made from what was known then. ``baseline``: the best one, of ``baselines``,
    each with its parameters. ``booster``: where it did not win, the candidate, None where there was
    too little to learn from. ``laws``: how counts spread around what is issued. ``record``: scores
    and how it was made. ``tuning``: the search that found the booster's parameters.
    """

    target: str
    cutoff: datetime
    baseline: str
    baselines: Mapping[str, Parameters]
    booster: xgboost.Booster | None = None
    wins: bool = False
    laws: CountLaws = field(default_factory=CountLaws)
    record: dict[str, Any] = field(default_factory=dict)
    tuning: Mapping[str, Any] | None = None

    def refitted(self, booster: xgboost.Booster) -> Model:
        """The same with a booster that has learned from more nights."""
        return replace(self, booster=booster)

    def best_baseline(self) -> Forecaster:
        """The best baseline, from a night to expected counts."""
        return forecaster(self.baseline, self.baselines[self.baseline])

    def issued(self) -> Forecaster:
        """What is issued: the booster where it wins, else the best baseline."""
        if self.wins and self.booster is not None:
            return partial(predict, self.booster)
        return self.best_baseline()

    @property
    def label(self) -> str:
        """How layers and records name what was issued."""
        if not self.wins:
            return f"baseline {self.baseline}"
        return f"xgboost {self.cutoff:%Y-%m-%dT%H:%MZ}"


def predict(booster: xgboost.Booster, night: Night) -> Floats:
    """(cell, hour) expected counts. Raises ConfigError where the model knows other features."""
    names = feature_names(night.context)
    if tuple(booster.feature_names or ()) != names:
        raise ConfigError(
            "the model was made with other features than this version and the city's configuration "
            "have: delete it, and the next night makes a new one"
        )
    edges = json.loads(booster.attr(EDGES) or "{}")
    codes = night_codes(night, features_of(night.context, edges))
    starts = start(night)
    # In place: a matrix of its own would take a quarter of the time, and four bytes for each code.
    expected: Floats = booster.inplace_predict(
        codes, missing=MISSING, base_margin=starts.ravel(), validate_features=False
    )
    return expected.astype(np.float64).reshape(starts.shape)


def save_model(root: Path, model: Model, fingerprint: str) -> Path:
    """Keep the model below ``root``/target; it is there whole or not at all."""
    folder = root / model.target / f"{tag_of(model.cutoff)}-{fingerprint}"
    staged = folder.with_name(f".{folder.name}-{uuid4().hex}")
    staged.mkdir(parents=True)
    if model.booster is not None:
        model.booster.save_model(staged / "model.ubj")
    description = {
        "form": FORM,
        "target": model.target,
        "cutoff": model.cutoff.isoformat(),
        "baseline": model.baseline,
        "baselines": model.baselines,
        "wins": model.wins,
        "laws": model.laws.to_dict(),
        "features": list(model.booster.feature_names or ()) if model.booster else None,
        "record": model.record,
    }
    (staged / "model.json").write_text(json.dumps(description, indent=1))
    if model.tuning is not None:
        (staged / "tuning.json").write_text(json.dumps(model.tuning, indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    staged.replace(folder)
    return folder


def load_model(folder: Path, features: tuple[str, ...]) -> Model | None:
    """The model that is kept in a folder; None where this version made it with anything else."""
    description = json.loads((folder / "model.json").read_text())
    if description.get("form") != FORM:
        return None
    if description["features"] not in (None, list(features)):  # None: there is no booster
        return None
    if description["baselines"].keys() != BASELINES.keys():
        return None
    booster = None
    if (folder / "model.ubj").exists():
        booster = xgboost.Booster(model_file=folder / "model.ubj")
    tuning = folder / "tuning.json"
    return Model(
        target=description["target"],
        cutoff=datetime.fromisoformat(description["cutoff"]),
        baseline=description["baseline"],
        baselines=description["baselines"],
        booster=booster,
        wins=description["wins"],
        laws=CountLaws.from_dict(description["laws"]),
        record=description["record"],
        tuning=json.loads(tuning.read_text()) if tuning.exists() else None,
    )


def find_model(
    root: Path,
    target: str,
    fingerprint: str,
    cutoff: datetime,
    max_age_days: int,
    features: tuple[str, ...] = FEATURE_NAMES,
    load: Load = load_model,
) -> Model | None:
    """The newest model that was made at or before ``cutoff`` and is not too old for it.

    One that was made with other ``features`` is passed over; parameters are a model's own.
    ``load``: one that remembers, where many nights ask for the same.
    """
    for folder in sorted((root / target).glob(f"[0-9]*-{fingerprint}"), reverse=True):
        made = datetime.strptime(folder.name.split("-")[0] + "+0000", "%Y%m%dT%H%M%SZ%z")
        # Days of the city's clock: one of the last ones may have had 23 hours.
        if made <= cutoff and (cutoff - made + HOUR).days < max_age_days:
            model = load(folder, features)
            if model is not None:
                return model
    return None


def models_at(
    config: Config,
    root: Path,
    cutoff: datetime,
    features: tuple[str, ...],
    make: Callable[[list[str]], Iterable[Model]],
    load: Load = load_model,
) -> list[Model]:
    """A model of every target made at or before ``cutoff``; those that are too old are made anew.

    ``make``: from names of targets to models of them at the cutoff, which are kept; ``load``: as
    of find_model.
    """
    name = config.model_fingerprint
    found = {
        target: find_model(root, target, name, cutoff, config.model.retrain_days, features, load)
        for target in config.targets
    }
    missing = [target for target, model in found.items() if model is None]
    for model in make(missing) if missing else ():
        save_model(root, model, name)
        found[model.target] = model
    return [model for model in found.values() if model is not None]
