"""A CronJob that runs a night in a pod, with its configuration and its volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cluster.schedules.job import NightlyJob

CONFIG = "/etc/hexcast/city.yaml"
OUTPUT = "/var/lib/hexcast"
DATA = "/data"
TEMPORARY = "/tmp"  # noqa: S108 -- a volume of the pod's own
FAILS_AT_ONCE = [65, 66, 70, 78]
STARTS_WITHIN_SECONDS = 6 * 3600  # what is fetched so long after a cutoff counts as known at it
USER = 1000


@dataclass(frozen=True)
class Held:
    """What a pod is given: names of its ConfigMap, of the store's claim and of its Secret.

    ``data``: it reads files below HEXCAST_DATA, which there is ``DATA``, the claim hexcast-data.
    """

    config: str
    claim: str
    secret: str
    data: bool = False


def object_name(city: str) -> str:
    """What the objects of a city are called."""
    return f"hexcast-{city}".replace("_", "-").rstrip("-")


def cron_job(
    job: NightlyJob, config: str, image: str, data: bool = False, storage: str = "50Gi"
) -> dict[str, str]:
    """The manifest of a city, by file name: ConfigMap, claim of the store, CronJob.

    ``config``: the text of the configuration. ``data``: as of Held.
    """
    name = object_name(job.name)
    pod = night_pod(job, image, Held(config=name, claim=name, secret=name, data=data))
    manifests = [
        manifest("v1", "ConfigMap", {"name": name}, data={"city.yaml": config}),
        manifest("v1", "PersistentVolumeClaim", {"name": name}, spec=_claim(storage)),
        manifest("batch/v1", "CronJob", {"name": name}, spec=_schedule(job, pod)),
    ]
    return {f"hexcast-{job.name}.yaml": as_yaml(manifests)}


def as_yaml(manifests: Sequence[Mapping[str, Any]]) -> str:
    """The text of a file of manifests."""
    return yaml.dump_all(manifests, Dumper=_Dumper, sort_keys=False, width=100)


def manifest(version: str, kind: str, metadata: Mapping[str, Any], **parts: Any) -> dict[str, Any]:
    """An object of Kubernetes."""
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **parts}


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as they are; values that are shared are written out."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)


def _claim(storage: str) -> dict[str, Any]:
    return {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}}


def _schedule(job: NightlyJob, pod: dict[str, Any]) -> dict[str, Any]:
    first, second = job.clocks
    return {
        # Twice: on one day of the year the clocks skip an hour, and Kubernetes a start within it.
        "schedule": f"{first.minute} {first.hour},{second.hour} * * *",
        "timeZone": job.timezone,
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": STARTS_WITHIN_SECONDS,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 7,
        "jobTemplate": {"spec": _job(job, pod)},
    }


def _job(job: NightlyJob, pod: dict[str, Any]) -> dict[str, Any]:
    codes = {"containerName": "hexcast", "operator": "In", "values": FAILS_AT_ONCE}
    moved = {"type": "DisruptionTarget", "status": "True"}
    return {
        "backoffLimit": 6,
        "activeDeadlineSeconds": 60 * job.limit_minutes,
        "podFailurePolicy": {
            "rules": [
                {"action": "FailJob", "onExitCodes": codes},
                {"action": "Ignore", "onPodConditions": [moved]},
            ]
        },
        "template": {"spec": pod},
    }


def night_pod(job: NightlyJob, image: str, held: Held) -> dict[str, Any]:
    """The pod in which a night runs."""
    words = ["hexcast", *job.arguments(Path(CONFIG)), "--out", f"{OUTPUT}/{job.name}"]
    return pod(container(image, words, job.cores, job.memory_mib), held)


def pod(one: dict[str, Any], held: Held | None) -> dict[str, Any]:
    """A pod of one container, which is no root, and has a place of its own for temporary files.

    ``held``: what else it may read and write; that is put into its container.
    """
    found: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [one],
        "volumes": [],
    }
    if held is not None:
        _hold(found, held)
    mount(found, "tmp", TEMPORARY, {"emptyDir": {}})
    return found


def container(image: str, words: list[str], cores: int, memory_mib: int) -> dict[str, Any]:
    """A container that runs these words, with so much of a node, and cannot write to its image."""
    resources = {"cpu": str(cores), "memory": f"{memory_mib}Mi"}
    return {
        "name": "hexcast",
        "image": image,
        "command": words[:1],
        "args": words[1:],
        "env": [{"name": "HOME", "value": TEMPORARY}],
        "resources": {"requests": resources, "limits": resources},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [],
    }


def _hold(pod: dict[str, Any], held: Held) -> None:
    (one,) = pod["containers"]
    # Tokens: kubectl create secret generic NAME --from-literal=SOCRATA_APP_TOKEN=...
    one["envFrom"] = [{"secretRef": {"name": held.secret, "optional": True}}]
    folder = str(Path(CONFIG).parent)
    mount(pod, "config", folder, {"configMap": {"name": held.config}}, read_only=True)
    mount(pod, "output", OUTPUT, {"persistentVolumeClaim": {"claimName": held.claim}})
    if held.data:
        claim = {"claimName": "hexcast-data", "readOnly": True}
        mount(pod, "data", DATA, {"persistentVolumeClaim": claim}, read_only=True)
        add_variables(pod, {"HEXCAST_DATA": DATA})


def mount(
    pod: dict[str, Any], name: str, path: str, volume: dict[str, Any], read_only: bool = False
) -> None:
    """Give a pod's container a volume."""
    (one,) = pod["containers"]
    only = {"readOnly": True} if read_only else {}
    one["volumeMounts"].append({"name": name, "mountPath": path, **only})
    pod["volumes"].append({"name": name, **volume})


def add_variables(pod: dict[str, Any], values: Mapping[str, str]) -> None:
    """Give a pod's container variables."""
    (one,) = pod["containers"]
    one["env"] += [{"name": name, "value": value} for name, value in values.items()]
