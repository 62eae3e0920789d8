"""Clusters by name, and what is asked of their workers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from cities import Small, small_file
from dask_processes import make_certificates
from distributed import Client

from cluster.connect import connect
from cluster.errors import ClusterUnavailableError
from cluster.gpu import device_of, own_gpu
from cluster.spec import ClusterSpec
from pipeline.errors import ConfigError
from pipeline.load import load_config

EXAMPLES = Path(__file__).parents[1] / "configs" / "clusters.yaml"


def city(folder: Path, clusters: Mapping[str, Any] | None = None, **changes: Any) -> Path:
    """A configuration, and the clusters beside it."""
    if clusters is not None:
        (folder / "clusters.yaml").write_text(yaml.safe_dump(dict(clusters)))
    return small_file(folder, Small(days=1).rows(), **changes)


def test_a_name_stands_for_the_keys_beside_the_configuration(tmp_path: Path) -> None:
    path = city(tmp_path, {"few": {"workers": 3}, "many": {"workers": 30}}, cluster="many")
    assert load_config(path).cluster.workers == 30
    assert load_config(path, cluster="few").cluster.workers == 3
    assert load_config(path, cluster="local").cluster == ClusterSpec()


def test_the_cluster_does_not_decide_what_a_forecast_is(tmp_path: Path) -> None:
    path = city(tmp_path, {"few": {"workers": 3}})
    one, other = load_config(path), load_config(path, cluster="few")
    assert one.cluster != other.cluster
    assert one.fingerprint == other.fingerprint
    assert one.model_fingerprint == other.model_fingerprint


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_device_does_not_decide_which_model_fits(tmp_path: Path, device: str) -> None:
    plain, other = (
        load_config(city(tmp_path)),
        load_config(city(tmp_path, model={"device": device})),
    )
    assert plain.model.device == "auto"
    assert other.model.device == device
    assert plain.fingerprint == other.fingerprint
    assert plain.model_fingerprint == other.model_fingerprint


def test_an_unknown_name_is_said_with_the_nearest(tmp_path: Path) -> None:
    path = city(tmp_path, {"office": {"workers": 3}})
    with pytest.raises(ConfigError, match=r"cluster 'ofice' is not in .*did you mean office\?"):
        load_config(path, cluster="ofice")


def test_a_name_without_a_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cluster 'office' is not in .*clusters\.yaml: use one"):
        load_config(city(tmp_path), cluster="office")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"wrkers": 3}, r"clusters\.yaml: office\.wrkers: unknown key; did you mean workers\?"),
        ({"workers": -3}, r"clusters\.yaml: office\.workers: .* \(found -3\)"),
        (
            {"kind": "address"},
            r"clusters\.yaml: office: kind: address needs the scheduler's address",
        ),
        ({"tls": {"ca": "${NOT_THERE}"}}, r"clusters\.yaml: office\.tls: .*has no NOT_THERE"),
    ],
)
def test_a_fault_of_a_named_cluster_is_told_as_its_own(
    tmp_path: Path, keys: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(city(tmp_path, {"office": keys}), cluster="office")


def test_certificates_lie_where_the_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tls").mkdir()
    make_certificates(tmp_path / "tls", "127.0.0.1")
    monkeypatch.setenv("DASK_TLS", str(tmp_path / "tls"))
    files = {"ca": "tls/ca.pem", "cert": "${DASK_TLS}/cert.pem", "key": "tls/key.pem"}
    office = {"kind": "address", "address": "tls://far.example:8786", "tls": files}
    spec = load_config(city(tmp_path, {"office": office}), cluster="office").cluster
    assert spec.tls is not None
    names = {name: str(tmp_path / "tls" / f"{name}.pem") for name in ("ca", "cert", "key")}
    assert spec.tls.model_dump() == names
    (tmp_path / "tls" / "key.pem").unlink()  # who only reads the store may not see it, either
    spec = load_config(tmp_path / "small.yaml", cluster="office").cluster
    with (
        pytest.raises(ClusterUnavailableError, match=r"cluster\.tls .*No such file"),
        connect(spec),
    ):
        pass


def test_certificates_for_what_is_not_encrypted_are_refused(tmp_path: Path) -> None:
    make_certificates(tmp_path, "127.0.0.1")
    tls = {name: str(tmp_path / f"{name}.pem") for name in ("ca", "cert", "key")}
    plain = {"kind": "address", "address": "tcp://127.0.0.1:8786", "tls": tls}
    with pytest.raises(ConfigError, match="is not encrypted, so that tls says nothing"):
        load_config(city(tmp_path, {"plain": plain}), cluster="plain")


def test_the_examples_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clusters = yaml.safe_load(EXAMPLES.read_text())
    make_certificates(tmp_path, "127.0.0.1")
    (tmp_path / "cert.pem").rename(tmp_path / "hexcast.pem")
    (tmp_path / "key.pem").rename(tmp_path / "hexcast.key")
    monkeypatch.setenv("DASK_TLS", str(tmp_path))
    path = city(tmp_path, clusters)
    kinds = {name: load_config(path, cluster=name).cluster.kind for name in clusters}
    assert set(kinds.values()) == {"local", "cuda", "address", "slurm", "kubernetes"}


# GPUs


def test_gpus_are_used_where_every_worker_has_one(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert device_of(client, "cpu") == "cpu"
    for other, device in (("far/0", "cuda"), ("here/1", "cuda"), ("here/0", "cpu"), ("", "cpu")):
        monkeypatch.setattr("cluster.gpu.ask", lambda *_, other=other: {"a": "here/0", "b": other})
        assert device_of(client, "auto") == device
    with pytest.raises(ClusterUnavailableError, match="worker b has no NVIDIA GPU"):
        device_of(client, "cuda")
    monkeypatch.setattr("cluster.gpu.ask", lambda *_: {"a": "here/0", "b": "here/0"})
    with pytest.raises(ClusterUnavailableError, match="workers share a GPU"):
        device_of(client, "cuda")


@pytest.mark.parametrize(("seen", "own"), [(None, "0"), ("1,0", "1"), ("GPU-5a", "GPU-5a")])
def test_a_worker_boosts_on_the_first_gpu_that_it_sees(
    seen: str | None, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.gpu.gpu_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if seen:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", seen)
    assert own_gpu().endswith(f"/{own}")


def test_a_cluster_of_gpus_wants_one_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.connect.gpu_count", lambda: 0)
    with (
        pytest.raises(ClusterUnavailableError, match="no NVIDIA GPU is here"),
        connect(ClusterSpec(kind="cuda")),
    ):
        pass
