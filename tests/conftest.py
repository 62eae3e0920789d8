"""What many tests share: a tiny city, a cluster inside this process, logging as it was."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from distributed import Client
from hypothesis import HealthCheck, settings
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem
from tiny import BOX, City, make_config
from workers import in_process

from cluster.forwarding import LOGGERS
from grids.hexgrid import HexGrid

# Fixed examples, and no verdict on speed: a busy machine is no fault of the code.
settings.register_profile(
    "tests",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("tests")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command sets logging up for its whole process; the next test must not find it so."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(each.handlers[:], each.level, each.propagate) for each in loggers]
    yield
    for each, was in zip(loggers, before, strict=True):
        each.handlers[:], each.level, each.propagate = was


@pytest.fixture
def may_be_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A city may begin with few incidents."""
    monkeypatch.setattr("pipeline.enough.MIN_INCIDENTS", 1)


@pytest.fixture
def city(tmp_path: Path, grid: HexGrid, may_be_small: None) -> City:
    """A city of files part*.csv that may begin with few incidents."""
    return City(tmp_path, make_config(tmp_path, source={"path": str(tmp_path / "part*.csv")}), grid)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A scheduler and one worker of two threads, in this process, reachable by its address.

    Closed with the module: while it is open, Dask computes on it whatever names no other.
    """
    with in_process(workers=1, threads=2) as opened:
        yield opened


@pytest.fixture(scope="session")
def grid() -> HexGrid:
    """The cells of the tiny city."""
    return HexGrid.from_extent(*BOX, 9)


@pytest.fixture
def cluster(client: Client) -> dict[str, str]:
    """The session's scheduler, as a configuration names one."""
    return {"kind": "address", "address": client.scheduler.address}


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """A bucket named city of a server on this machine; its client."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    client = boto3.client("s3")
    client.create_bucket(Bucket="city")
    S3FileSystem.clear_instance_cache()  # they know the last server's address
    yield client
    client.close()
    server.stop()
