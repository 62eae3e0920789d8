"""Forecasts of many past nights, each as the nightly job would have issued it then.

Silver is read once and the state moves on through all the nights in one pass; a task on the
cluster forecasts, writes and publishes a few nights. Cube and tables stay as they are, so a nightly
run goes on undisturbed beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from threading import get_ident
from time import perf_counter
from typing import Any, Literal

from cluster.forwarding import forwarded
from cluster.lazy import Around, LazyCluster, own_peak_mib
from forecasts.stac import index_runs
from forecasts.store import find_run
from grids.clock import cutoffs_of_days
from grids.cube import CubeInfo
from pipeline.config import Config
from pipeline.districts import read_districts
from pipeline.enough import require_enough
from pipeline.errors import ConfigError, MissingInputError
from pipeline.ingest.recipe import IngestRecord
from pipeline.issuing import make_forecast, publish_forecast
from pipeline.job import manifest_of
from pipeline.known import Known, read_known
from pipeline.learning.features import feature_names
from pipeline.learning.model import Load, Model, load_model, models_at
from pipeline.learning.past import train_at
from pipeline.locks import make_folder, only_one
from pipeline.log import StageLog, placing
from pipeline.mirroring import mirror
from pipeline.neighbourhoods import try_names
from pipeline.night import Night
from pipeline.nightly import check_cutoff, run_night
from pipeline.plainly import plainly
from pipeline.replay import Block, City, blocks_of, nights_of
from pipeline.run import Run

Reprocess = Literal["missing", "all"]
Say = Callable[[str], None]
CHUNK = 7  # nights that one task issues


@dataclass(frozen=True)
class Plan:
    """The runs of all nights asked for, in order, and which of them are to be made.

    ``others``: how many of those that are there were made with another configuration.
    """

    runs: tuple[Run, ...]
    wanted: frozenset[datetime]
    others: int

    @property
    def figures(self) -> dict[str, int]:
        """How many nights there are of each kind."""
        there = len(self.runs) - len(self.wanted)
        return {
            "to make": len(self.wanted),
            "there": there,
            "of another configuration": self.others,
        }

    @property
    def line(self) -> str:
        """The plan in a sentence."""
        first, last = self.runs[0], self.runs[-1]
        count = self.figures
        line = (
            f"{first.reference:%Y-%m-%d %H:%MZ} to {last.reference:%Y-%m-%d %H:%MZ}: "
            f"{count['to make']} nights are to be made, {count['there']} are there"
        )
        if self.others:
            line += f", {self.others} of them of another configuration"
        keep = first.config.output.keep_days
        if len(self.runs) > keep:
            line += f"; the next night keeps the newest {keep} (output.keep_days)"
        return line


def plan_backfill(
    config: Config, first: date, last: date, now: datetime, reprocess: Reprocess = "missing"
) -> Plan:
    """The nights whose cutoffs are on the local dates ``first`` to ``last``, both included.

    Raises HexcastError for dates that are not in order, or of which nothing can be known.
    """
    if last < first:
        raise ConfigError(f"--from {first} lies after --to {last}: swap them")
    cutoffs = cutoffs_of_days(first, last, config.cutoff, config.zone)
    check_cutoff(config, cutoffs[0], now, "--from")
    check_cutoff(config, cutoffs[-1], now, "--to")
    runs = tuple(Run(config, cutoff, now) for cutoff in cutoffs)
    if reprocess == "all":
        return Plan(runs, frozenset(cutoffs), others=0)
    there = [run for run in runs if find_run(run.root, run.reference) is not None]
    wanted = frozenset(cutoffs) - {run.cutoff for run in there}
    return Plan(runs, wanted, others=sum(run.done() is None for run in there))


def run_backfill(
    config: Config,
    first: date,
    last: date,
    now: datetime,
    reprocess: Reprocess,
    say: Say,
    around: Sequence[Around] = (),
) -> dict[str, Any]:
    """Make what the plan says, after what is newly delivered was ingested; returns figures.

    ``say`` is told of the progress. ``around``: as of LazyCluster. Raises HexcastError:
    MissingInputError, after all others were made, where too little was known for a night. What is
    published stays, and a later backfill goes on after it.
    """
    plan = plan_backfill(config, first, last, now, reprocess)
    say(plan.line)
    began, left_out = perf_counter(), dict[datetime, str]()
    if plan.wanted:
        with plainly(config.output.path):
            run_night(config, now, until="ingest")
            root = make_folder(Path(config.output.path), "output.path")
            hooks = (forwarded, *around)
            with only_one(root / ".backfill.lock", f"another backfill writes {root}"):
                try:
                    left_out = _make(plan, say, LazyCluster(config.cluster, root, hooks))
                finally:
                    index_runs(root)
                for run in plan.runs:
                    if run.cutoff in plan.wanted and run.cutoff not in left_out:
                        mirror(run)
    if left_out:
        night, reason = min(left_out.items())
        raise MissingInputError(
            f"{len(left_out)} of {len(plan.wanted)} nights could not be made, the first that of "
            f"{night:%Y-%m-%d %H:%MZ}: {reason}"
        )
    return {**plan.figures, "seconds": round(perf_counter() - began, 1)}


def _make(plan: Plan, say: Say, lazy: LazyCluster) -> dict[datetime, str]:
    """Publish the wanted runs; the cutoffs of those that could not be made, and why."""
    config = plan.runs[0].config
    known = read_known(config).at(plan.runs[-1].cutoff)
    done, left_out = 0, dict[datetime, str]()
    with lazy as cluster:
        made = dict[datetime, list[Model]]()
        load = lru_cache(maxsize=2 * len(config.targets))(load_model)
        for run in plan.runs:
            if run.cutoff in plan.wanted:
                try:
                    made[run.cutoff] = _models(known, run, cluster, load, say)
                except MissingInputError as fault:
                    left_out[run.cutoff] = str(fault)
        for block, faults in _issued(known, plan, made, cluster):
            left_out |= faults
            done += sum(night in made for night in block.nights)
            say(f"{done} of {len(made)} nights, the last chunk to {block.nights[-1]:%Y-%m-%d}")
    return left_out


def _models(known: Known, run: Run, cluster: LazyCluster, load: Load, say: Say) -> list[Model]:
    """Those that serve the run's night; what is too old for it is made anew, as a night would."""

    def make(missing: list[str]) -> list[Model]:
        say(f"models of {', '.join(missing)} from what was known at {run.cutoff:%Y-%m-%d %H:%MZ}")
        districts = read_districts(run.store.silver, known.info.grid, run.cutoff).of_cell
        return train_at(known, run.cutoff, missing, districts, cluster, require_enough)

    features = feature_names(known.city.context)
    return models_at(run.config, run.store.models, run.cutoff, features, make, load)


