"""One night of one city: what is asked for, what it works with, and its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any

from deltalake import DeltaTable

from cluster.lazy import LazyCluster
from forecasts.store import run_name
from grids.cube import CubeInfo
from grids.hours import EPOCH, HOUR, reference_hour
from pipeline.config import Config
from pipeline.ingest.recipe import IngestRecord
from pipeline.learning.model import Model
from pipeline.log import StageLog
from pipeline.sources.source import IncidentSource
from pipeline.state import State
from pipeline.store import Store

_LIBRARIES = "dask distributed xgboost pandas geopandas h3 zarr icechunk deltalake".split()


@dataclass(frozen=True)
class Job:
    """One night of one city: what is asked for, and what it works with.

    ``cutoff``: the forecast may use what was known then. ``now``: when the job runs.
    """

    config: Config
    cutoff: datetime
    now: datetime
    source: IncidentSource
    cluster: LazyCluster
    log: StageLog

    @property
    def store(self) -> Store:
        """Where the city's tables, cube and models lie."""
        return Store(self.config.output.path)

    @property
    def reference(self) -> datetime:
        """The first forecast hour."""
        return EPOCH + reference_hour(self.cutoff) * HOUR


def run_id(config: Config, cutoff: datetime) -> str:
    """City, reference time and fingerprint of the configuration: the key of a run."""
    reference = EPOCH + reference_hour(cutoff) * HOUR
    return f"{config.name}-{run_name(reference)}-{config.fingerprint}"


def is_of(manifest: Mapping[str, Any], config: Config, cutoff: datetime) -> bool:
    """Whether a run is this configuration's for this cutoff, to the minute."""
    same = manifest["run_id"] == run_id(config, cutoff)
    return same and datetime.fromisoformat(manifest["as_of"]) == cutoff


def manifest_of(
    job: Job,
    info: CubeInfo,
    taken: IngestRecord,
    state: State | None = None,
    models: list[Model] | None = None,
) -> dict[str, Any]:
    """The run's record, as far as the night has come."""
    return {
        "run_id": job.log.run_id,
        "city": job.config.name,
        "as_of": job.cutoff.isoformat(),
        "reference_time": job.reference.isoformat(),
        "made_at": job.now.isoformat(),
        "configuration": job.config.fingerprint,
        "police_initiated_allowed": list(job.config.allow_police_initiated),
        "silver_version": DeltaTable(job.store.silver).version(),
        "ingest": asdict(taken),
        "cells": len(info.grid),
        "incidents_known": state.incidents if state else None,
        "models": [_model_record(model) for model in models or []],
        "seconds": job.log.seconds,
        "versions": {name: version(name) for name in ("hexcast", *_LIBRARIES)},
    }


def _model_record(model: Model) -> dict[str, Any]:
    return {
        "target": model.target,
        "issued": model.label,
        "baseline": model.baseline,
        "made_from": model.cutoff.isoformat(),
        **model.record,
    }
