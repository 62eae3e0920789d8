"""A CronJob that runs a night in a pod, with its configuration and its volumes."""

from __future__ import annotations

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


def cron_job(
    job: NightlyJob, config: str, image: str, data: bool = False, storage: str = "50Gi"
) -> dict[str, str]:
    """The manifest of a city, by file name: ConfigMap, claim of the store, CronJob.

    ``config``: the text of the configuration. ``data``: it reads files below HEXCAST_DATA, which in
    the pod is ``DATA``, the claim hexcast-data.
    """
    name = f"hexcast-{job.name}".replace("_", "-").rstrip("-")
    pod = _pod(job, name, image)
    if data:
        _mount_data(pod)
    manifests = [
        _manifest("v1", "ConfigMap", name, data={"city.yaml": config}),
        _manifest("v1", "PersistentVolumeClaim", name, spec=_claim(storage)),
        _manifest("batch/v1", "CronJob", name, spec=_schedule(job, pod)),
    ]
    text = yaml.dump_all(manifests, Dumper=_Dumper, sort_keys=False, width=100)
    return {f"hexcast-{job.name}.yaml": text}


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as they are; values that are shared are written out."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)


def _manifest(version: str, kind: str, name: str, **parts: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **parts}


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


def _pod(job: NightlyJob, name: str, image: str) -> dict[str, Any]:
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(job, name, image)],
        "volumes": [
            {"name": "config", "configMap": {"name": name}},
            {"name": "output", "persistentVolumeClaim": {"claimName": name}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }


def _container(job: NightlyJob, name: str, image: str) -> dict[str, Any]:
    resources = {"cpu": job.cores, "memory": f"{job.memory_mib}Mi"}
    return {
        "name": "hexcast",
        "image": image,
        "command": ["hexcast"],
        "args": [*job.arguments(Path(CONFIG)), "--out", f"{OUTPUT}/{job.name}"],
        "env": [{"name": "HOME", "value": TEMPORARY}],
        # Tokens: kubectl create secret generic NAME --from-literal=SOCRATA_APP_TOKEN=...
        "envFrom": [{"secretRef": {"name": name, "optional": True}}],
        "resources": {"requests": resources, "limits": resources},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/hexcast", "readOnly": True},
            {"name": "output", "mountPath": OUTPUT},
            {"name": "tmp", "mountPath": TEMPORARY},
        ],
    }


def _mount_data(pod: dict[str, Any]) -> None:
    claim = {"claimName": "hexcast-data", "readOnly": True}
    pod["volumes"].append({"name": "data", "persistentVolumeClaim": claim})
    (container,) = pod["containers"]
    container["volumeMounts"].append({"name": "data", "mountPath": DATA, "readOnly": True})
    container["env"].append({"name": "HEXCAST_DATA", "value": DATA})
