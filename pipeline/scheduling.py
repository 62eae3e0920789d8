"""What a scheduler is told of a city's night, from its configuration; the files it installs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from math import ceil
from pathlib import Path

from cluster.schedules.job import NightlyJob
from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.paths import variables

DATA = "HEXCAST_DATA"
CLOSING_MINUTES = 10  # for a night at its limit to end by itself


@dataclass(frozen=True)
class Carried:
    """Variables that a configuration names: ``values`` are paths, ``left`` may be secrets."""

    values: Mapping[str, str]
    left: tuple[str, ...]


def carried(text: str, elsewhere: bool = False) -> Carried:
    """The variables in a configuration's text that are set: schedulers start with hardly any.

    What names a file or folder that is there is carried, as absolute path; ``elsewhere``, on a
    machine without these, HEXCAST_DATA alone. Whatever else may be a secret, which does not belong
    into a schedule.
    """
    found = {name: os.environ[name] for name in variables(text) if os.environ.get(name)}
    paths = {name: str(Path(value).absolute()) for name, value in found.items() if _exists(value)}
    if elsewhere:
        paths = {name: path for name, path in paths.items() if name == DATA}
    return Carried(paths, tuple(name for name in found if name not in paths))


def _exists(value: str) -> bool:
    try:
        return Path(value).exists()
    except OSError:  # too long for a name
        return False


def running_command() -> Path:
    """The command that runs, absolute; beside Python where it was started by other means."""
    found = shutil.which(sys.argv[0])
    if found and Path(found).name == "hexcast":
        return Path(found).absolute()
    return Path(sys.executable).with_name("hexcast")


def nightly_job(
    path: Path,
    config: Config,
    hexcast: Path,
    environment: Mapping[str, str],
    cluster: str | None,
    options: Sequence[str] = (),
) -> NightlyJob:
    """The night of the configuration at ``path``. Raises ConfigError for paths in two lines."""
    for shown in (str(path), str(hexcast), config.output.path, *environment.values()):
        if "\n" in shown:
            raise ConfigError(f"{shown!r} holds a line break, which no scheduler takes: rename it")
    mirror = config.output.mirror
    local = config.cluster.kind == "local"
    return NightlyJob(
        name=config.name,
        config=path.absolute(),
        hexcast=hexcast,
        output=Path(config.output.path).absolute(),
        timezone=config.timezone,
        cutoff=config.cutoff,
        writable=(Path(mirror),) if mirror and "://" not in mirror else (),
        environment=environment,
        workers=config.cluster.workers if local else 0,
        memory_gib=config.cluster.memory_gib,
        cluster=cluster,
        limit_minutes=ceil(60 * config.cluster.limit_hours) + CLOSING_MINUTES,
        options=tuple(options),
    )


def default_image() -> str:
    """The image of this very version."""
    return f"hexcast:{version('hexcast')}"


def require_start(config: Config, scheduler: str) -> None:
    """Raise ConfigError where ``scheduler`` cannot start nights of this cluster."""
    kind = config.cluster.kind
    if scheduler in ("slurm", "kubernetes"):
        if kind in ("slurm", "kubernetes") and (scheduler, kind) != ("slurm", "slurm"):
            own = ", or --for slurm" if kind == "slurm" else ""
            raise ConfigError(
                f"cluster.kind is {kind}, and a job of {scheduler} may not make what its nights "
                f"need: use --for cron or systemd where kubectl or sbatch is{own}"
            )
        require_workers(config)


def submitted(job: NightlyJob) -> NightlyJob:
    """The same as ``hexcast submit``, which also waits for its turn."""
    return replace(job, verb="submit", limit_minutes=2 * job.limit_minutes)


def require_workers(config: Config) -> None:
    """Raise ConfigError where an allocation cannot be told what the workers of the night need."""
    spec = config.cluster
    if spec.kind == "cuda":
        raise ConfigError(
            "cluster.kind is cuda, and how GPUs are asked for differs from one scheduler to the "
            "next: schedule it with cron or systemd, or give a cluster's address"
        )
    if spec.kind == "local" and not spec.workers:
        raise ConfigError(
            "cluster.workers: without it a night starts a worker for every core of the machine, "
            "however few it was given: write how many, as in workers: 4"
        )


def write_schedule(files: Mapping[str, str], folder: Path) -> list[Path]:
    """Write the files below ``folder``, made where it is missing; those that are the same stay.

    Raises ConfigError, with nothing written, where a file of other content is there.
    """
    for name, text in files.items():
        found = folder / name
        if found.exists() and found.read_text(encoding="utf-8", errors="replace") != text:
            raise ConfigError(f"{found} is there already: move it away, or give another --out")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]
