"""One night of one city: what is asked for, what it works with, and its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from cluster.lazy import LazyCluster
from forecasts.store import find_run, run_name
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
class Run:
    """One forecast of one city, as it is asked for.

    ``cutoff``: aware, UTC; the forecast may use what was known then. ``now``: when it is made.
    """

    config: Config
    cutoff: datetime
    now: datetime

    @property
    def id(self) -> str:
        """City, reference time and fingerprint of the configuration: the key of a run."""
        return f"{self.config.name}-{run_name(self.reference)}-{self.config.fingerprint}"

    @property
    def reference(self) -> datetime:
        """The first forecast hour."""
        return EPOCH + reference_hour(self.cutoff) * HOUR

    @property
    def root(self) -> Path:
        """Below which the city's store and its runs lie."""
        return Path(self.config.output.path)

    @property
    def store(self) -> Store:
        """Where the city's tables, cube and models lie."""
        return Store(self.config.output.path)

    def done(self) -> dict[str, Any] | None:
        """The manifest of what was published, of this configuration and this very cutoff."""
        found = find_run(self.root, self.reference)
        if found is None or found["run_id"] != self.id:
            return None
        return found if datetime.fromisoformat(found["as_of"]) == self.cutoff else None


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
    seconds: Mapping[str, float],
    state: State | None = None,
    models: list[Model] | None = None,
) -> dict[str, Any]:
    """The run's record, as far as it has come. ``seconds``: of each stage."""
    return {
        "run_id": run.id,
        "city": run.config.name,
        "as_of": run.cutoff.isoformat(),
        "reference_time": run.reference.isoformat(),
        "made_at": run.now.isoformat(),
        "configuration": run.config.fingerprint,
        "police_initiated_allowed": list(run.config.allow_police_initiated),
        "silver_version": DeltaTable(run.store.silver).version(),
        "ingest": asdict(taken),
        "cells": len(info.grid),
        "incidents_known": state.incidents if state else None,
        "models": [_model_record(model) for model in models or []],
        "seconds": seconds,
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
