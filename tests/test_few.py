"""A few tasks at a time: all of them, and none left at work where one fails."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Timer

import pytest
from distributed import Client, LocalCluster
from workers import in_process

import cluster.again
from cluster.errors import ClusterUnavailableError, is_of_lost_worker
from cluster.few import LOSSES, few_at_once

LET_GO, ENDED = Event(), list[int]()


def work(item: int) -> None:
    if item == 0:
        Timer(0.3, LET_GO.set).start()
        raise OSError("no room")
    LET_GO.wait(30)
    ENDED.append(item)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with in_process(workers=2, threads=1) as client:
        yield client


def test_every_item_with_its_result(client: Client) -> None:
    found = few_at_once(client, range(20), lambda item: client.submit(pow, item, 2))
    assert sorted(found) == [(item, item**2) for item in range(20)]


def test_items_are_asked_for_as_tasks_end(client: Client) -> None:
    asked: list[int] = []
    items = (asked.append(item) or item for item in range(20))
    found = few_at_once(client, items, lambda item: client.submit(pow, item, 3))
    next(found)
    assert len(asked) == 2 * 2 + 1
    assert len(list(found)) == 19


def test_nothing_is_at_work_once_an_error_is_raised(client: Client) -> None:
    with pytest.raises(OSError, match="no room"):
        list(few_at_once(client, range(9), lambda item: client.submit(work, item, pure=False)))
    assert sorted(ENDED) == [1, 2, 3], "of four that were sent"


def with_its_worker(item: int, shared: dict[str, int], folder: Path, times: int) -> int:
    """A sum; the second item ends the process it runs in, so many times."""
    found = len(list(folder.iterdir()))
    if item == 2 and found < times:
        (folder / str(found)).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item + shared["added"]


def kills(client: Client, folder: Path, times: int) -> list[tuple[int, int]]:
    def submit(item: int, shared: object) -> object:
        return client.submit(with_its_worker, item, shared, folder, times, pure=False)

    return list(few_at_once(client, range(6), submit, [{"added": 40}]))


def test_what_was_lost_with_a_worker_is_sent_and_done_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=1, **options) as one, Client(one) as client:
        found = kills(client, tmp_path, 1)
        assert sorted(found) == [(item, item + 40) for item in range(6)]
        assert "once more, without it" in caplog.text
        with pytest.raises(Exception, match=r"forgotten|cancelled|lost|died") as fault:
            kills(client, tmp_path, 99)
        assert is_of_lost_worker(fault.value)
        assert len(list(tmp_path.iterdir())) <= 2 + LOSSES, "it tries no more than that"


def test_a_cluster_without_workers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.again, "WAIT_SECONDS", 0.1)
    with (
        in_process(workers=0, threads=1) as client,
        pytest.raises(ClusterUnavailableError, match="no worker is left"),
    ):
        list(few_at_once(client, [1], lambda item: client.submit(pow, item, 2)))
