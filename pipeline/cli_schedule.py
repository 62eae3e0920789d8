"""The command ``hexcast schedule``."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipeline.cli_options import Cluster, ConfigFile, Json
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from cluster.schedules.job import NightlyJob
    from cluster.spec import ClusterSpec

Scheduler = Literal["cron", "systemd", "slurm", "kubernetes"]


def schedule(
    config: ConfigFile,
    scheduler: Annotated[Scheduler, typer.Option("--for", help="what runs the nights")],
    out: Annotated[
        Path | None, typer.Option(help="folder of the files [default: print them]")
    ] = None,
    cluster: Cluster = None,
    user: Annotated[str | None, typer.Option(help="systemd: who runs it [default: you]")] = None,
    image: Annotated[
        str | None, typer.Option(help="kubernetes: the image [default: hexcast:VERSION]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print what starts nights: cron, systemd, SLURM, Kubernetes.

    Each starts minutes after the cutoff on the city's clock. Nothing is installed.

    Example: hexcast schedule configs/denver.yaml --for systemd --out /tmp/units
    """
    from pipeline.load import clusters_text, load_config
    from pipeline.scheduling import (
        carried,
        nightly_job,
        require_start,
        running_command,
        submitted,
        write_schedule,
    )

    settings = load_config(config, cluster=cluster)
    text, clusters = config.read_text(encoding="utf-8"), clusters_text(config, cluster)
    require_start(settings, scheduler)
    if scheduler == "kubernetes" and clusters:
        raise ConfigError(
            "a pod has no clusters.yaml: write the cluster's keys into the configuration"
        )
    known = carried(text + clusters, scheduler == "kubernetes")
    if known.left:
        typer.echo(f"to be set where the nights run: {', '.join(known.left)}", err=True)
    job = nightly_job(config, settings, running_command(), known.values, cluster)
    if settings.cluster.kind in ("slurm", "kubernetes") and scheduler in ("cron", "systemd"):
        job = submitted(job)
    files = _files(job, settings.cluster, scheduler, text, out, user, image)
    if out is not None:
        names = [str(path) for path in write_schedule(files, out)]
        typer.echo(json.dumps(names) if as_json else "\n".join(names))
        return
    typer.echo(json.dumps(files, indent=1) if as_json else _printed(files), nl=as_json)


def _files(
    job: NightlyJob,
    spec: ClusterSpec,
    scheduler: Scheduler,
    config: str,
    out: Path | None,
    user: str | None,
    image: str | None,
) -> dict[str, str]:
    if scheduler == "cron":
        from cluster.schedules.cron import crontab

        return crontab(job)
    if scheduler == "systemd":
        from cluster.schedules.systemd import units

        return units(job, user or getpass.getuser())
    if scheduler == "slurm":
        from cluster.schedules.slurm import batch

        return batch(job, spec, (out or Path()).absolute())
    return _manifest(job, config, image)


def _manifest(job: NightlyJob, config: str, image: str | None) -> dict[str, str]:
    from cluster.schedules.kubernetes import cron_job
    from pipeline.paths import variables
    from pipeline.scheduling import DATA, default_image

    return cron_job(job, config, image or default_image(), data=DATA in variables(config))


def _printed(files: dict[str, str]) -> str:
    if len(files) == 1:
        return "".join(files.values())
    return "\n".join(f"# {name}\n{text}" for name, text in files.items())
