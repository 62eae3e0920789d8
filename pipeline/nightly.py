"""A night: what was delivered -> silver -> cube and state -> model -> forecast -> layers.

Every stage is skipped when its output for this night exists, so that a night that was killed goes
on where it stopped, and a finished one does nothing. A stage's output is committed whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from cluster.lazy import LazyCluster
from forecasts.schema import Forecast
from forecasts.store import prune, run_name
from grids.cube import CubeInfo
from grids.hours import latest_cutoff
from grids.snapshots import expire_nights, open_repository
from pipeline.city import make_city
from pipeline.config import Config
from pipeline.cubing import append, latest_state, state_at
from pipeline.deliveries import take_deliveries
from pipeline.districts import read_districts
from pipeline.enough import require_enough
from pipeline.errors import ConfigError, MissingInputError
from pipeline.issuing import make_forecast, publish_forecast
from pipeline.job import Job, Run, manifest_of
from pipeline.learning.features import feature_names
from pipeline.learning.model import Model, models_at
from pipeline.log import StageLog
from pipeline.plainly import plainly
from pipeline.replay import RECENT, City, night_at
from pipeline.silver import read_arrivals
from pipeline.sources.recipe import make_source
from pipeline.sources.source import IncidentSource
from pipeline.state import State, StateSpec

Stage = Literal["ingest", "cube", "train", "forecast"]


@dataclass(frozen=True)
class Outcome:
    """What a night did. ``run``: the folder of its layers; ``manifest``: its record."""

    run: Path | None
    manifest: dict[str, Any] = field(default_factory=dict)
    already_done: bool = False


def run_night(
    config: Config,
    now: datetime,
    as_of: datetime | None = None,
    until: Stage = "forecast",
    fetch: bool = True,
    source: IncidentSource | None = None,
    accept_quality: bool = False,
) -> Outcome:
    """The night of ``as_of`` (aware; by default the latest cutoff before ``now``), up to a stage.

    Without ``fetch`` silver is taken as it is. ``accept_quality``: take a delivery in that is
    beyond a limit of quality. Raises HexcastError; then nothing is published.
    """
    cutoff = as_of or latest_cutoff(now, config.cutoff, config.zone)
    check_cutoff(config, cutoff, now)
    cutoff = cutoff.astimezone(UTC)
    run = Run(config, cutoff, now)
    with (
        plainly(config.output.path),
        run.store.locked(),
        LazyCluster(config.cluster, run.root) as cluster,
    ):
        done = run.done() if until == "forecast" else None
        if done:
            return Outcome(run.root / "runs" / run_name(run.reference), done, already_done=True)
        source, log = source or make_source(config.source), StageLog(run.id)
        job = Job(config, cutoff, now, source, cluster, log)
        return _run(job, until, fetch, accept_quality)


def check_cutoff(config: Config, cutoff: datetime, now: datetime) -> None:
    """Raise HexcastError where nothing is known at ``cutoff``, or it has no offset."""
    if cutoff.tzinfo is None:
        raise ConfigError(f"--as-of {cutoff} has no offset: write it as 2024-09-01T06:00Z")
    if cutoff > now:
        raise ConfigError(f"--as-of {cutoff:%Y-%m-%dT%H:%MZ} lies ahead: nothing is known then yet")
    if cutoff <= config.start:
        raise MissingInputError(
            f"--as-of {cutoff:%Y-%m-%dT%H:%MZ} is not after the data begin "
            f"(source.start {config.source.start}): forecast a later night"
        )


def _run(job: Job, until: Stage, fetch: bool, accept: bool) -> Outcome:
    repository = open_repository(job.store.cube)
    with job.log.stage("ingest"):
        info, taken = take_deliveries(job, repository, fetch, accept)
    if until == "ingest":
        return Outcome(None, manifest_of(job, info, taken, job.log.seconds))
    city = make_city(job.config, info)
    with job.log.stage("cube"):
        state = _bring_up_to(job, info, city.spec, repository)
    if until == "cube":
        return Outcome(None, manifest_of(job, info, taken, job.log.seconds, state))
    with job.log.stage("train"):
        models = _models(job, info, city, state)
    if until == "train":
        return Outcome(None, manifest_of(job, info, taken, job.log.seconds, state, models))
    with job.log.stage("forecast"):
        forecast = _forecast(job, info, city, state, models)
    return _publish(job, forecast, manifest_of(job, info, taken, job.log.seconds, state, models))


def _bring_up_to(job: Job, info: CubeInfo, spec: StateSpec, repository: Any) -> State:
    """The state at the cutoff; cube and state move forward with it, and never back."""
    silver, cutoff = job.store.silver, job.cutoff
    if info.watermark is None:
        from pipeline.building import build  # Dask takes seconds to load; most nights need none

        state = build(repository, silver, spec, cutoff, job.cluster)
    elif info.watermark < cutoff:
        state = append(repository, silver, spec, cutoff)
    elif info.watermark == cutoff:
        state = latest_state(repository)
    else:
        state = state_at(repository, silver, spec, info.grid, cutoff)
    require_enough(state, spec.started)
    return state


def _models(job: Job, info: CubeInfo, city: City, state: State) -> list[Model]:
    def make(missing: list[str]) -> list[Model]:
        from pipeline.learning.train import train  # likewise

        known = read_arrivals(job.store.silver, info.grid, info.categories, job.cutoff)
        districts = read_districts(job.store.silver, info.grid, job.cutoff).of_cell
        client = job.cluster.client
        return train(job.config, city, info.categories, missing, known, state, districts, client)

    return models_at(job.config, job.store.models, job.cutoff, feature_names(city.context), make)


def _forecast(job: Job, info: CubeInfo, city: City, state: State, models: list[Model]) -> Forecast:
    since = job.cutoff - RECENT
    news = read_arrivals(job.store.silver, info.grid, info.categories, job.cutoff, since)
    return make_forecast(job, info, night_at(city, state, news, ()), models)


def _publish(job: Job, forecast: Forecast, manifest: dict[str, Any]) -> Outcome:
    run = publish_forecast(job, forecast, job.log, manifest, job.cluster.peak_mib)
    prune(job.root, job.config.output.keep_days, spare=run.name)
    expire_nights(job.store.cube, job.config.output.keep_days, job.now)
    return Outcome(run, job.done() or manifest)
