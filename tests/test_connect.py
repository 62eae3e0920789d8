"""The cluster: which addresses are refused, and that nothing starts or stays unasked."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from pathlib import Path
from time import monotonic

import dask
import pytest
from pydantic import ValidationError
from workers import in_process

import cluster.connect
from cluster.connect import connect
from cluster.errors import ClusterUnavailableError
from cluster.lazy import LazyCluster
from cluster.spec import ClusterSpec

# Which addresses are safe


SAFE = """
tcp://127.0.0.1:8786 tcp://localhost:1 tcp://[::1]:8786 localhost:8786
tls://far.example:8786 wss://far.example:8786
""".split()
PLAIN = """
tcp://10.0.0.5:8786 tcp://far.example:8786 10.0.0.5:8786 far.example:8786 tcp://0.0.0.0:8786
ws://far.example:8786 ucx://far.example:8786 TCP://far.example:1
tcp://127.0.0.1.far.example:8786 tcp://127.0.0.1@far.example:8786
""".split()


@pytest.mark.parametrize("address", SAFE)
def test_loopback_and_encrypted_addresses_are_safe(address: str) -> None:
    assert ClusterSpec(kind="address", address=address).address == address


@pytest.mark.parametrize("address", PLAIN)
def test_plain_addresses_beyond_loopback_need_a_word(address: str) -> None:
    with pytest.raises(ValidationError, match="is not encrypted"):
        ClusterSpec(kind="address", address=address)
    assert ClusterSpec(kind="address", address=address, insecure=True).address == address


def test_contradictions_are_refused() -> None:
    with pytest.raises(ValidationError, match="needs the scheduler's address"):
        ClusterSpec(kind="address")
    with pytest.raises(ValidationError, match="go with kind: address"):
        ClusterSpec(address="tcp://127.0.0.1:8786")


@pytest.mark.parametrize("address", ["http://far.example:80", "tls://far.example", "tcp://a:b"])
def test_addresses_that_are_none_are_refused(address: str) -> None:
    with pytest.raises(ValidationError, match=r"write it as tls://host:port|could not be cast"):
        ClusterSpec(kind="address", address=address, insecure=True)


# Reaching one


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port of this machine that is taken, and nobody listens on it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_an_address_nobody_listens_on_is_said_quickly(silent_port: int) -> None:
    address = f"tcp://127.0.0.1:{silent_port}"
    spec = ClusterSpec(kind="address", address=address, timeout_seconds=0.2)
    begun = monotonic()
    with (
        pytest.raises(ClusterUnavailableError, match=f"no scheduler answers at {address}") as fault,
        connect(spec),
    ):
        pass
    assert monotonic() - begun < 10
    assert fault.value.exit_code == 69


def test_an_unreachable_cluster_leaves_dask_as_it_was(silent_port: int) -> None:
    address = f"tcp://127.0.0.1:{silent_port}"
    spec = ClusterSpec(kind="address", address=address, timeout_seconds=0.2)
    with pytest.raises(ClusterUnavailableError) as fault, connect(spec):
        pass
    assert fault.tb is not None  # keeps the client that failed, as a handler would
    assert dask.config.get("scheduler", None) is None
    assert dask.delayed(pow)(2, 10).compute() == 1024


@pytest.mark.parametrize("files", [{}, {"ca-file": "/nowhere/ca.pem"}])
def test_tls_without_certificates_is_said(files: dict[str, str]) -> None:
    spec = ClusterSpec(kind="address", address="tls://127.0.0.1:8786", timeout_seconds=0.2)
    with (
        dask.config.set({f"distributed.comm.tls.{name}": path for name, path in files.items()}),
        pytest.raises(ClusterUnavailableError, match="name their files"),
        connect(spec),
    ):
        pass


def test_a_scheduler_without_workers_is_said() -> None:
    with in_process(workers=0, threads=1) as empty:
        spec = ClusterSpec(kind="address", address=empty.scheduler.address, timeout_seconds=0.2)
        with (
            pytest.raises(ClusterUnavailableError, match="has no workers after 0"),
            connect(spec),
        ):
            pass


def test_a_local_cluster_works_and_leaves_nothing_running(tmp_path: Path) -> None:
    before = set(active_children())
    with LazyCluster(ClusterSpec(workers=1, memory_gib=1), tmp_path) as lazy:
        client = lazy.client
        assert lazy.client is client
        assert client.submit(pow, 2, 10).result() == 1024
        peaks = lazy.peak_mib()
    assert peaks.keys() == {"driver", "worker"}
    assert min(peaks.values()) > 10
    assert client.status == "closed"
    assert set(active_children()) <= before


# Only when asked


def test_a_lazy_cluster_starts_when_asked_and_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    events: list[str] = []

    @contextmanager
    def recorded(spec: ClusterSpec) -> Iterator[str]:
        events.append(f"start {spec.workers}")
        yield "client"
        events.append("stop")

    monkeypatch.setattr(cluster.connect, "connect", recorded)
    with LazyCluster(ClusterSpec(workers=3), tmp_path) as unused:
        assert unused.peak_mib().keys() == {"driver"}
    assert events == []
    with LazyCluster(ClusterSpec(workers=3), tmp_path) as used:
        assert events == []
        assert used.client == used.client == "client"
        assert events == ["start 3"]
    assert events == ["start 3", "stop"]


def test_a_lazy_cluster_stops_when_the_work_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    events: list[str] = []

    @contextmanager
    def recorded(spec: ClusterSpec) -> Iterator[str]:
        try:
            yield "client"
        finally:
            events.append("stop")

    monkeypatch.setattr(cluster.connect, "connect", recorded)

    def fail_with_a_client() -> None:
        with LazyCluster(ClusterSpec(), tmp_path) as lazy:
            assert lazy.client == "client"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_with_a_client()
    assert events == ["stop"]


def test_a_worker_that_does_not_stop_in_time_is_said_and_no_error(monkeypatch, caplog):
    with connect(ClusterSpec(workers=1)) as client:
        close = client.cluster.close

        def late(timeout=None):
            close()
            raise TimeoutError

        monkeypatch.setattr(client.cluster, "close", late)
        assert client.submit(sum, [1, 2]).result() == 3
    assert "did not stop within" in caplog.text
