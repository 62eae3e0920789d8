"""A small city's night as schedulers are told of it."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import Any

from cluster.schedules.job import NightlyJob


def awkward_job(parent: Path, says: str, **changes: Any) -> NightlyJob:
    """In a folder whose name holds whatever shells, cron and systemd take for their own.

    Its command is a shell's that ``says`` this and ends with ``$CODE``.
    """
    folder = parent / "a b%c'd$HOME"
    folder.mkdir()
    hexcast = folder / "hexcast"
    hexcast.write_text(f'#!/bin/sh\necho "{says}"\nexit $CODE\n')
    hexcast.chmod(0o755)
    return small_job(folder, hexcast, **changes)


def small_job(folder: Path, hexcast: Path, **changes: Any) -> NightlyJob:
    """With configuration and store in the folder."""
    return NightlyJob(
        name="small",
        config=folder / "small.yaml",
        hexcast=hexcast,
        output=folder / "store",
        timezone="America/Denver",
        **{"cutoff": time(0), **changes},
    )
