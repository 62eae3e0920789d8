"""A small city's night on a given cluster, where every stage that may use it does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cities import Small, midnight, small_config

from pipeline.config import Config
from pipeline.nightly import run_night

NIGHT = midnight(112)
NOW = NIGHT + timedelta(minutes=5)
MODEL = {"rounds": 20, "holdout_nights": 14, "nights": 60}
LOCAL = {"kind": "local", "workers": 2, "memory_gib": 2}


@dataclass(frozen=True)
class Lived:
    """A small city that has lived through a night; as chaos.contents wants it."""

    folder: Path
    config: Config


def lived(folder: Path, cluster: dict[str, Any]) -> Lived:
    """Every stage that may use the cluster does: nothing is small enough for this process."""
    config = small_config(folder, Small().rows(), model=MODEL, cluster=cluster)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.ingest.settling.IN_PROCESS_ROWS", 0)
        patch.setattr("pipeline.ingest.delivering.IN_PROCESS_BYTES", 0)
        run_night(config, NOW, NIGHT)
    return Lived(folder, config)
