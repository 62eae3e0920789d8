"""Forecasts of many past nights, each as the nightly job would have issued it then.

Silver is read once and the state moves on through all the nights in one pass; a task on the
cluster forecasts, writes and publishes a few nights. Cube and tables stay as they are, so a nightly
run goes on undisturbed beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

from cluster.lazy import LazyCluster, own_peak_mib
from grids.cube import CubeInfo
from grids.hours import cutoffs_of_days
from pipeline.config import Config
from pipeline.districts import read_districts
from pipeline.enough import require_enough
from pipeline.errors import ConfigError
from pipeline.ingest.recipe import IngestRecord
from pipeline.issuing import make_forecast, publish_forecast
from pipeline.job import Run, manifest_of
from pipeline.known import Known, read_known
from pipeline.learning.features import feature_names
from pipeline.learning.model import Model, models_at
from pipeline.locks import make_folder, only_one
from pipeline.log import StageLog
from pipeline.nightly import check_cutoff, run_night
from pipeline.plainly import plainly
from pipeline.replay import Block, City, blocks_of, nights_of
from pipeline.state import advance, empty_state

Reprocess = Literal["missing", "all"]
Say = Callable[[str], None]
CHUNK_NIGHTS = 7  # that one task issues


@dataclass(frozen=True)
class Plan:
    """The runs that are to be made, in order, and how many of the nights are there already."""

    runs: tuple[Run, ...]
    there: int

    @property
    def line(self) -> str:
        """The plan in a sentence."""
        if not self.runs:
            return f"nothing to do: all {self.there} nights are there"
        first, last = self.runs[0].reference, self.runs[-1].reference
        return (
            f"{len(self.runs)} nights from {first:%Y-%m-%d %H:%MZ} to {last:%Y-%m-%d %H:%MZ} are "
            f"to be made, {self.there} are there"
        )


def plan_backfill(
    config: Config, first: date, last: date, now: datetime, reprocess: Reprocess = "missing"
) -> Plan:
    """The nights whose cutoffs are on the local dates ``first`` to ``last``, both included.

    Raises HexcastError for dates that are not in order, or of which nothing can be known.
    """
    if last < first:
        raise ConfigError(f"--from {first} lies after --to {last}: swap them")
    cutoffs = cutoffs_of_days(first, last, config.cutoff, config.zone)
    for cutoff in (cutoffs[0], cutoffs[-1]):
        check_cutoff(config, cutoff, now)
    runs = [Run(config, cutoff, now) for cutoff in cutoffs]
    wanted = tuple(run for run in runs if reprocess == "all" or run.done() is None)
    return Plan(wanted, len(runs) - len(wanted))


def run_backfill(
    config: Config,
    first: date,
    last: date,
    now: datetime,
    reprocess: Reprocess,
    say: Say,
) -> dict[str, Any]:
    """Make what the plan says, after what is newly delivered was ingested; returns figures.

    ``say`` is told of the progress. Raises HexcastError; the nights that were published stay, and
    the next backfill goes on after them.
    """
    plan = plan_backfill(config, first, last, now, reprocess)
    say(plan.line)
    began = perf_counter()
    if plan.runs:
        with plainly(config.output.path):
            run_night(config, now, until="ingest")
            root = make_folder(Path(config.output.path), "output.path")
            with only_one(root / ".backfill.lock", f"another backfill writes {root}"):
                _make(config, plan, say)
    seconds = perf_counter() - began
    return {"made": len(plan.runs), "there": plan.there, "seconds": round(seconds, 1)}


def _make(config: Config, plan: Plan, say: Say) -> None:
    known = read_known(config).at(plan.runs[-1].cutoff)
    with LazyCluster(config.cluster, Path(config.output.path)) as cluster:
        made = {run.cutoff: _models(known, run, cluster, say) for run in plan.runs}
        done = 0
        for nights in _issued(known, plan.runs, made, cluster):
            done += len(nights)
            say(f"{done} of {len(plan.runs)} nights, {nights[-1]:%Y-%m-%d %H:%MZ} among them")


def _models(known: Known, run: Run, cluster: LazyCluster, say: Say) -> list[Model]:
    """Those that serve the run's night; what is too old for it is made anew, as a night would."""

    def make(missing: list[str]) -> list[Model]:
        from pipeline.learning.train import train  # Dask takes seconds to load

        say(f"models of {', '.join(missing)} from what was known at {run.cutoff:%Y-%m-%d %H:%MZ}")
        then, (spec, grid) = known.at(run.cutoff).arrivals, (known.city.spec, known.info.grid)
        state = advance(empty_state(spec), then, run.cutoff, spec)
        require_enough(state, spec.started)
        districts = read_districts(run.store.silver, grid, run.cutoff).of_cell
        axis, client = known.info.categories, cluster.client
        return train(run.config, known.city, axis, missing, then, state, districts, client)

    return models_at(
        run.config, run.store.models, run.cutoff, feature_names(known.city.context), make
    )


def _issued(
    known: Known,
    runs: Sequence[Run],
    made: dict[datetime, list[Model]],
    cluster: LazyCluster,
) -> Iterator[tuple[datetime, ...]]:
    """The cutoffs of every chunk of runs, once they are published."""
    from cluster.few import few_at_once  # Dask takes seconds to load

    client = cluster.client
    groups = list(_chunks(runs, made))
    blocks = blocks_of(known.city, known.arrivals, [tuple(r.cutoff for r in g) for g in groups])
    city, info = (
        client.scatter(each, broadcast=True, hash=False) for each in (known.city, known.info)
    )

    def submit(block: Block) -> Any:
        sent = client.scatter((block, made[block.nights[0]]), hash=False)
        return client.submit(issue_block, city, info, sent, runs[0], pure=False)

    for block, _ in few_at_once(client, blocks, submit):
        yield block.nights


def _chunks(runs: Sequence[Run], made: dict[datetime, list[Model]]) -> Iterator[list[Run]]:
    """Consecutive runs, CHUNK_NIGHTS at most, that the same models serve."""
    by_models = groupby(runs, lambda run: [(m.target, m.cutoff) for m in made[run.cutoff]])
    for _, served in by_models:
        group = list(served)
        for at in range(0, len(group), CHUNK_NIGHTS):
            yield group[at : at + CHUNK_NIGHTS]


def issue_block(
    city: City, info: CubeInfo, sent: tuple[Block, list[Model]], like: Run
) -> tuple[Path, ...]:
    """Forecast, write and publish every night of a block; where the runs now are.

    ``sent``: the block, and the models that serve it; ``like``: another run of the backfill.
    """
    block, models = sent
    issued = []
    for night in nights_of(city, block, ()):
        require_enough(night.state, city.spec.started)
        run = replace(like, cutoff=night.state.as_of)
        log = StageLog(run.id)
        with log.stage("forecast"):
            forecast = make_forecast(run, info, night, models)
        manifest = manifest_of(run, info, IngestRecord(), log.seconds, night.state, models)
        issued.append(publish_forecast(run, forecast, log, manifest, _peak_mib))
    return tuple(issued)


def _peak_mib() -> dict[str, float]:
    return {"worker": own_peak_mib()}
