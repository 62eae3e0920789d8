"""How boosters are grown: XGBoost's parameters, by default or as a search found them.

A search (`pipeline.tuning`) leaves a file in the store, named by its cutoff. A training takes the
newest one whose cutoff is not after its own, so that a night of the past is played again with what
could have been found by then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from grids.snapshots import tag_of
from pipeline.config import Config
from pipeline.learning.features import FEATURE_NAMES
from pipeline.learning.model import FORM
from pipeline.store import Store

# Few of the features at a time: they say nearly the same, and the labels' noise is Poisson's own.
PARAMETERS: dict[str, Any] = {
    "objective": "count:poisson",
    "tree_method": "hist",
    "max_bin": 256,
    "eta": 0.1,
    "max_depth": 6,
    "min_child_weight": 30.0,
    "lambda": 10.0,
    "colsample_bytree": 0.3,
    "subsample": 1.0,
    "seed": 20240901,
}


@dataclass(frozen=True)
class Boosting:
    """``parameters`` of XGBoost, the same for all targets; ``rounds``: trees, by target.

    ``tuning``: the record of the search that found them; None for the defaults.
    """

    parameters: Mapping[str, Any]
    rounds: Mapping[str, int]
    tuning: Mapping[str, Any] | None = field(default=None, repr=False)

    def describe(self, target: str) -> dict[str, Any]:
        """What a target's boosters are grown with, for a record, JSON."""
        return {
            "parameters": dict(self.parameters),
            "rounds": self.rounds[target],
            "tuned_as_of": self.tuning["cutoff"] if self.tuning else None,
        }


def default_boosting(config: Config) -> Boosting:
    """The parameters of no search, with ``model.rounds``."""
    return Boosting(PARAMETERS, dict.fromkeys(config.targets, config.model.rounds))


def boosting_at(config: Config, cutoff: datetime) -> Boosting:
    """What the newest search that knew no more than ``cutoff`` found; without one, the defaults.

    Searches that are not done, or made with other features or another configuration, do not count.
    """
    folder = Store(config.output.path).tuning
    for path in sorted(folder.glob(f"[0-9]*-{config.model_fingerprint}.json"), reverse=True):
        if path.name.split("-")[0] <= tag_of(cutoff):
            tuning = json.loads(path.read_text())
            if tuning["finished"] and is_current(tuning):
                return _chosen(config, tuning)
    return default_boosting(config)


def tuning_path(config: Config, cutoff: datetime) -> Path:
    """Where a search from what was known at ``cutoff`` is kept."""
    return Store(config.output.path).tuning / f"{tag_of(cutoff)}-{config.model_fingerprint}.json"


def is_current(tuning: Mapping[str, Any]) -> bool:
    """Whether a search was made with this version's features and default parameters."""
    made_with = tuning["form"], tuple(tuning["features"]), tuning["defaults"]["parameters"]
    return bool(made_with == (FORM, FEATURE_NAMES, PARAMETERS))


def _chosen(config: Config, tuning: Mapping[str, Any]) -> Boosting:
    chosen = tuning["chosen"] or {"parameters": {}, "rounds": {}}  # nothing was surely better
    rounds = {
        **default_boosting(config).rounds,
        **chosen["rounds"],
    }  # of rare targets, none is found
    return Boosting(PARAMETERS | chosen["parameters"], rounds, tuning)
