"""A night on workers that are other hosts: addresses and disks of their own, TLS between them."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from chaos import contents, difference
from dask_processes import dask_processes
from lived import LOCAL, lived
from networks import GATEWAY, network, unavailable

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())


def test_nothing_needs_a_shared_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    here = contents(lived(tmp_path / "here", LOCAL))
    hidden = tmp_path / "there"
    hidden.mkdir()
    with network(2) as hosts, dask_processes(tmp_path / "processes", 0, GATEWAY) as processes:
        for host in hosts:
            processes.start_worker(host.before(hidden), "--host", host.address)
        processes.spec["wait_for"] = len(hosts)
        before = [host.bytes_through for host in hosts]
        with caplog.at_level(logging.INFO, "hexcast"):
            there = lived(hidden, processes.spec)
        crossed = [host.bytes_through - was for host, was in zip(hosts, before, strict=True)]
    assert f"workers do not see {hidden / 'store'}" in caplog.text
    assert difference(contents(there), here) == ""
    assert sum(crossed) > 2**20
    assert min(crossed) > 2**17  # far more than greetings
