"""A night under a real cron daemon, whose environment is as bare as on a server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import psutil
import pytest
import yaml
from cities import START, Small, small_file
from waiting import until

from cluster.schedules.cron import crontab
from pipeline.load import load_config
from pipeline.scheduling import carried, nightly_job

ROOT = Path(__file__).parent.parent
SECONDS = 200  # two minutes of the clock, and a night
DAYS = 130


def absent() -> str:
    """Why no daemon of ours can run here; nothing where it can."""
    if os.geteuid() != 0:
        return "a cron daemon needs root"
    if not shutil.which("cron") or not shutil.which("crontab"):
        return "Debian's cron is not installed"
    if any(process.info["name"] in ("cron", "crond") for process in psutil.process_iter(["name"])):
        return "a cron daemon runs here already"
    return ""


@contextmanager
def installed(text: str) -> Iterator[None]:
    """The crontab of this user is ``text``; afterwards it is what it was."""
    before = subprocess.run(["crontab", "-l"], capture_output=True, text=True, check=False)
    try:
        subprocess.run(["crontab", "-"], input=text, text=True, check=True)
        yield
    finally:
        if before.returncode == 0:
            subprocess.run(["crontab", "-"], input=before.stdout, text=True, check=True)
        else:
            subprocess.run(["crontab", "-r"], check=True)


@contextmanager
def daemon() -> Iterator[subprocess.Popen[bytes]]:
    """A cron daemon, ended with all that it started."""
    bare = {"PATH": "/usr/bin:/bin"}
    with subprocess.Popen(
        [str(shutil.which("cron")), "-f"], env=bare, stdin=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            started = psutil.Process(process.pid).children(recursive=True)
            process.terminate()
            for child in started:
                if child.is_running():
                    child.terminate()
            psutil.wait_procs(started, timeout=30)


def ended_after(happened: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    def look() -> bool:
        assert process.poll() is None, "the daemon has ended"
        return happened()

    until(look, "nights", SECONDS)


def city_of_today(folder: Path) -> Path:
    """A small city whose last day is today, with a cutoff some hours ago; see HEXCAST_DATA."""
    now = datetime.now(ZoneInfo("America/Denver"))
    moved = timedelta(days=(now.date() - START.date()).days + 1 - DAYS)
    rows = Small(days=DAYS).rows()
    for name in ("occurred", "reported"):
        at = pd.to_datetime(rows[name]) + moved
        rows[name] = at.dt.strftime("%Y-%m-%d %H:%M").astype("str")
    path = small_file(folder, rows)
    values: dict[str, Any] = yaml.safe_load(path.read_text())
    values["source"] |= {
        "path": "${HEXCAST_DATA}/incidents.csv",
        "start": (START + moved).date().isoformat(),
    }
    values |= {
        "cutoff": f"{now - timedelta(hours=3):%H:%M}",
        "model": {"rounds": 20, "holdout_nights": 14},
        "cluster": {"workers": 1, "memory_gib": 2},
    }
    path.write_text(yaml.safe_dump(values))
    return path


def program(folder: Path) -> Path:
    """The command, which notes the code that each run ends with."""
    path = folder / "hexcast"
    path.write_text(
        f'#!/bin/sh\nPYTHONPATH={ROOT} {sys.executable} -m pipeline.cli "$@"\n'
        f"code=$?\necho $code >>{folder}/codes\nexit $code\n"
    )
    path.chmod(0o755)
    return path


@pytest.mark.cron
@pytest.mark.skipif(bool(absent()), reason=absent() or "none")
def test_cron_runs_the_night_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = city_of_today(tmp_path)
    monkeypatch.setenv("HEXCAST_DATA", str(tmp_path / "in"))
    config = load_config(path)
    values = carried(path.read_text()).values
    job = nightly_job(path, config, program(tmp_path), values, None)
    (text,) = crontab(job, when="* * * * *").values()
    codes, log = tmp_path / "codes", job.logs / "nightly.log"

    def ended() -> list[str]:
        return codes.read_text().split() if codes.exists() else []

    with installed(f'MAILTO=""\n{text}'), daemon() as process:
        ended_after(lambda: len(ended()) >= 1, process)
        first = log.read_text()
        assert ended()[0] == "0", first
        (published,) = (job.output / "runs").iterdir()
        made = (published / "manifest.json").stat().st_mtime_ns
        ended_after(lambda: len(ended()) >= 2, process)
    assert '"stage": "layers"' in first
    second = log.read_text()[len(first) :]
    assert ended()[1] == "0", second
    assert "done already" in second
    assert "stage" not in second
    assert [run.name for run in (job.output / "runs").iterdir()] == [published.name]
    assert (published / "manifest.json").stat().st_mtime_ns == made
