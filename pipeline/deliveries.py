"""A night's first stage: what was delivered since the last one, and the grid that it is for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from grids.cube import CubeInfo
from pipeline.errors import ConfigError, EmptyDeliveryError, MissingInputError
from pipeline.ingest.recipe import (
    IngestRecord,
    Intake,
    bring,
    ingest,
    known_floor,
    new_deliveries,
    resume,
    unsettled,
)
from pipeline.ingest.settling import extent
from pipeline.job import Job
from pipeline.place import open_city
from pipeline.tables import Part


def take_deliveries(
    job: Job, repository: Any, fetch: bool, accept: bool
) -> tuple[CubeInfo, IngestRecord]:
    """Bring silver up to what is delivered; the city's frozen grid, and what became of the rows.

    Without ``fetch`` only what a killed run left is settled. ``accept``: whatever its quality.
    """
    is_begun = job.store.has_silver or job.store.has_bronze
    if not fetch and not is_begun:
        raise MissingInputError(f"{job.store.root} holds no incidents: run hexcast ingest first")
    intake = Intake(job.config, job.store, job.source, job.cluster, job.now, job.cutoff, accept)
    if not is_begun:
        return _begin(job, intake, repository)
    info = open_city(job.config, repository, True, partial(_extent_again, job))
    resume(intake, info.grid)
    fresh = new_deliveries(job.config, job.source.deliveries(), job.store) if fetch else []
    if not fresh:
        return info, IngestRecord()
    try:
        batch = bring(intake, fresh, _known_from(job, info))
    except EmptyDeliveryError as fault:
        job.log.say(f"{fault}; the night goes on without")
        return info, IngestRecord()
    record = ingest(intake, fresh, batch, info.grid)
    if not record.kept and not record.merged:
        job.log.say(f"none of the {record.rows_in} rows fetched can be used; see the quarantine")
    for warning in (record.quality or {}).get("warnings", ()):
        job.log.say(f"quality: {warning}")
    return info, record


def _begin(job: Job, intake: Intake, repository: Any) -> tuple[CubeInfo, IngestRecord]:
    """The first night: what is delivered decides the grid, where the configuration does not."""
    job.store.require_own()
    deliveries = job.source.deliveries()
    batch = bring(intake, deliveries, None)
    info = open_city(job.config, repository, False, partial(_extent, job, batch.files))
    return info, ingest(intake, deliveries, batch, info.grid)


def _extent_again(job: Job) -> tuple[float, float, float, float]:
    """The extent of a city whose tables are made again from bronze."""
    if job.store.has_silver:
        raise ConfigError(
            f"{job.store.cube} holds no cube, and with it went the grid that silver was made for: "
            f"delete {job.store.root}/silver as well, and both are made again from bronze"
        )
    batches = unsettled(job.store).values()
    return _extent(job, list({file.path: file for batch in batches for file in batch}.values()))


def _extent(job: Job, files: Sequence[Part]) -> tuple[float, float, float, float]:
    return extent(job.config, job.store, files, job.cutoff, job.cluster)


def _known_from(job: Job, info: CubeInfo) -> datetime:
    """The instant before which none of what is fetched now counts as known."""
    night_is_new = info.watermark is None or info.watermark < job.cutoff
    # What comes in after a night was made for this cutoff was not known at it.
    floor = known_floor(job.cutoff, job.now) if night_is_new else job.now
    if info.watermark:  # what the cube has passed, it does not look at again, whatever the clock
        floor = max(floor, info.watermark + timedelta(microseconds=1))
    if floor > job.cutoff:
        job.log.say(
            f"too late for this night: what is fetched now counts from {floor:%Y-%m-%d %H:%MZ}"
        )
    return floor