def _issued(
    known: Known, plan: Plan, made: Mapping[datetime, list[Model]], cluster: LazyCluster
) -> Iterator[tuple[Block, dict[datetime, str]]]:
    """Every block with nights to be made, once they are published; why some could not be."""
    from cluster.few import few_at_once  # Dask takes seconds to load

    if not made:
        return
    client = cluster.beside
    # All nights, those that are there included: a state that went another way differs in its last
    # digits, and what is resumed must be what was never stopped.
    nights = [run.cutoff for run in plan.runs]
    chunks = (tuple(nights[at : at + CHUNK]) for at in range(0, len(nights), CHUNK))
    blocks = blocks_of(known.city, known.arrivals, chunks)
    names = try_names(plan.runs[0].config.grid, known.info.grid)

    def submit(block: Block, *shared: Any) -> Any:
        serving = [made.get(night) for night in block.nights]
        sent = client.scatter((block, serving), hash=False)
        return client.submit(issue_block, *shared, sent, plan.runs[0], pure=False)

    wanted = (block for block in blocks if any(night in made for night in block.nights))
    yield from few_at_once(client, wanted, submit, (known.city, known.info, names))


def issue_block(
    city: City,
    info: CubeInfo,
    neighbourhoods: tuple[str, ...],
    sent: tuple[Block, list[list[Model] | None]],
    like: Run,
) -> dict[datetime, str]:
    """Forecast, write and publish nights of a block; why that could not be, by cutoff.

    ``sent``: the block, and the models that serve each of its nights, None where it is not wanted;
    ``like``: another run of the backfill.
    """
    block, serving = sent
    left_out = {}
    for night, models in zip(nights_of(city, block, ()), serving, strict=True):
        if models is None:
            continue
        try:
            require_enough(night.state, city.spec.started)
        except MissingInputError as fault:
            left_out[night.state.as_of] = str(fault)
            continue
        _issue(replace(like, cutoff=night.state.as_of), info, night, models, neighbourhoods)
    return left_out


def _issue(
    run: Run, info: CubeInfo, night: Night, models: list[Model], neighbourhoods: tuple[str, ...]
) -> None:
    log = StageLog(run.id, measured=False)  # nights share the worker, and its peak
    with placing(log, get_ident()):
        with log.stage("forecast"):
            forecast = make_forecast(run, info, night, models, neighbourhoods)
        manifest = manifest_of(run, info, IngestRecord(), night.state, models)
        publish_forecast(run, forecast, log, manifest, lambda: {"worker": own_peak_mib()})
