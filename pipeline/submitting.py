"""What a cluster is told of a night that is to run on it, its driver included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shlex import join, quote
from typing import TYPE_CHECKING

from cluster.schedules.job import NightlyJob
from pipeline.errors import ConfigError
from pipeline.load import CLUSTERS, clusters_text
from pipeline.locks import make_folder
from pipeline.paths import variables
from pipeline.plainly import plainly
from pipeline.scheduling import DATA, Carried, carried, default_image

if TYPE_CHECKING:
    from cluster.spec import ClusterSpec
    from cluster.submit.dask_job import Night
    from cluster.submit.driver import Errand
    from pipeline.config import Config

_MODULE = "pipeline.submitted"
_ITSELF = "this-cluster"  # what the night's own clusters.yaml calls it


def require_elsewhere(config: Config) -> None:
    """Raise ConfigError where there is nowhere to submit to."""
    kind = config.cluster.kind
    if kind in ("local", "cuda"):
        raise ConfigError(
            f"cluster.kind is {kind}, which is this machine: hexcast nightly runs here, and "
            "--cluster NAME submits to another of clusters.yaml"
        )


def errand_of(job: NightlyJob, spec: ClusterSpec, text: str) -> Errand:
    """The night as a worker is sent it. ``text``: of its configuration."""
    from cluster.submit.driver import Errand

    there = replace(job, cluster=_ITSELF)
    return Errand(
        module=_MODULE,
        arguments=there.arguments(job.config),
        files={str(job.config): text},
        clusters=str(job.config.with_name(CLUSTERS)),
        name=_ITSELF,
        spec=spec,
        environment=dict(job.environment),
    )


def shown(job: NightlyJob, spec: ClusterSpec, text: str) -> str:
    """What would be submitted. ``text``: of the configuration."""
    if spec.kind == "slurm":
        from cluster.submit import slurm

        return slurm.shown(job, spec)
    if spec.kind == "kubernetes":
        from cluster.submit import kubernetes

        return kubernetes.shown(_night_of_pods(job, spec, text))
    variables = "".join(f"{name}={quote(value)} " for name, value in job.environment.items())
    return (
        f"# by a worker of {spec.address} that has, or may make, {job.output}:\n"
        f"{variables}{join(['hexcast', *job.arguments(job.config)])}\n"
    )


def run(job: NightlyJob, spec: ClusterSpec, text: str, say: Callable[[str, str], None]) -> int:
    """Submit the night, say what it says and return its exit code. ``text``: as of shown."""
    if spec.kind == "slurm":
        from cluster.submit import slurm

        make_folder(job.output, "output.path")
        with plainly(str(job.output)):
            return slurm.run(job, spec, say)
    if spec.kind == "kubernetes":
        from cluster.submit import kubernetes

        return kubernetes.run(_night_of_pods(job, spec, text), say)
    from cluster.submit import task

    return task.run(errand_of(job, spec, text), spec, job.output, say)


def _night_of_pods(job: NightlyJob, spec: ClusterSpec, text: str) -> Night:
    from cluster.submit.dask_job import Night

    return Night(job, spec, text, spec.image or default_image(), data=DATA in variables(text))


def out_of(config: Config, given: Path | None) -> list[str]:
    """The words that name the store where the night runs; ``given``: of the command."""
    if config.cluster.kind != "kubernetes":
        return ["--out", str(Path(config.output.path).absolute())]
    if given is not None:
        raise ConfigError(
            f"--out {given} is a folder of this machine, and pods keep the store in a volume: name "
            "its claim in cluster.claim"
        )
    return []  # its pod knows


def carried_to(config: Config, path: Path, text: str, cluster: str | None) -> Carried:
    """The variables that the night needs, wherever it runs. ``text``: of the file at ``path``."""
    if config.cluster.kind == "slurm":  # which reads the file of clusters there
        text += clusters_text(path, cluster)
    return carried(text, elsewhere=config.cluster.kind == "kubernetes")
