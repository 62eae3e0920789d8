"""One night of one city: what is asked for, what it works with, and its record."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from deltalake import DeltaTable

from cluster.lazy import LazyCluster
from grids.cube import CubeInfo
from pipeline.ingest.recipe import IngestRecord
from pipeline.learning.model import Model
from pipeline.log import StageLog
from pipeline.run import Run
from pipeline.sources.source import IncidentSource
from pipeline.state import State

_LIBRARIES = "dask distributed xgboost pandas geopandas h3 zarr icechunk deltalake".split()


@dataclass(frozen=True)
class Job(Run):
    """A run, and what the night works with."""

    source: IncidentSource
    cluster: LazyCluster
    log: StageLog


def manifest_of(
    run: Run,
    info: CubeInfo,
    taken: IngestRecord,
    state: State | None = None,
    models: list[Model] | None = None,
) -> dict[str, Any]:
    """The run's record, as far as it has come, but for the seconds of its stages."""
    return {
        "run_id": run.id,
        "city": run.config.name,
        "as_of": run.cutoff.isoformat(),
        "reference_time": run.reference.isoformat(),
        "made_at": run.now.isoformat(),
        "configuration": run.config.fingerprint,
        "k_anonymity": run.config.output.k_anonymity,
        "police_initiated_allowed": list(run.config.allow_police_initiated),
        "silver_version": DeltaTable(run.store.silver).version(),
        "ingest": asdict(taken),
        "cells": len(info.grid),
        "incidents_known": state.incidents if state else None,
        "models": [_model_record(model) for model in models or []],
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
