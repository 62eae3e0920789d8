"""Nights submitted to Kubernetes: kubectl is a stand-in that runs what a pod would."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import psutil
import pytest
import yaml
from cities import Small
from dask_processes import end
from kube_night import HEXCAST, PODS, a_night, hexcast, stand_in, submittable
from lived import MODEL, NIGHT
from waiting import until

from cluster.certificates import make_certificates
from cluster.errors import ClusterUnavailableError
from cluster.spec import ClusterSpec
from cluster.submit.dask_job import Night
from cluster.submit.kubectl import require_kubectl
from cluster.submit.kubernetes import require_operator, run
from cluster.submit.pod_state import parse_pod


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return a_night(tmp_path)


@pytest.fixture
def kube(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return stand_in(tmp_path, monkeypatch)


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
    assert re.fullmatch(r"tls://hexcast-small-\w{8}-scheduler:8786", lines[0])
    assert lines[1].startswith(f"hexcast nightly {kube}/etc/city.yaml --cluster pods --out {kube}")
    assert ("out", "to be read") in said
    assert lines[2:] == ["to be read", "line 0", "line 1", "line 2", "an end without one"]
    assert left(kube) == []
    deleted = [call for call in (kube / "calls").read_text().splitlines() if "delete" in call]
    assert len(deleted) == 5
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
        ("ContainerCreating", r'\(ContainerCreating; .* secret "certs" not found\): make what'),
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


def test_who_ends_the_command_ends_the_night(
    kube: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By SIGTERM: Ctrl-C's signal is ignored below a shell that has started the tests beside it."""
    monkeypatch.setenv("LOOPS", "600")
    city = submittable(tmp_path)
    words = [str(HEXCAST), "submit", str(city), "--cluster", "pods"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        until((kube / "log").exists, "the night's log")
        until(lambda: "line 1\n" in (kube / "log").read_text(), "the night's lines")
        assert len(left(kube)) == 5
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 143, said
    assert left(kube) == []
    assert not psutil.pid_exists(int((kube / "pid").read_text()))


def test_the_command_submits_and_ends_as_the_night(
    kube: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODE", "66")
    city = submittable(tmp_path)
    found = hexcast("submit", city, "--cluster", "pods", "--json")
    assert (found.returncode, found.stdout) == (66, "to be read\n"), found.stderr
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


def write_certificates(folder: Path) -> Path:
    """What Kubernetes makes of a night's Secret."""
    folder.mkdir()
    made = make_certificates()
    for name, text in {"ca.crt": made.ca, "tls.crt": made.cert, "tls.key": made.key}.items():
        (folder / name).write_text(text)
    return folder


@contextmanager
def pods(manifest: str, folder: Path, tls: Path) -> Iterator[str]:
    """Dask's scheduler and the workers, as their pods would run them; its address."""
    *_, job = yaml.safe_load_all(manifest)
    parts = job["spec"]["cluster"]["spec"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    address = f"tls://127.0.0.1:{port}"
    started: list[subprocess.Popen[bytes]] = []
    wanted = [("scheduler", 0), *(("worker", i) for i in range(parts["worker"]["replicas"]))]
    try:
        for role, number in wanted:
            (one,) = parts[role]["spec"]["containers"]
            name = f"{role}{number}"
            there = {"$(DASK_WORKER_NAME)": name, "8786": port, "/tmp": str(folder / name)}
            words = [there.get(word, word) for word in one["command"] + one["args"]]
            told = {each["name"]: each["value"] for each in one["env"]}
            told = {n: v.replace("/etc/hexcast-tls", str(tls)) for n, v in told.items()}
            with (folder / f"{name}.log").open("wb") as log:
                started.append(
                    subprocess.Popen(
                        [str(HEXCAST.with_name(words[0])), *words[1:]],
                        env=os.environ | told | {"DASK_SCHEDULER_ADDRESS": address},
                        cwd=folder, stdout=log, stderr=log, start_new_session=True,
                    )
                )  # fmt: skip
        yield address
    finally:
        for process in started:
            end(process)


def test_a_whole_night_runs_in_a_pod(
    kube: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hexcast itself and the pods beside it, which know of each other by the environment alone."""
    (tmp_path / "tools" / "hexcast").unlink()
    (tmp_path / "tools" / "hexcast").symlink_to(HEXCAST)
    monkeypatch.setenv("HEXCAST_DATA", str(tmp_path))
    city = submittable(tmp_path, Small().rows(), model=MODEL)
    text = city.read_text()
    city.write_text(text.replace("in/*.csv", "${HEXCAST_DATA}/in/*.csv"))
    words = ("submit", city, "--cluster", "pods", "--as-of", NIGHT.isoformat())
    tls = write_certificates(tmp_path / "tls")
    with pods(hexcast(*words, "--dry-run").stdout, tmp_path, tls) as address:
        monkeypatch.setenv("FAKE_SCHEDULER", address)
        monkeypatch.setenv("FAKE_TLS", str(tls))
        found = hexcast(*words, "--json")
    assert found.returncode == 0, found.stderr
    assert '"stage": "train"' in found.stderr
    assert "Register" in (tmp_path / "scheduler0.log").read_text()
    assert (kube / "store" / "small" / "latest").exists()
    assert not (tmp_path / "store").exists()
    assert left(kube) == []
