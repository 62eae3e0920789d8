"""The search itself: Optuna asks, the cluster answers, the record remembers.

What is asked next follows from the trials of the record alone, so a search that was killed goes on
as if it had not been.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna

from pipeline.tuning.folds import Fold
from pipeline.tuning.growing import Grown
from pipeline.tuning.trial import (
    COMPLETE,
    CUT,
    PRUNED,
    SPACE,
    Trial,
    by_night,
    chosen_rounds,
    default_point,
    frozen,
    gain,
    incidents,
    score,
)

SEED = 20240901
STARTUP_TRIALS = 8  # drawn at random before what is known of others guides the draw
PRUNED_FROM = 4  # complete trials, whose median a trial has to reach on the newest nights
# Grows the boosters of every trial on a fold: of each trial, by target.
Run = Callable[[Fold, Sequence[Trial]], list[Mapping[str, Grown]]]


def search(
    record: dict[str, Any],
    folds: Sequence[Fold],
    run: Run,
    at_once: int,
    until: float,
    most_trials: int,
    keep: Callable[[], None],
) -> None:
    """Try parameters until the time (seconds of the epoch) is over, or ``most_trials`` are made.

    ``record``: its trials are gone on with, and new ones added, ``at_once`` at a time, the defaults
    first; ``keep`` is called after each time. The last may be left unfinished, for want of time.
    """
    trials = record["trials"]
    study = _study(trials)
    longest = 0.0
    while len(trials) < most_trials and time.time() + longest < until:
        began = time.time()
        asked = _ask(study, min(at_once, most_trials - len(trials)))
        made = _try(study, asked, folds, run)
        if not trials and made[0][0]["state"] == CUT:
            return  # nothing to hold the others to
        for trial, grown in made:
            trials.append(_judged(record, trial, grown))
        keep()
        longest = max(longest, time.time() - began)
        if any(trial["state"] == CUT for trial in trials):
            return


def choose(trials: Sequence[Trial]) -> Trial | None:
    """The best trial where it is surely better than the defaults, else None."""
    complete = [trial for trial in trials if trial["state"] == COMPLETE]
    best = max(complete, key=lambda trial: float(trial["score"]))
    return best if best["gain"]["low"] > 0 else None


def _study(trials: Sequence[Trial]) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=PRUNED_FROM)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    if not trials:
        study.enqueue_trial(default_point())
    for trial in trials:
        study.add_trial(frozen(trial))
    return study


def _ask(study: optuna.Study, count: int) -> list[optuna.Trial]:
    asked = []
    for _ in range(count):
        # A sampler of its own for each, so that no state is lost with the process.
        seed = SEED + len(study.trials)
        study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS)
        asked.append(study.ask(SPACE))
    return asked


def _try(
    study: optuna.Study, asked: Sequence[optuna.Trial], folds: Sequence[Fold], run: Run
) -> list[tuple[Trial, list[Mapping[str, Grown]]]]:
    """Every trial with what it grew, fold by fold as long as there is hope."""
    made: list[tuple[Trial, list[Mapping[str, Grown]]]] = [(_begun(trial), []) for trial in asked]
    for at, fold in enumerate(folds):
        alive = [index for index, (trial, _) in enumerate(made) if trial["state"] == COMPLETE]
        for index, grown in zip(alive, run(fold, [made[i][0] for i in alive]), strict=True):
            trial, so_far = made[index]
            so_far.append(grown)
            trial["reported"].append(score(so_far))
            asked[index].report(trial["reported"][-1], at)
            if any(each.is_cut for each in grown.values()):
                trial["state"] = CUT
            elif at + 1 < len(folds) and trial["number"] and asked[index].should_prune():
                trial["state"] = PRUNED
    for ask, (trial, _) in zip(asked, made, strict=True):
        _tell(study, ask, trial)
    return made


def _begun(trial: optuna.Trial) -> Trial:
    return {
        "number": trial.number,
        "parameters": trial.params,
        "state": COMPLETE,
        "reported": [],
    }


def _tell(study: optuna.Study, asked: optuna.Trial, trial: Trial) -> None:
    if trial["state"] == COMPLETE:
        study.tell(asked, trial["reported"][-1])
    else:
        states = optuna.trial.TrialState
        study.tell(asked, state=states.PRUNED if trial["state"] == PRUNED else states.FAIL)


def _judged(record: dict[str, Any], trial: Trial, grown: Sequence[Mapping[str, Grown]]) -> Trial:
    """The trial with its scores, held to the defaults where it is complete."""
    each = [one for fold in grown for one in fold.values()]
    found = {**trial, "seconds": round(sum(one.seconds for one in each), 1)}
    if trial["state"] != COMPLETE:
        return found
    rounds = chosen_rounds(grown)
    if not trial["number"]:
        as_is = by_night(grown, record["defaults"]["rounds"])
        record["defaults"] |= {
            "score": float(as_is.sum()),
            "by_night": as_is.tolist(),
            "incidents": incidents(grown).tolist(),
        }
    nights = by_night(grown, rounds)
    default = record["defaults"]
    others, counts = np.array(default["by_night"]), np.array(default["incidents"])
    return {
        **found,
        "score": trial["reported"][-1],
        "folds": [float(by_night([fold], rounds).sum()) for fold in grown],
        "rounds": rounds,
        "gain": gain(nights, others, counts),
    }
