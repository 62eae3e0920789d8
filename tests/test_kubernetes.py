"""Nights on Kubernetes, as far as they can be seen without one: kubectl is a stand-in."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask
import pytest
import yaml
from cities import Small, small_file
from dask_processes import dask_processes
from distributed import LocalCluster
from kube_night import PODS, a_night, hexcast

from cluster.connect import connect
from cluster.errors import ClusterUnavailableError
from cluster.pods import found_in_pod
from cluster.spec import Certificates, ClusterSpec
from cluster.submit.dask_job import Night, manifests, unique_name
from pipeline.cli import main
from pipeline.load import load_config

# What is asked for


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"workers": 0}, "how many workers"),
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


def refused(said: str) -> Any:
    return pytest.raises(ClusterUnavailableError, match=said)


def test_outside_a_pod_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    with (
        refused("hexcast submit CONFIG --cluster NAME"),
        connect(ClusterSpec(**PODS)),
    ):
        pass


def test_a_night_outside_a_pod_begins_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    city = small_file(tmp_path, Small(days=1).rows(), cluster=PODS)
    found = hexcast("nightly", city)
    assert found.returncode == 69
    assert "hexcast submit CONFIG --cluster NAME" in found.stderr
    assert not (tmp_path / "store").exists()


def test_in_a_pod_the_operators_scheduler_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as cluster:
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster.scheduler_address)
        with refused("update the Dask operator, .* say insecure: true"):
            found_in_pod(ClusterSpec(**PODS))
        with connect(ClusterSpec(**PODS, insecure=True, wait_for=2)) as client:
            assert len(client.nthreads()) == 2
        more = PODS | {"workers": 3, "insecure": True}
        short = ClusterSpec(**more, wait_for=3, timeout_seconds=3)
        with refused("kubectl get pods"), connect(short):
            pass


# The manifest


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return a_night(tmp_path)


PEM = Certificates(ca="an authority", cert="a certificate", key="its key")


def parts(night: Night) -> tuple[dict[str, Any], dict[str, Any]]:
    _, known, job = yaml.safe_load_all(manifests(night, unique_name(night.job.name), PEM))
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


def test_pods_talk_encrypted_by_a_secret_of_their_own(night: Night) -> None:
    secret, _, job = yaml.safe_load_all(manifests(night, "a-night", PEM))
    assert secret["metadata"] == job["metadata"]
    keys = {"ca.crt": PEM.ca, "tls.crt": PEM.cert, "tls.key": PEM.key}
    assert (secret["kind"], secret["stringData"]) == ("Secret", keys)
    cluster = job["spec"]["cluster"]["spec"]
    pods = job["spec"]["job"]["spec"], cluster["scheduler"]["spec"], cluster["worker"]["spec"]
    told = []
    for pod in pods:
        (volume,) = (each for each in pod["volumes"] if each["name"] == "tls")
        assert volume["secret"] == {"secretName": "a-night"}
        (one,) = pod["containers"]
        told.append({each["name"]: each["value"] for each in one["env"]})
        assert told[-1]["DASK_DISTRIBUTED__COMM__TLS__CA_FILE"] == "/etc/hexcast-tls/ca.crt"
        # The operator leaves an address as it is where there is one.
        assert told[-1]["DASK_SCHEDULER_ADDRESS"] == "tls://a-night-scheduler:8786"
    require = "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION"
    assert [require in each for each in told] == [False, True, True]
    assert "--protocol tls" in " ".join(pods[1]["containers"][0]["args"])


def test_in_a_pod_certificates_are_those_of_its_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dask_processes(tmp_path, 2) as processes:
        tls = processes.spec["tls"]
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", processes.spec["address"])
        names = {f"distributed.comm.tls.client.{key}": tls[key] for key in ("cert", "key")}
        spec = ClusterSpec(**PODS)
        with dask.config.set({"distributed.comm.tls.ca-file": tls["ca"], **names}):
            with connect(spec) as client:
                assert client.scheduler.address.startswith("tls://")
            # Beside them the night may start processes of its own, which talk on its loopback.
            with connect(spec.beside.model_copy(update={"workers": 1})) as client:
                assert client.scheduler.address.startswith("tcp://127.0.0.1")
        with refused("without certificates"), connect(spec):
            pass


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
    secret, known, job = yaml.safe_load_all(found.stdout)
    assert set(secret["stringData"].values()) == {"..."}
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


# Schedules


@pytest.mark.parametrize("kind", ["kubernetes", "slurm"])
def test_a_schedule_of_this_machine_submits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    city = small_file(tmp_path, Small(days=1).rows(), cluster={"kind": kind, "workers": 2})
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
        if scheduler == "systemd":  # which starts no unit whose paths are not there
            assert f"ReadWritePaths=-{tmp_path / 'store'}\n" in shown.out
            assert "TimeoutStartSec=680min" in shown.out


def test_a_night_of_slurm_is_submitted_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = {"kind": "slurm", "workers": 2, "options": {"partition": "short"}}
    city = small_file(tmp_path, Small(days=1).rows(), cluster=spec)
    shown = hexcast("submit", city, "--dry-run", "--accept-quality")
    assert shown.returncode == 0, shown.stderr
    assert "#SBATCH --partition=short\n" in shown.stdout
    assert f"nightly {city} --out {tmp_path / 'store'} --accept-quality" in shown.stdout
    monkeypatch.setenv("PATH", "/nonexistent")
    missing = hexcast("submit", city)
    assert missing.returncode == 69
    assert "sbatch is not here" in missing.stderr
