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
from forecasts.layers import write_layers
from forecasts.schema import Forecast, TargetForecast, counted_target
from forecasts.store import find_run, prune, publish, run_name, stage
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
from pipeline.job import Job, is_of, manifest_of, run_id
from pipeline.learning.features import feature_names
from pipeline.learning.model import Model, find_model, save_model
from pipeline.log import StageLog
from pipeline.night import Night
from pipeline.plainly import plainly
from pipeline.replay import RECENT, City, night_at
from pipeline.silver import Arrivals, read_arrivals
from pipeline.sources.recipe import make_source
from pipeline.sources.source import IncidentSource
from pipeline.state import State, StateSpec
from pipeline.store import Store

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
    log = StageLog(run_id(config, cutoff))
    root = Path(config.output.path)
    with (
        plainly(str(root)),
        Store(config.output.path).locked(),
        LazyCluster(config.cluster, root) as cluster,
    ):
        job = Job(config, cutoff, now, source or make_source(config.source), cluster, log)
        done = find_run(root, job.reference)
        if until == "forecast" and done and is_of(done, config, cutoff):
            return Outcome(root / "runs" / run_name(job.reference), done, already_done=True)
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
        return Outcome(None, manifest_of(job, info, taken))
    city = make_city(job.config, info)
    with job.log.stage("cube"):
        state = _bring_up_to(job, info, city.spec, repository)
    if until == "cube":
        return Outcome(None, manifest_of(job, info, taken, state))
    with job.log.stage("train"):
        models = _models(job, info, city, state)
    if until == "train":
        return Outcome(None, manifest_of(job, info, taken, state, models))
    with job.log.stage("forecast"):
        forecast = _forecast(job, info, city, state, models)
    return _publish(job, forecast, manifest_of(job, info, taken, state, models))


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
    """A model of every target made at or before the cutoff; new ones where those are too old."""
    config, root = job.config, job.store.models
    age, features = config.model.retrain_days, feature_names(city.context)
    found = {
        target: find_model(root, target, config.fingerprint, job.cutoff, age, features)
        for target in config.targets
    }
    missing = [target for target, model in found.items() if model is None]
    if missing:
        from pipeline.learning.train import train  # likewise

        known = _known(job, info)
        districts = read_districts(job.store.silver, info.grid, job.cutoff).of_cell
        client = job.cluster.client
        for model in train(config, city, info.categories, missing, known, state, districts, client):
            save_model(root, model, config.fingerprint)
            found[model.target] = model
    return [model for model in found.values() if model is not None]


def _known(job: Job, info: CubeInfo, after: datetime | None = None) -> Arrivals:
    return read_arrivals(job.store.silver, info.grid, info.categories, job.cutoff, after)


def _forecast(job: Job, info: CubeInfo, city: City, state: State, models: list[Model]) -> Forecast:
    hours = city.hours_ahead(job.cutoff)
    news = _known(job, info, after=job.cutoff - RECENT)
    targets = []
    for model in models:
        members = tuple(info.categories.index(g) for g in job.config.targets[model.target])
        night = night_at(city, state, news, members)
        targets.append(target_forecast(model, night))
    return Forecast(
        run_id=job.log.run_id,
        as_of=job.cutoff,
        hours=hours,
        timezone=job.config.zone,
        grid=info.grid,
        targets=tuple(targets),
        hotspot_share=job.config.hotspot_share,
    )


def target_forecast(model: Model, night: Night) -> TargetForecast:
    """What is issued for a night: the model where it won, else the best baseline."""
    baseline = model.best_baseline()(night)
    expected = model.issued()(night) if model.wins else baseline
    return counted_target(model.target, expected, baseline, model.label, model.laws.cell_hour)


def _publish(job: Job, forecast: Forecast, manifest: dict[str, Any]) -> Outcome:
    root = Path(job.config.output.path)
    with stage(root) as folder:
        with job.log.stage("layers"):
            write_layers(forecast, folder)
        manifest |= {"seconds": job.log.seconds, "peak_mib": job.cluster.peak_mib()}
        run = publish(root, job.reference, folder, manifest)
    prune(root, job.config.output.keep_days, spare=run.name)
    expire_nights(job.store.cube, job.config.output.keep_days, job.now)
    return Outcome(run, find_run(root, job.reference) or manifest)
