"""A night as a DaskJob, which the Dask operator of Kubernetes turns into pods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from cluster.allocation import SCHEDULER_GIB
from cluster.pods import ADDRESS
from cluster.schedules.job import NightlyJob
from cluster.schedules.kubernetes import (
    TEMPORARY,
    Held,
    add_variables,
    as_yaml,
    container,
    manifest,
    mount,
    night_pod,
    object_name,
    pod,
)
from cluster.spec import Certificates, ClusterSpec
from cluster.submit import marking

CITY_CHARACTERS = 28  # and 9 more: the operator adds 26 to a name, of the 63 that a label may have
NANNY_MIB = 512  # beside a worker's own limit, so that Dask ends it before the node does
TLS = Path("/etc/hexcast-tls")
PORTS = {"tcp-comm": 8786, "http-dashboard": 8787}  # names and numbers that the operator looks for
_ITSELF = "this-cluster"  # where a configuration has the cluster's keys, and no name for it


@dataclass(frozen=True)
class Night:
    """What is submitted. ``config``: the text of the configuration; ``data``: as of Held."""

    job: NightlyJob
    spec: ClusterSpec
    config: str
    image: str
    data: bool = False


def unique_name(city: str) -> str:
    """What the objects of one night are called, short enough for what the operator adds."""
    return f"{object_name(city)[:CITY_CHARACTERS].rstrip('-')}-{uuid4().hex[:8]}"


def runner(name: str) -> str:
    """The pod of a DaskJob in which its job runs, as the operator calls it."""
    return f"{name}-runner"


def manifests(night: Night, name: str, tls: Certificates) -> str:
    """Secret, ConfigMap and DaskJob, as YAML. The store's claim has to be there."""
    cluster = night.job.cluster or _ITSELF
    # Without a word on encryption, which is for the DaskJobs of others: this one has it.
    keys = night.spec.model_dump(mode="json", exclude_defaults=True, exclude={"insecure"})
    files = {"city.yaml": night.config, "clusters.yaml": yaml.safe_dump({cluster: keys})}
    # The operator gives the labels of a DaskJob to whatever it makes for it.
    labels = {
        "app.kubernetes.io/name": "hexcast",
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/managed-by": "hexcast-submit",
    }
    known: dict[str, Any] = {"name": name, "labels": labels}
    if night.spec.namespace:
        known["namespace"] = night.spec.namespace
    job = replace(night.job, cluster=cluster)
    spec = _dask_job(replace(night, job=job), name)
    pem = {"ca.crt": tls.ca, "tls.crt": tls.cert, "tls.key": tls.key}
    return as_yaml(
        [
            manifest("v1", "Secret", known, stringData=pem),
            manifest("v1", "ConfigMap", known, data=files),
            manifest("kubernetes.dask.org/v1", "DaskJob", known, spec=spec),
        ]
    )


def _dask_job(night: Night, name: str) -> dict[str, Any]:
    own = object_name(night.job.name)
    claim = night.spec.claim or own
    held = Held(config=name, claim=claim, secret=own, data=night.data)
    # A pod, and no Job: it is started once (restartPolicy: Never), so there is no backoffLimit.
    job = night_pod(night.job, night.image, held)
    job["activeDeadlineSeconds"] = 60 * night.job.limit_minutes
    add_variables(job, {marking.VARIABLE: "1"})
    scheduler, worker = _scheduler(night), _worker(night, held)
    _encrypt((job, scheduler, worker), name)
    cluster = {
        "scheduler": {"spec": scheduler, "service": _service(name)},
        "worker": {"replicas": night.spec.workers, "spec": worker},
    }
    return {"job": {"spec": job}, "cluster": {"spec": cluster}}


def _scheduler(night: Night) -> dict[str, Any]:
    port = str(PORTS["tcp-comm"])
    words = ["dask", "scheduler", "--protocol", "tls", "--port", port, "--no-dashboard"]
    one = container(night.image, words, 1, 1024 * SCHEDULER_GIB)
    one["ports"] = [{"name": name, "containerPort": port} for name, port in PORTS.items()]
    return _kept(pod(one, None))


def _service(name: str) -> dict[str, Any]:
    return {
        "type": "ClusterIP",
        "selector": {"dask.org/cluster-name": name, "dask.org/component": "scheduler"},
        "ports": [
            {"name": each, "protocol": "TCP", "port": port, "targetPort": each}
            for each, port in PORTS.items()
        ],
    }


def _worker(night: Night, held: Held) -> dict[str, Any]:
    mib = int(1024 * night.spec.memory_gib)
    words = [
        "dask", "worker", "--name", "$(DASK_WORKER_NAME)", "--nthreads", "1", "--no-dashboard",
        "--memory-limit", f"{mib}MiB", "--local-directory", TEMPORARY,
    ]  # fmt: skip
    return _kept(pod(container(night.image, words, 1, mib + NANNY_MIB), held))


def _encrypt(pods: Sequence[dict[str, Any]], name: str) -> None:
    """Have the pods show each other the certificate of the Secret ``name``.

    The operator (dask-kubernetes since April 2024) leaves an address that is there. In the night's
    pod, the first, other processes may talk unencrypted on its loopback.
    """
    address = f"tls://{name}-scheduler:{PORTS['tcp-comm']}"
    prefix = "DASK_DISTRIBUTED__COMM__"
    only = {f"{prefix}REQUIRE_ENCRYPTION": "true"}
    # Dask's pages are served without encryption, also without a dashboard.
    only |= {f"DASK_DISTRIBUTED__{role}__HTTP__ROUTES": "[]" for role in ("SCHEDULER", "WORKER")}
    found = {ADDRESS: address, f"{prefix}TLS__CA_FILE": str(TLS / "ca.crt")}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        found[f"{prefix}TLS__{role}__CERT"] = str(TLS / "tls.crt")
        found[f"{prefix}TLS__{role}__KEY"] = str(TLS / "tls.key")
    for each in pods:
        mount(each, "tls", str(TLS), {"secret": {"secretName": name}}, read_only=True)
        add_variables(each, found)
    for each in pods[1:]:
        add_variables(each, only)


def _kept(pod: dict[str, Any]) -> dict[str, Any]:
    """The same for a Deployment, which starts its pod anew, and takes no other policy."""
    return {**pod, "restartPolicy": "Always"}
