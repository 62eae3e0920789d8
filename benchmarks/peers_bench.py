"""How large the work is that others are given beside ours, and how their processes are run."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from watched import Limits, run

from pipeline.config import Config
from pipeline.learning.boosting import default_boosting

HERE = Path(__file__).parent
THREADS = 2
TARGET = "all"
ENOUGH = Limits(seconds=240, mib=6144)
SERIES_WAYS = ("Dask, LightGBM", "Dask, XGBoost", "one process, LightGBM")


@dataclass(frozen=True)
class Scale:
    """``fit_nights`` and ``held_nights``: of the rows; ``cells`` and ``days``: of the series."""

    fit_nights: int = 10_000
    held_nights: int = 28
    cells: tuple[int, ...] = (250, 1000, 4000)
    days: int = 365
    rounds: int | None = None
    limits: Limits = ENOUGH
    ways: tuple[str, ...] = SERIES_WAYS


QUICK = Scale(28, 2, (60,), 150, 10, Limits(60, 3072), SERIES_WAYS[:1])


@dataclass(frozen=True)
class Bench:
    """``peers``: the interpreter of their environment."""

    path: Path
    config: Config
    as_of: datetime
    scale: Scale
    peers: Path
    folder: Path

    def run(self, script: str, *arguments: object, peers: bool) -> dict[str, Any]:
        """A script beside this one, with their interpreter or ours."""
        python = str(self.peers if peers else sys.executable)
        env = {"OMP_NUM_THREADS": str(THREADS), "PYTHONWARNINGS": "ignore"}
        if peers:
            env |= openmp(self.peers, self.folder)
        command = [python, str(HERE / script), *map(str, arguments)]
        return run(command, self.scale.limits, env)

    @property
    def rounds(self) -> int:
        """Trees of every way."""
        return self.scale.rounds or default_boosting(self.config).rounds[TARGET]


def openmp(peers: Path, folder: Path) -> dict[str, str]:
    """Where LightGBM finds OpenMP, which its wheel lacks: the system's, or scikit-learn's."""
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        link = folder / "openmp" / "libgomp.so.1"
        if not link.exists():
            link.parent.mkdir()
            found = peers.absolute().parents[1].glob("lib/*/*/scikit_learn.libs/libgomp*")
            link.symlink_to(next(found))
        return {"LD_LIBRARY_PATH": str(link.parent)}
    return {}
