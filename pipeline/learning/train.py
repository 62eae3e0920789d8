"""Making a night's models from what was known at its cutoff, and issuing one only where it wins.

A candidate is fitted without the newest mature nights and held to every baseline on them. Where the
interval of its gain over the best one lies above 0, it is fitted again on all nights and issued;
else that baseline is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import xgboost
from distributed import Client, Future
from numpy.typing import NDArray

from cluster.errors import WorkerLostError
from cluster.gpu import device_of
from grids.clock import EPOCH, HOUR
from pipeline.baselines.recipe import (
    BASELINES,
    REFERENCE,
    Parameters,
    fit_baselines,
    forecaster,
)
from pipeline.config import Config
from pipeline.learning.boosting import Boosting, boosting_at
from pipeline.learning.features import Edges, feature_names
from pipeline.learning.fit import fit_booster
from pipeline.learning.judging import Judged, play, together
from pipeline.learning.model import Model, predict
from pipeline.learning.placing import Placing, place, stay
from pipeline.learning.plan import Plan, plan_nights
from pipeline.learning.rows import Rows, empty_per_incident, training_rows
from pipeline.replay import Block, City, cut_blocks
from pipeline.silver import Arrivals
from pipeline.state import State

MIN_FIT_NIGHTS = 56
MIN_FIT_INCIDENTS = 500
MODEL = "model"
BASELINE_BLOCKS = 4  # of the newest nights that baselines choose on: more than they look at


@dataclass(frozen=True)
class Sample:
    """Which rows a target is learned from, and where they lie.

    ``members``: the target's places on the category axis.
    """

    members: tuple[int, ...]
    empty_per_incident: float
    placing: Placing


@dataclass(frozen=True)
class Past:
    """The past on a cluster: ``fit`` and ``rest`` are blocks of the plan's nights.

    ``device``: that boosters are grown on; ``boosting``: how, as could be known then. ``edges``: of
    the codes of the city's tables, from what is known when the model is made.
    """

    client: Client
    city: Future[City]
    districts: NDArray[np.int64]
    fit: tuple[Future[Block], ...]
    rest: tuple[Future[Block], ...]
    plan: Plan
    device: str
    boosting: Boosting
    features: tuple[str, ...]
    edges: Edges


def train(
    config: Config,
    city: City,
    categories: tuple[str, ...],
    targets: Sequence[str],
    arrivals: Arrivals,
    state: State,
    districts: NDArray[np.int64],
    client: Client,
) -> list[Model]:
    """A model of every target from ``arrivals``, which are all that is known at the state's cutoff.

    ``districts``: (cell,) index of each cell's district. Raises ClusterUnavailableError where a GPU
    is asked for and a worker has none.
    """
    plan, device = plan_nights(config, city, state), device_of(client, config.model.device)
    past = Past(
        client,
        client.scatter(city, hash=False),
        districts,
        spread(client, cut_blocks(city, arrivals, plan.fit)),
        spread(client, cut_blocks(city, arrivals, plan.rest)),
        plan,
        device,
        boosting_at(config, state.as_of),
        feature_names(city.context),
        city.context.edges(state.as_of),
    )
    found = []
    for target in targets:
        members = tuple(categories.index(group) for group in config.targets[target])
        incidents = count_incidents(arrivals, members, plan.fit[0] if plan.fit else state.as_of)
        sample = _sample(config, members, incidents, past)
        found.append(_train_one(target, state.as_of, sample, past))
    return found


def _sample(config: Config, members: tuple[int, ...], incidents: int, past: Past) -> Sample:
    empties = empty_per_incident(incidents, config.model.empty_rows)
    rows = incidents * (1 + empties)
    placing = place(past.client, rows, len(past.features), past.device)
    return Sample(members, empties, placing)


def spread(client: Client, blocks: Sequence[Block]) -> tuple[Future[Block], ...]:
    """Evenly over the workers: boosting waits for the one that holds the most rows.

    Raises WorkerLostError where one of them leaves meanwhile.
    """
    workers = sorted(client.nthreads())
    try:
        return tuple(
            client.scatter(block, workers=[workers[place % len(workers)]], hash=False)
            for place, block in enumerate(blocks)
        )
    except (KeyError, TimeoutError) as fault:  # so Dask tells of it
        raise WorkerLostError(f"a worker has left while it was sent its share ({fault})") from fault


def count_incidents(arrivals: Arrivals, members: tuple[int, ...], since: datetime) -> int:
    """How many incidents of a target, as known, occurred since an instant."""
    events = arrivals.events
    chosen = np.isin(events.category, members) & (events.hour >= (since - EPOCH) / HOUR)
    return int(events.sign[chosen].sum())


def _train_one(target: str, cutoff: datetime, sample: Sample, past: Past) -> Model:
    began = perf_counter()
    fit_rows = _rows(past.fit, sample, past)
    size = _size(past.client, fit_rows)
    fitting = _fit_baselines(sample, past)  # beside the boosting, once its rows are made
    grow = partial(_grow, target, past, sample.placing.threads)
    candidate = grow(fit_rows) if _is_enough(size) else None
    fitted = fitting.result()
    held = _held(sample.members, fitted, candidate, past) if past.plan.holdout else None
    model = decide(target, cutoff, fitted, candidate, held)
    if model.wins:
        rows = [*fit_rows, *_rows(past.rest, sample, past)]
        size = _size(past.client, rows)
        model = model.refitted(grow(rows))
    model.record["boosting"] = past.boosting.describe(target)
    model.record.update(describe(past.plan, size, perf_counter() - began))
    return replace(model, tuning=past.boosting.tuning)


def _fit_baselines(sample: Sample, past: Past) -> Future[dict[str, Parameters]]:
    """On the newest nights, those judged included: they choose a few numbers each, and what that
    gains is in their favour. So neither they nor an issued model is older than the other.
    """
    newest = (*past.fit, *past.rest)[-BASELINE_BLOCKS:]
    others = sample.placing.others(past.client)  # where boosting is not at work
    where = {"workers": others, "allow_other_workers": True} if others else {}
    return past.client.submit(fit_baselines, past.city, newest, sample.members, **where)


def _rows(blocks: Sequence[Future[Block]], sample: Sample, past: Past) -> list[Future[Rows]]:
    submit, how = past.client.submit, (sample.members, sample.empty_per_incident, past.edges)
    made = [submit(training_rows, past.city, block, *how) for block in blocks]
    return sample.placing.bring(past.client, made)


def _size(client: Client, rows: Sequence[Future[Rows]]) -> dict[str, int]:
    sizes = client.gather([stay(client, _size_of, part) for part in rows])
    return {name: sum(part[name] for part in sizes) for name in ("rows", "incidents", "nights")}


def _size_of(rows: Rows) -> dict[str, int]:
    return {"rows": len(rows.counts), "incidents": int(rows.counts.sum()), "nights": rows.nights}


def _is_enough(size: Mapping[str, int]) -> bool:
    """To learn from."""
    return size["nights"] >= MIN_FIT_NIGHTS and size["incidents"] >= MIN_FIT_INCIDENTS


def _grow(
    target: str, past: Past, threads: int | None, rows: Sequence[Future[Rows]]
) -> xgboost.Booster:
    found = past.boosting
    how = found.rounds[target], past.device, found.parameters, past.features, past.edges
    return fit_booster(past.client, rows, *how, threads)


def _held(
    members: tuple[int, ...],
    fitted: Mapping[str, Parameters],
    candidate: xgboost.Booster | None,
    past: Past,
) -> Judged:
    """On all workers: each plays some of the rivals, on all nights."""
    rivals = {name: forecaster(name, fitted[name]) for name in BASELINES}
    if candidate is not None:
        rivals[MODEL] = partial(predict, candidate)
    names, workers = list(rivals), sorted(past.client.nthreads())[: len(rivals)]
    parts = [
        past.client.submit(
            play, past.city, past.rest, past.plan.holdout, members,
            {name: rivals[name] for name in names[at :: len(workers)]}, past.districts,
            workers=[worker], allow_other_workers=True, pure=False,
        )
        for at, worker in enumerate(workers)
    ]  # fmt: skip
    return together(past.client.gather(parts), names)


def decide(
    target: str,
    cutoff: datetime,
    fitted: Mapping[str, Parameters],
    candidate: xgboost.Booster | None,
    held: Judged | None,
) -> Model:
    """The candidate where its gain over the best baseline is above 0, the interval and all."""
    if held is None or not held.incidents.sum():
        return Model(target, cutoff, REFERENCE, fitted, candidate)
    totals = {name: held.log_score[name].sum() for name in BASELINES}
    best = max(totals, key=lambda name: totals[name])
    gain = held.paired_gain(MODEL, best) if candidate is not None else None
    wins = gain is not None and gain["low"] > 0
    laws = held.laws(MODEL if wins else best)
    record = {"holdout": held.scores, "gain_over_best": gain}
    return Model(target, cutoff, best, fitted, candidate, wins, laws, record)


def describe(plan: Plan, size: Mapping[str, int], seconds: float) -> dict[str, Any]:
    """How a model was made, for its record."""
    return {
        "fit": {**size, "first": str(plan.fit[0]) if plan.fit else None},
        "holdout_nights": [night.isoformat() for night in plan.holdout],
        "label_wait_hours": plan.wait / HOUR,
        "seconds": round(seconds, 1),
    }
