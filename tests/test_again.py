"""Work is done once more where a worker was lost, and only there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from distributed import Client
from workers import in_process

import cluster.again
from cluster.again import once_more
from cluster.errors import ClusterUnavailableError, WorkerLostError


def failing(*faults: Exception) -> Callable[[], int]:
    """Work that meets these faults, one a time, and then returns how often it was done."""
    left, calls = list(faults), list[None]()

    def work() -> int:
        calls.append(None)
        if left:
            raise left.pop(0)
        return len(calls)

    return work


LOST = WorkerLostError("worker tcp://far:1 has left")


def test_a_lost_worker_is_told_and_the_work_done_again(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    assert once_more(client, failing()) == 1
    assert not caplog.records
    assert once_more(client, failing(LOST)) == 2
    assert "worker tcp://far:1 has left" in caplog.text


def test_it_is_not_done_a_third_time(client: Client) -> None:
    with pytest.raises(WorkerLostError):
        once_more(client, failing(LOST, LOST))


def test_another_fault_is_none_of_a_workers(client: Client) -> None:
    with pytest.raises(ZeroDivisionError):
        once_more(client, failing(ZeroDivisionError()))


def test_without_any_worker_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.again, "WAIT_SECONDS", 0.1)
    with (
        in_process(workers=0, threads=1) as client,
        pytest.raises(ClusterUnavailableError, match="no worker is left"),
    ):
        once_more(client, failing(LOST))
