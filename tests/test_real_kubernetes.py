"""Nights submitted to a real control plane, whose DaskJobs Dask's own operator runs.

Only the node is ours: it runs pods as processes of this machine.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cities import Small, small_file
from kube_control_plane import FOLDER, absent, control_plane
from kube_node import Node
from lived import MODEL, NIGHT
from waiting import until

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.skipif(
        bool(absent()), reason=f"make test-kubernetes: {', '.join(absent())} absent"
    ),
]
HEXCAST = Path(sys.executable).with_name("hexcast")
OURS = "app.kubernetes.io/managed-by=hexcast-submit"
CLAIMS = ("hexcast-small", "hexcast-data")
KEYS = {"kind": "kubernetes", "workers": 2, "memory_gib": 2, "timeout_seconds": 60}
CLUSTERS = {
    "pods": KEYS,
    "nowhere": KEYS | {"image": "nowhere:1", "timeout_seconds": 10},
    "lost": KEYS | {"claim": "lost", "timeout_seconds": 10},
}


@dataclass(frozen=True)
class Real:
    kubeconfig: Path
    node: Node
    folder: Path

    def kubectl(self, *words: str, text: str = "") -> str:
        command = [str(FOLDER / "bin/kubectl"), f"--kubeconfig={self.kubeconfig}", *words]
        return subprocess.run(
            command, input=text, capture_output=True, text=True, check=True, timeout=60
        ).stdout

    def left(self) -> list[str]:
        """What is there of runs, also of what the operator has made."""
        kinds = "daskjobs,daskclusters,daskworkergroups,deployments,replicasets,services"
        kinds = f"{kinds},configmaps,secrets,pods"
        return self.kubectl("get", kinds, "-o", "name", "-l", OURS).split()

    def submit(self, cluster: str, *more: str) -> subprocess.Popen[str]:
        words = [str(HEXCAST), "submit", str(self.folder / "small.yaml"), "--cluster", cluster]
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        environment["PATH"] = f"{FOLDER / 'bin'}:{environment['PATH']}"
        environment["HEXCAST_DATA"] = str(self.folder / "in")
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*words, "--as-of", NIGHT.isoformat(), *more],
            stdout=pipe, stderr=pipe, text=True, env=environment,
        )  # fmt: skip


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    folder = tmp_path_factory.mktemp("kubernetes")
    path = small_file(folder, Small().rows(), model=MODEL)
    path.write_text(path.read_text().replace("in/*.csv", "${HEXCAST_DATA}/*.csv"))
    (folder / "clusters.yaml").write_text(yaml.safe_dump(CLUSTERS))
    with control_plane(folder / "plane") as (kubeconfig, node):
        node.claims = dict(zip(CLAIMS, (folder / "claim", folder / "in"), strict=True))
        (folder / "claim").mkdir()
        found = Real(kubeconfig, node, folder)
        made = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects()})
        found.kubectl("create", "--filename=-", "--validate=false", text=made)
        yield found


def objects() -> list[dict[str, Any]]:
    """Claims, and volumes for them."""
    core = {"apiVersion": "v1"}
    made: list[dict[str, Any]] = []
    modes, room = {"accessModes": ["ReadWriteOnce"]}, {"storage": "1Gi"}
    for name in CLAIMS:
        path, claimed = {"path": f"/nowhere/{name}"}, {"resources": {"requests": room}}
        for kind, spec in (
            ("PersistentVolume", {"capacity": room, "hostPath": path}),
            ("PersistentVolumeClaim", claimed),
        ):
            made.append(core | {"kind": kind, "metadata": {"name": name}, "spec": modes | spec})
    return made


def nothing_is_left(real: Real) -> None:
    """But the pods of scheduler and workers, which have some seconds to end in."""
    assert [name for name in real.left() if not name.startswith("pod/")] == []
    until(lambda: not real.left(), "the end of pods", 30)


def test_a_night_with_models_runs_and_leaves_its_store(real: Real) -> None:
    with real.submit("pods", "--json") as process:
        out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert json.loads(out)["city"] == "small"
    assert (real.folder / "claim" / "small" / "latest").exists()
    nothing_is_left(real)
    assert "hexcast-small" in real.kubectl("get", "persistentvolumeclaims", "-o", "name")
    with real.submit("pods") as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, "done already" in out) == (0, True), err
    nothing_is_left(real)


@pytest.mark.parametrize(
    ("cluster", "reason"),
    [
        ("nowhere", "ImagePullBackOff"),
        ("lost", 'persistentvolumeclaim "lost" not found'),
    ],
)
def test_what_cannot_start_is_said(real: Real, cluster: str, reason: str) -> None:
    with real.submit(cluster) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 69
    assert "has not started within 10 s" in err.splitlines()[-1]
    assert reason in err.splitlines()[-1]
    nothing_is_left(real)


def test_sigterm_ends_the_night(real: Real) -> None:
    store = real.folder / "claim" / "small"
    shutil.rmtree(store, ignore_errors=True)
    with real.submit("pods") as process:
        until((store / "silver").exists, "silver")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=90)
    assert process.returncode == 143, err
    nothing_is_left(real)
    assert not (store / "latest").exists()
    attempt = (store / "logs" / "attempts.jsonl").read_text().splitlines()[-1]
    assert json.loads(attempt)["error"] == "ended by SIGTERM"


def test_a_drained_node_is_tried_again(real: Real) -> None:
    shutil.rmtree(real.folder / "claim" / "small", ignore_errors=True)
    with real.submit("pods") as process:
        assert process.stderr
        next(line for line in process.stderr if '"stage"' in line)
        (night,) = [name for name in real.left() if name.endswith("-runner")]
        real.kubectl("delete", "--wait=false", night)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 75, err
    nothing_is_left(real)


def running(real: Real) -> bool:
    shown = real.kubectl("get", "pods", "-l", "dask.org/component=job-runner", "-o", "json")
    return any(pod["status"].get("phase") == "Running" for pod in json.loads(shown)["items"])


def test_what_a_killed_command_leaves_is_found(real: Real) -> None:
    with real.submit("pods") as process:
        until(lambda: "runner" in str(real.left()) and running(real), "the night's pod")
        process.kill()
    assert real.left()
    real.kubectl("delete", "daskjobs,configmaps,secrets", "-l", OURS, "--cascade=foreground")
    nothing_is_left(real)
