"""A search for boosting parameters from what was known at a cutoff, kept in the store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cluster.forwarding import forwarded
from cluster.lazy import LazyCluster
from grids.clock import latest_cutoff
from pipeline.backtest.folder import digest, write_whole
from pipeline.config import Config
from pipeline.enough import require_enough
from pipeline.errors import ConfigError, MissingInputError
from pipeline.known import Known, read_known
from pipeline.learning.boosting import default_boosting, is_current, tuning_path
from pipeline.learning.features import FEATURE_NAMES
from pipeline.learning.model import FORM
from pipeline.learning.plan import plan_nights
from pipeline.learning.train import MIN_FIT_INCIDENTS, count_incidents
from pipeline.locks import make_folder, only_one
from pipeline.nightly import check_cutoff, run_night
from pipeline.plainly import plainly
from pipeline.state import advance, empty_state
from pipeline.store import Store
from pipeline.tuning.folds import Fold, plan_folds
from pipeline.tuning.table import outcome_line, trial_line

MOST_TRIALS = 60  # a small city has had enough before the time is over
Say = Callable[[str], None]


@dataclass(frozen=True)
class Task:
    """What is searched: ``known`` at ``cutoff``, on ``nights`` in ``folds``, for ``minutes``.

    ``members``: of every target that is not too rare for a model, places on the category axis.
    """

    known: Known
    members: Mapping[str, tuple[int, ...]]
    cutoff: datetime
    nights: tuple[datetime, ...]
    folds: tuple[Fold, ...]
    minutes: float


def run_tuning(
    config: Config,
    now: datetime,
    as_of: datetime | None,
    minutes: float,
    say: Say,
    most_trials: int = MOST_TRIALS,
) -> dict[str, Any]:
    """Search, or go on searching, until ``minutes`` are spent in all; returns the record.

    ``as_of``: aware; by default the latest cutoff before ``now``. Silver is read as it is. ``say``
    is told of the progress. Raises HexcastError.
    """
    cutoff = as_of or latest_cutoff(now, config.cutoff, config.zone)
    check_cutoff(config, cutoff, now)
    path = tuning_path(config, cutoff)
    with plainly(str(path.parent)):
        if not Store(config.output.path).has_silver:
            say("nothing is ingested yet: silver is made first")
            run_night(config, now, until="ingest")
        make_folder(path.parent, "output.path")
        with only_one(path.parent / ".lock", f"another search writes {path.parent}"):
            task = _plan(config, cutoff.astimezone(UTC), minutes)
            record = _begin(task, path, say)
            if not _is_done(record, minutes, most_trials):
                _search(task, record, path, most_trials, say)
    say(outcome_line(record))
    return record


def _plan(config: Config, cutoff: datetime, minutes: float) -> Task:
    """On the nights that candidates are fitted on: the gate's own stay unseen."""
    known = read_known(config).at(cutoff)
    spec = known.city.spec
    state = advance(empty_state(spec), known.arrivals, cutoff, spec)
    require_enough(state, spec.started)
    nights = plan_nights(config, known.city, state).fit
    folds = plan_folds(nights, config.horizon_days)
    members = {
        target: of
        for target, of in known.members.items()
        if count_incidents(known.arrivals, of, nights[0]) >= MIN_FIT_INCIDENTS
    }
    if not members:
        raise MissingInputError(
            f"no target has {MIN_FIT_INCIDENTS} incidents since {nights[0]:%Y-%m-%d}: too few to "
            "tune, the defaults serve"
        )
    return Task(known, members, cutoff, nights, folds, minutes)


def _begin(task: Task, path: Path, say: Say) -> dict[str, Any]:
    """The record as it was left, or a new one where it was made from something else."""
    from pipeline.tuning.trial import SPACE

    config, known = task.known.config, task.known
    default = default_boosting(config)
    key = {
        "incidents": digest(known.city.cell_keys, known.arrivals),
        "folds": [fold.describe(task.nights) for fold in task.folds],
        "tables": known.city.context.digest(task.cutoff),
        "space": {name: repr(distribution) for name, distribution in SPACE.items()},
    }
    if path.exists():
        record: dict[str, Any] = json.loads(path.read_text())
        if is_current(record) and record["made_from"] == key:
            # What the time was too short for is tried again.
            kept = [trial for trial in record["trials"] if trial["state"] != "out of time"]
            record["trials"] = [{**trial, "number": at} for at, trial in enumerate(kept)]
            say(f"goes on after {len(record['trials'])} trials, {record['seconds']:.0f} s")
            return record
        say(f"{path} was made from other data or by another version: it starts anew")
    return {
        "form": FORM,
        "features": list(FEATURE_NAMES),
        "cutoff": task.cutoff.isoformat(),
        "finished": False,
        "minutes": task.minutes,
        "seconds": 0.0,
        "chosen": None,
        "defaults": {"parameters": dict(default.parameters), "rounds": dict(default.rounds)},
        "trials": [],
        "made_from": key,
        "versions": {name: version(name) for name in ("hexcast", "optuna", "xgboost", "dask")},
    }


def _is_done(record: Mapping[str, Any], minutes: float, most_trials: int) -> bool:
    enough = minutes <= record["minutes"] or len(record["trials"]) >= most_trials
    return bool(record["finished"] and enough)


def _search(task: Task, record: dict[str, Any], path: Path, most_trials: int, say: Say) -> None:
    from pipeline.tuning.on_cluster import Grower
    from pipeline.tuning.search import choose, search

    began, before = time.time(), record["seconds"]
    until = began + 60 * task.minutes - before
    said = len(record["trials"])

    def keep() -> None:
        nonlocal said
        record["seconds"] = round(before + time.time() - began, 1)
        write_whole(path, json.dumps(record, indent=1).encode())
        for trial in record["trials"][said:]:
            say(trial_line(trial))
        said = len(record["trials"])

    with LazyCluster(task.known.config.cluster, path.parent, (forwarded,)) as cluster:
        grower = Grower(cluster.client, task.known, task.members, task.nights, task.folds, until)
        say(f"rows of {len(task.nights)} nights, {grower.at_once} trials at a time")
        search(record, task.folds, grower, grower.at_once, until, most_trials, keep)
    if "by_night" not in record["defaults"]:
        raise ConfigError(
            f"--minutes {task.minutes:g}: the time was over before the defaults were tried, give "
            "more"
        )
    chosen = choose(record["trials"])
    named = ("number", "parameters", "rounds", "gain")
    record["chosen"] = {name: chosen[name] for name in named} if chosen else None
    record |= {"finished": True, "minutes": task.minutes}
    keep()
