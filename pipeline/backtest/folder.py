"""What a backtest keeps on disk, so that a killed one goes on where it stopped.

```
backtests/2024-03-01_2024-05-29/   plan.json       what is asked for, and of which data
                                   models/         what was made at every refit
                                   units/          tallies of every chunk of nights
                                   backtest.json   backtest.html
```
Files appear whole or not at all. Where the plan is another one than that of the files, they are
deleted: sums of two plans would mix what was made from different data.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from grids.snapshots import tag_of
from pipeline.backtest.schedule import Schedule
from pipeline.backtest.tallies import TALLY_FORM, Unit, from_bytes, to_bytes
from pipeline.config import Config
from pipeline.context.context import Context
from pipeline.errors import ConfigError
from pipeline.learning.boosting import boosting_at
from pipeline.learning.features import feature_names
from pipeline.learning.model import FORM
from pipeline.locks import make_folder, only_one
from pipeline.silver import Arrivals

PLAN, UNITS, MODELS = "plan.json", "units", "models"
RECORD, PAGE = "backtest.json", "backtest.html"
_OURS = (UNITS, MODELS, PLAN, RECORD, PAGE)


@dataclass(frozen=True)
class Folder:
    """Where a backtest keeps its files."""

    root: Path

    @property
    def models(self) -> Path:
        """Folder of what was made at every refit."""
        return self.root / MODELS

    def unit_path(self, chunk: Sequence[datetime]) -> Path:
        """File of a chunk's tallies, named by its first night."""
        return self.root / UNITS / f"{tag_of(chunk[0])}.npz"

    def has_unit(self, chunk: Sequence[datetime]) -> bool:
        """Whether the chunk has been worked on."""
        return self.unit_path(chunk).exists()

    def write_unit(self, chunk: Sequence[datetime], unit: Unit) -> None:
        """Keep a chunk's tallies."""
        write_whole(self.unit_path(chunk), to_bytes(unit))

    def read_unit(self, chunk: Sequence[datetime], targets: Sequence[str]) -> Unit:
        """A chunk's tallies, as kept."""
        return from_bytes(self.unit_path(chunk).read_bytes(), targets)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Only one backtest writes a folder. Raises BusyError where another does."""
        names = (path.name for path in make_folder(self.root, "--out").iterdir())
        foreign = [name for name in names if name not in _OURS and not name.startswith(".")]
        if foreign and not (self.root / PLAN).exists():
            raise ConfigError(
                f"--out: {self.root} holds {sorted(foreign)[0]}, which is none of ours: give a "
                "folder of its own"
            )
        with only_one(self.root / ".lock", f"another backtest writes {self.root}"):
            yield

    def kept(self) -> dict[str, Any] | None:
        """The plan of what the folder holds; None where it holds nothing."""
        path = self.root / PLAN
        return json.loads(path.read_text()) if path.exists() else None

    def begin(self, key: Mapping[str, Any]) -> list[str]:
        """Make the folder that of ``key``; returns what differed, where it was another's."""
        before = self.kept()
        if before == key:
            return []
        for name in (UNITS, MODELS):
            shutil.rmtree(self.root / name, ignore_errors=True)
        for name in (RECORD, PAGE):
            (self.root / name).unlink(missing_ok=True)
        write_whole(self.root / PLAN, json.dumps(key, indent=1).encode())
        return [name for name in key if before and before.get(name) != key[name]]


def key_of(
    config: Config, schedule: Schedule, cells: Any, arrivals: Arrivals, context: Context
) -> dict[str, Any]:
    """Everything that decides a backtest's figures, code apart. ``arrivals``: all that is known."""
    return {
        "configuration": config.fingerprint,
        "nights": [night.isoformat() for night in schedule.nights],
        "refit": schedule.request.refit_days,
        "known until": schedule.known_until.isoformat(),
        "incidents": digest(cells, arrivals),
        "form of the sums": TALLY_FORM,
        "form of the models": FORM,
        "boosting": _boosting(config, schedule),
        "features": list(feature_names(context)),
        "tables": context.digest(schedule.nights[-1]),
    }


def _boosting(config: Config, schedule: Schedule) -> list[dict[str, Any]]:
    """What boosters are grown with, and since which refit."""
    found: list[dict[str, Any]] = []
    for period in schedule.periods:
        at = boosting_at(config, period.refit)
        how = {"parameters": dict(at.parameters), "rounds": dict(at.rounds)}
        if not found or found[-1] != {"since": found[-1]["since"], **how}:
            found.append({"since": period.refit.isoformat(), **how})
    return found


def digest(cells: Any, arrivals: Arrivals) -> str:
    """Names the cells and the incidents, with what became known when."""
    events = arrivals.events
    total = hashlib.sha256()
    for values in (cells, arrivals.known, arrivals.first, *vars(events).values()):
        total.update(values.tobytes())
    return total.hexdigest()[:12]


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all, whenever the process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.part")
    with staged.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    staged.replace(path)
