"""The small city of ``chaos.py``: nights, each with its file, in a folder to be copied.

What a store otherwise does now and then happens here every night: small files are written
together, old nights are let go and their data deleted; the last night makes new models.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal

import pandas as pd
from cities import COLUMNS, START, Small, midnight, reported_at, small_config

import grids.snapshots
import pipeline.building
import pipeline.learning.train  # noqa: F401 -- imported once, here, for all the children
from cluster.connect import connect  # noqa: F401
from pipeline import nightly, tables
from pipeline.config import Config
from pipeline.nightly import run_night

NIGHTS = (110, 111, 112)
CHANGED, GONE, MOVED = 40, 15, 10  # rows of known incidents that a night changes


def hasten() -> None:
    """Let every night do what a store otherwise does now and then."""
    tables.SMALL_FILES = 2
    grids.snapshots.COLLECT_NIGHTS = 0
    nightly.expire_nights = _expire


def _expire(path: str, keep_days: int, _: datetime) -> list[str]:
    """Commits are of today, whatever the city's date: else none would be old enough."""
    return grids.snapshots.expire_nights(path, keep_days, datetime.now(UTC))


@dataclass(frozen=True)
class City:
    """The small city in a folder: its feed, by files of news or as one whole, and its store."""

    folder: Path
    delivers: Literal["incremental", "snapshot"]

    @cached_property
    def config(self) -> Config:
        """Its configuration: a small model, two workers."""
        changes = {
            "source": {
                "path": str(self.folder / "in" / "*.csv"),
                "start": START.date(),
                "date_formats": ["%Y-%m-%d %H:%M"],
                "columns": COLUMNS | {"status": "status"},
                "retracted": ["unfounded"],
                "delivers": self.delivers,
            },
            "model": {
                "rounds": 20,
                "holdout_nights": 14,
                "nights": 60,
                "retrain_days": NIGHTS[-1] - NIGHTS[0],
            },
            "cluster": {"kind": "local", "workers": 2, "memory_gib": 2},
            "output": {"path": str(self.folder / "store"), "keep_days": 2},
        }
        with tempfile.TemporaryDirectory() as elsewhere:
            return small_config(Path(elsewhere), pd.DataFrame(), **changes)

    def deliver(self, night: int) -> None:
        """The file of a night: what was reported since the last, what changed, and a bad row."""
        rows = Small().rows().assign(status="")
        reported = reported_at(rows)
        since = midnight(night - 1) if night > NIGHTS[0] else midnight(-10)
        news = rows[(reported > since) & (reported <= midnight(night))]
        known = rows[reported <= since].tail(CHANGED + GONE + MOVED)
        gone, moved = known.head(GONE), known.tail(MOVED).assign(lat="39.9")
        changed = known[GONE:-MOVED].assign(kind="assault")
        bad = news.head(2).assign(id=[f"bad{night}a", f"bad{night}b"], lat="")
        if self.delivers == "incremental":
            every = pd.concat([news, changed, gone.assign(status="unfounded"), moved, bad])
            name = f"night-{night}.csv"
        else:  # the whole as it is now, of which some are missing
            same = rows[(reported <= since) & ~rows["id"].isin(known["id"])]
            every, name = pd.concat([same, changed, moved, news, bad]), "all.csv"
        every.to_csv(self.folder / "in" / name, index=False)

    def run(self, night: int, late: timedelta = timedelta(minutes=5)) -> None:
        """The whole night, a while after its cutoff."""
        cutoff = midnight(night)
        run_night(self.config, cutoff + late, cutoff)

    def save(self, folder: Path) -> None:
        """Keep a copy of everything."""
        shutil.copytree(self.folder, folder, symlinks=True)

    def restore(self, folder: Path) -> None:
        """Be again what was saved, in the same place: a feed elsewhere would be another feed."""
        shutil.rmtree(self.folder)
        shutil.copytree(folder, self.folder, symlinks=True)
