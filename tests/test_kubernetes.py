"""Nights on Kubernetes, as far as they can be seen without one: kubectl is a stand-in."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import time
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil
import pytest
import yaml
from cities import Small, small_file
from distributed import LocalCluster

from cluster.connect import connect
from cluster.errors import ClusterUnavailableError
from cluster.schedules.job import NightlyJob
from cluster.spec import ClusterSpec
from cluster.submit.dask_job import Night, manifests, unique_name
from cluster.submit.kubectl import require_kubectl
from cluster.submit.kubernetes import require_operator, run
from cluster.submit.pod_state import parse_pod
from pipeline.cli import main
from pipeline.load import load_config

PODS = {"kind": "kubernetes", "workers": 2, "insecure": True}
HEXCAST = Path(sys.executable).with_name("hexcast")
NIGHT = """#!/bin/sh
echo "$DASK_SCHEDULER_ADDRESS"
echo "hexcast $*" >&2
i=0; while [ $i -lt $LOOPS ]; do echo "line $i"; i=$((i+1)); sleep 0.1; done
printf 'an end without one'
exit $CODE
"""


# What is asked for


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"workers": 0}, "how many workers"),
        ({"insecure": False}, "say insecure: true"),
        ({"namespace": "Crime_1"}, "namespace"),
        ({"claim": "a/b"}, "claim"),
        ({"image": "two words"}, "image"),
        ({"address": "tcp://127.0.0.1:8786"}, "go with kind: address"),
        ({"options": {"partition": "short"}}, "go with kind: slurm"),
        ({"kind": "local", "image": "hexcast:1"}, "image goes with kind: kubernetes, not"),
        ({"kind": "local", "claim": "store"}, "claim goes with kind: kubernetes"),
    ],
)
def test_what_a_cluster_of_pods_cannot_be(keys: dict[str, Any], said: str) -> None:
    ClusterSpec(**PODS)
    with pytest.raises(ValueError, match=said):
        ClusterSpec(**PODS | keys)


def test_what_pods_cannot_do_is_done_here() -> None:
    asked = ClusterSpec(**PODS, image="hexcast:1", namespace="crime", claim="store")
    assert ClusterSpec.model_validate(asked.beside.model_dump()).kind == "local"


# In a pod


def test_outside_a_pod_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    with (
        pytest.raises(ClusterUnavailableError, match="hexcast submit CONFIG --cluster NAME"),
        connect(ClusterSpec(**PODS)),
    ):
        pass


def test_in_a_pod_the_operators_scheduler_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster.scheduler_address)
        with connect(ClusterSpec(**PODS, wait_for=2)) as client:
            assert len(client.nthreads()) == 2
        short = ClusterSpec(**PODS | {"workers": 3}, wait_for=3, timeout_seconds=0.5)
        with pytest.raises(ClusterUnavailableError, match="kubectl get pods"), connect(short):
            pass


# The manifest


@pytest.fixture
def night(tmp_path: Path) -> Night:
    job = NightlyJob(
        name="small",
        config=tmp_path / "small.yaml",
        hexcast=HEXCAST,
        output=tmp_path / "store",
        timezone="America/Denver",
        cutoff=time(0),
        cluster="pods",
        limit_minutes=10,
    )
    return Night(job, ClusterSpec(**PODS), "name: small\n", "hexcast:1")


def parts(night: Night) -> tuple[dict[str, Any], dict[str, Any]]:
    known, job = yaml.safe_load_all(manifests(night, unique_name(night.job.name)))
    return known, job


@pytest.mark.parametrize("version", ["1.31", "1.35"])
@pytest.mark.parametrize("data", [False, True])
def test_kubernetes_takes_the_pods(night: Night, version: str, data: bool) -> None:
    checker = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed"
    )
    known, job = parts(replace(night, data=data))
    checker.validate(known, version, strict=True)
    cluster = job["spec"]["cluster"]["spec"]
    specs = [job["spec"]["job"], cluster["scheduler"], cluster["worker"]]
    for spec in (each["spec"] for each in specs):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": job["metadata"], "spec": spec}
        checker.validate(pod, version, strict=True)
        (one,) = spec["containers"]
        assert [each["name"] for each in one["volumeMounts"]] == [
            each["name"] for each in spec["volumes"]
        ]
        # The operator's own schema takes no number.
        assert all(isinstance(each, str) for each in one["resources"]["limits"].values())
    with pytest.raises(checker.ValidationError):
        checker.validate(pod | {"spec": spec | {"backoffLimit": 0}}, version, strict=True)
    service = cluster["scheduler"]["service"]
    checker.validate(
        {"apiVersion": "v1", "kind": "Service", "metadata": job["metadata"], "spec": service},
        version,
        strict=True,
    )


def test_the_pods_are_those_that_were_asked_for(night: Night) -> None:
    spec = ClusterSpec(**PODS, namespace="crime", claim="store", memory_gib=3)
    known, job = parts(replace(night, spec=spec))
    assert known["metadata"]["namespace"] == job["metadata"]["namespace"] == "crime"
    own, cluster = job["spec"]["job"]["spec"], job["spec"]["cluster"]["spec"]
    assert own["activeDeadlineSeconds"] == 600
    assert own["restartPolicy"] == "Never"
    worker = cluster["worker"]
    assert worker["replicas"] == 2
    (one,) = worker["spec"]["containers"]
    assert "3072MiB" in one["args"]
    assert one["resources"]["limits"]["memory"] == "3584Mi"
    for pod in (own, worker["spec"]):
        volumes = {each["name"]: each for each in pod["volumes"]}
        assert volumes["output"]["persistentVolumeClaim"]["claimName"] == "store"
        assert volumes["config"]["configMap"]["name"] == known["metadata"]["name"]
    selector = cluster["scheduler"]["service"]["selector"]
    assert selector["dask.org/cluster-name"] == job["metadata"]["name"]


@pytest.mark.parametrize("city", ["a", "new_york_", "x" * 90, "a_very-long_name-of-a--city--_x"])
def test_names_have_room_for_what_the_operator_adds(city: str) -> None:
    one, other = unique_name(city), unique_name(city)
    assert one != other
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", one)
    assert len(f"{one}-default-worker-0123456789") <= 63


def test_what_a_pod_is_sent_is_read_as_it_was_meant(tmp_path: Path) -> None:
    (tmp_path / "clusters.yaml").write_text(yaml.safe_dump({"pods": PODS, "other": {}}))
    city = small_file(tmp_path, Small(days=1).rows())
    found = hexcast("submit", city, "--cluster", "pods", "--dry-run")
    assert found.returncode == 0, found.stderr
    known, job = yaml.safe_load_all(found.stdout)
    (one,) = job["spec"]["job"]["spec"]["containers"]
    words = one["args"]
    assert words[:4] == ["nightly", "/etc/hexcast/city.yaml", "--cluster", "pods"]
    assert words.count("--out") == 1
    there = tmp_path / "there"
    there.mkdir()
    for name, text in known["data"].items():
        (there / name).write_text(text)
    config = load_config(there / "city.yaml", cluster=words[3])
    assert config.cluster == ClusterSpec(**PODS)
    assert config.fingerprint == load_config(city, cluster="pods").fingerprint
    assert hexcast("submit", city, "--cluster", "pods", "--out", "x").returncode == 78


# A submitted night


@pytest.fixture
def kube(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a stand-in's objects, with kubectl and a night first on the PATH."""
    root, tools = tmp_path / "kube", tmp_path / "tools"
    root.mkdir()
    tools.mkdir()
    fake = Path(__file__).with_name("fake_kubectl.py")
    for name, text in (
        ("kubectl", f'#!/bin/sh\nexec "{sys.executable}" "{fake}" "$@"\n'),
        ("hexcast", NIGHT),
    ):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    for name, value in {
        "PATH": f"{tools}:/usr/bin:/bin", "FAKE_PATH": str(tools), "FAKE_KUBE": str(root),
        "CODE": "0", "LOOPS": "3",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("cluster.submit.kubernetes.LOOK_SECONDS", 0.05)
    return root


def left(kube: Path) -> list[str]:
    return [path.name for path in kube.glob("*.json")]


def told(night: Night) -> tuple[int, list[tuple[str, str]]]:
    said: list[tuple[str, str]] = []
    code = run(night, lambda stream, line: said.append((stream, line)))
    return code, said


@pytest.mark.parametrize("code", [0, 66])
def test_words_and_exit_code_of_the_night_come_through(
    night: Night, kube: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setenv("CODE", str(code))
    found, said = told(night)
    assert found == code
    lines = [line for _, line in said if "pending" not in line][1:]
    assert lines[0] == "tcp://nowhere:8786"
    assert lines[1].startswith(f"hexcast nightly {kube}/etc/city.yaml --cluster pods --out {kube}")
    assert lines[2:] == ["line 0", "line 1", "line 2", "an end without one"]
    assert left(kube) == []
    deleted = [call for call in (kube / "calls").read_text().splitlines() if "delete" in call]
    assert len(deleted) == 4
    assert not any("claim" in call or "pvc" in call for call in deleted)


def test_lines_are_said_as_they_come_also_after_a_cut(
    night: Night, kube: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOPS", "30")
    monkeypatch.setenv("FAKE_MODE", "cut")
    early: list[str] = []

    def say(_: str, line: str) -> None:
        if not (kube / "code").exists():
            early.append(line)
        every.append(line)

    every: list[str] = []
    assert run(night, say) == 0
    assert (kube / "was cut").exists()
    assert "line 10" in early
    assert [line for line in every if line.startswith("line ")] == [f"line {i}" for i in range(30)]


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("ImagePullBackOff", r"within 1 s \(ImagePullBackOff: .*correct cluster\.image"),
        ("Unschedulable", r"\(Unschedulable: 0/3 nodes\): see cluster\.claim"),
        ("idle operator", "nobody has made pod .*: install the Dask operator"),
        ("no operator", "no matches for kind .*: install the Dask operator"),
        ("unreachable", "does not take the night .*i/o timeout"),
    ],
)
def test_a_night_that_does_not_start_is_given_up(
    night: Night, kube: Path, monkeypatch: pytest.MonkeyPatch, mode: str, said: str
) -> None:
    monkeypatch.setenv("FAKE_MODE", mode)
    lines: list[str] = []
    begun = monotonic()
    with pytest.raises(ClusterUnavailableError, match=said):
        run(
            replace(night, spec=ClusterSpec(**PODS, timeout_seconds=1)),
            lambda _, line: lines.append(line),
        )
    assert monotonic() - begun < 20
    assert any("is pending: ImagePull" in line for line in lines) == (mode == "ImagePullBackOff")
    assert any("may still be there" in line for line in lines) == (mode == "unreachable")
    assert left(kube) == []


@pytest.mark.parametrize("mode", ["OOMKilled", "Evicted"])
def test_a_night_that_was_ended_is_to_be_run_again(
    night: Night, kube: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("FAKE_MODE", mode)
    code, said = told(night)
    assert code == 75
    assert f"the night was ended ({mode}" in said[-1][1]
    assert left(kube) == []


@pytest.mark.parametrize("way", [signal.SIGTERM, signal.SIGINT])
def test_who_ends_the_command_ends_the_night(
    kube: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: signal.Signals
) -> None:
    monkeypatch.setenv("LOOPS", "600")
    city = submittable(tmp_path)
    words = [str(HEXCAST), "submit", str(city), "--cluster", "pods"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        until((kube / "log").exists, "the night's log")
        until(lambda: "line 1\n" in (kube / "log").read_text(), "the night's lines")
        assert len(left(kube)) == 4
        process.send_signal(way)
        _, said = process.communicate(timeout=30)
    assert process.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130}[way], said
    assert left(kube) == []
    assert not psutil.pid_exists(int((kube / "pid").read_text()))


def until(met: Callable[[], bool], what: str, seconds: float = 30) -> None:
    end = monotonic() + seconds
    while not met():
        assert monotonic() < end, f"in vain: {what}"
        sleep(0.05)


def submittable(folder: Path) -> Path:
    (folder / "clusters.yaml").write_text(yaml.safe_dump({"pods": PODS}))
    return small_file(folder, Small(days=1).rows())


def hexcast(*words: object) -> subprocess.CompletedProcess[str]:
    command = [str(HEXCAST), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_command_submits_and_ends_as_the_night(
    kube: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODE", "66")
    city = submittable(tmp_path)
    found = hexcast("submit", city, "--cluster", "pods", "--json")
    assert (found.returncode, found.stdout) == (66, ""), found.stderr
    assert "line 2" in found.stderr.splitlines()
    assert "--json" in (kube / "log").read_text()
    monkeypatch.setenv("FAKE_MODE", "unreachable")
    assert hexcast("submit", city, "--cluster", "pods").returncode == 69
    monkeypatch.setenv("PATH", str(kube))
    missing = hexcast("submit", city, "--cluster", "pods")
    assert missing.returncode == 69
    assert "kubectl is not on the PATH" in missing.stderr


def test_a_check_sees_the_operator(kube: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_operator("crime")
    assert (kube / "calls").read_text().startswith("--namespace crime get daskjobs")
    monkeypatch.setenv("FAKE_MODE", "no operator")
    with pytest.raises(ClusterUnavailableError, match="no DaskJobs can be seen"):
        require_operator(None)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ClusterUnavailableError, match="kubectl"):
        require_kubectl()


@pytest.mark.parametrize(
    ("status", "code", "cannot"),
    [
        ({"terminated": {"exitCode": 0, "reason": "OOMKilled"}}, 0, False),
        ({"terminated": {"exitCode": 65, "reason": "Error"}}, 65, False),
        ({"terminated": {"exitCode": 137, "reason": "Error"}}, None, False),
        ({"terminated": {"exitCode": 128, "reason": "StartError"}}, None, True),
        ({"terminated": {"exitCode": 127, "reason": "Error"}}, 127, True),
    ],
)
def test_how_a_pod_ended(status: dict[str, Any], code: int | None, cannot: bool) -> None:
    known = {"phase": "Failed", "containerStatuses": [{"name": "hexcast", "state": status}]}
    state = parse_pod(json.dumps({"status": known}))
    assert (state.own_code, state.cannot_start, state.ended) == (code, cannot, True)
    late = parse_pod(json.dumps({"status": known | {"reason": "DeadlineExceeded"}}))
    assert late.own_code == (0 if code == 0 else None)


# Schedules


@pytest.mark.parametrize("kind", ["kubernetes", "slurm"])
def test_a_schedule_of_this_machine_submits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    spec = {"kind": kind, "workers": 2} | ({"insecure": True} if kind == "kubernetes" else {})
    city = small_file(tmp_path, Small(days=1).rows(), cluster=spec)
    codes = {"cron": 0, "systemd": 0, "kubernetes": 78, "slurm": 0 if kind == "slurm" else 78}
    for scheduler, code in codes.items():
        monkeypatch.setattr(sys, "argv", ["hexcast", "schedule", str(city), "--for", scheduler])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert int(stopped.value.code or 0) == code, scheduler
        shown = capsys.readouterr()
        if code:
            assert "use --for cron or systemd" in shown.err
        else:
            verb = "nightly" if scheduler == "slurm" else "submit"
            assert f"hexcast {verb} {city}" in shown.out
