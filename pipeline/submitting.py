"""What a cluster is told of a night that is to run on it, its driver included."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shlex import join, quote
from typing import TYPE_CHECKING

from cluster.schedules.job import NightlyJob
from pipeline.errors import ConfigError
from pipeline.load import CLUSTERS

if TYPE_CHECKING:
    from cluster.spec import ClusterSpec
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


def shown(job: NightlyJob, spec: ClusterSpec) -> str:
    """What would be sent to a scheduler that is there, as text."""
    variables = "".join(f"{name}={quote(value)} " for name, value in job.environment.items())
    return (
        f"# by a worker of {spec.address} that has, or may make, {job.output}:\n"
        f"{variables}{join(['hexcast', *job.arguments(job.config)])}\n"
    )


def out_of(config: Config) -> list[str]:
    """The words that name the store, wherever the night runs."""
    return ["--out", str(Path(config.output.path).absolute())]
