"""The stages of a night, one after the other."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecasts.schema import Forecast
from forecasts.stac import index_runs
from forecasts.store import prune
from grids.cube import CubeInfo
from grids.snapshots import BRANCH, expire_nights, open_repository
from pipeline.archive.realised import score_nights
from pipeline.city import make_city
from pipeline.cubing import append, latest_state, state_at
from pipeline.deliveries import take_deliveries
from pipeline.districts import read_districts
from pipeline.enough import require_enough
from pipeline.issuing import make_forecast, publish_forecast
from pipeline.job import Job, manifest_of
from pipeline.learning.features import feature_names
from pipeline.learning.model import Model, models_at
from pipeline.mirroring import mirror
from pipeline.neighbourhoods import try_names
from pipeline.replay import RECENT, City, night_at
from pipeline.silver import read_arrivals
from pipeline.state import State, StateSpec

if TYPE_CHECKING:
    from pipeline.nightly import Stage


def run_stages(
    job: Job, until: Stage, fetch: bool, accept: bool
) -> tuple[Path | None, dict[str, Any]]:
    """The night as far as ``until``; the folder of its layers, where it came to that; its record.

    ``fetch``, ``accept``: as of run_night.
    """
    repository = open_repository(job.store.cube)
    with job.log.stage("ingest"):
        info, taken = take_deliveries(job, repository, fetch, accept)
    if until == "ingest":
        return None, _so_far(job, info, taken)
    city = make_city(job.config, info)
    with job.log.stage("cube"):
        state = _bring_up_to(job, info, city.spec, repository)
    if until == "cube":
        return None, _so_far(job, info, taken, state)
    with job.log.stage("train"):
        models = _models(job, info, city, state)
    if until == "train":
        return None, _so_far(job, info, taken, state, models)
    with job.log.stage("forecast"):
        forecast = _forecast(job, info, city, state, models)
    published = _publish(job, forecast, manifest_of(job, info, taken, state, models))
    with job.log.stage("score"):
        score_nights(job.root, repository.readonly_session(BRANCH).store, job.config.targets)
    return published


def _so_far(job: Job, *parts: Any) -> dict[str, Any]:
    return manifest_of(job, *parts) | {"seconds": job.log.seconds}


def _bring_up_to(job: Job, info: CubeInfo, spec: StateSpec, repository: Any) -> State:
    """The state at the cutoff; cube and state move forward with it, and never back."""
    silver, cutoff = job.store.silver, job.cutoff
    if info.watermark is None:
        from cluster.again import once_more  # Dask takes seconds to load; most nights need none
        from pipeline.building import build

        what = repository, silver, spec, cutoff, job.cluster
        state = once_more(job.cluster.beside, partial(build, *what))
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
        from cluster.again import once_more  # likewise
        from pipeline.learning.train import train

        known = read_arrivals(job.store.silver, info.grid, info.categories, job.cutoff)
        districts = read_districts(job.store.silver, info.grid, job.cutoff).of_cell
        client = job.cluster.client
        what = job.config, city, info.categories, missing, known, state, districts, client
        return once_more(client, partial(train, *what))

    return models_at(job.config, job.store.models, job.cutoff, feature_names(city.context), make)


def _forecast(job: Job, info: CubeInfo, city: City, state: State, models: list[Model]) -> Forecast:
    since = job.cutoff - RECENT
    news = read_arrivals(job.store.silver, info.grid, info.categories, job.cutoff, since)
    names = try_names(job.config.grid, info.grid)
    return make_forecast(job, info, night_at(city, state, news, ()), models, names)


def _publish(job: Job, forecast: Forecast, manifest: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    def peak_mib() -> dict[str, float]:
        found = job.cluster.peak_mib()
        return {**found, "driver": max(found["driver"], job.log.highest_mib)}

    run = publish_forecast(job, forecast, job.log, manifest, peak_mib)
    prune(job.root, job.config.output.keep_days, spare=run.name)
    index_runs(job.root)
    mirror(job)
    expire_nights(job.store.cube, job.config.output.keep_days, job.now)
    return run, job.done() or manifest
