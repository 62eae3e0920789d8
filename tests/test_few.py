"""A few tasks at a time: all of them, and none left at work where one fails."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, Timer

import pytest
from distributed import Client
from workers import in_process

from cluster.few import few_at_once

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
