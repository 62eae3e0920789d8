"""What a trial says: scores of its boosters put together, and held to those of the defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from forecasts import estimates
from pipeline.learning.boosting import PARAMETERS
from pipeline.state import Floats
from pipeline.tuning.growing import Grown

SPACE: dict[str, BaseDistribution] = {
    "max_depth": IntDistribution(4, 10),
    "eta": FloatDistribution(0.02, 0.15, log=True),
    "min_child_weight": FloatDistribution(5.0, 200.0, log=True),
    "lambda": FloatDistribution(1.0, 100.0, log=True),
    "colsample_bytree": FloatDistribution(0.15, 1.0),
    "subsample": FloatDistribution(0.5, 1.0),
}
COMPLETE, PRUNED, CUT = "complete", "pruned", "out of time"
Trial = dict[str, Any]  # as it stands in the record
Folds = Sequence[Mapping[str, Grown]]  # the boosters of every fold, by target


def default_point() -> dict[str, float]:
    """Where the defaults lie in SPACE."""
    return {name: PARAMETERS[name] for name in SPACE}


def chosen_rounds(folds: Folds) -> dict[str, int]:
    """Of every target, the number of rounds with the best score, all folds taken together.

    No booster is taken further than each of its folds has grown.
    """
    return {target: int(np.argmax(_curve(folds, target))) + 1 for target in folds[0]}


def score(folds: Folds) -> float:
    """Log score in nats at those rounds, over folds and targets."""
    return float(sum(_curve(folds, target).max() for target in folds[0]))


def by_night(folds: Folds, rounds: Mapping[str, int]) -> Floats:
    """(night,) log score over the targets, fold by fold from the oldest night on.

    A booster that grew no further counts as it was last.
    """
    nights = []
    for fold in reversed(folds):
        last = {target: min(rounds[target], len(grown.scores)) for target, grown in fold.items()}
        nights.append(sum(grown.scores[last[target] - 1] for target, grown in fold.items()))
    return np.concatenate(nights)


def incidents(folds: Folds) -> Floats:
    """(night,) incidents over the targets, in the same order."""
    return np.concatenate([sum(g.incidents for g in fold.values()) for fold in reversed(folds)])


def gain(scores: Floats, others: Floats, incidents: Floats) -> dict[str, float]:
    """Of one forecast over another, nats per incident, with a 95 % interval of night blocks.

    What nothing can be said about is 0, and so not above 0.
    """
    found = estimates.gain(scores, others, incidents)
    ends = {"gain": found.value, "low": found.low, "high": found.high}
    return {name: float(np.nan_to_num(end, posinf=0.0, neginf=0.0)) for name, end in ends.items()}


def frozen(trial: Trial) -> FrozenTrial:
    """A trial of a record, as Optuna knows it."""
    is_complete = trial["state"] == COMPLETE
    return create_trial(
        state=TrialState.COMPLETE if is_complete else TrialState.PRUNED,
        value=trial["score"] if is_complete else None,
        params=trial["parameters"],
        distributions=SPACE,
        intermediate_values=dict(enumerate(trial["reported"])),
    )


def _curve(folds: Folds, target: str) -> Floats:
    curves = [fold[target].scores.sum(axis=1) for fold in folds]
    shortest = min(len(curve) for curve in curves)
    return np.asarray(sum(curve[:shortest] for curve in curves))
