"""Rows come together on one worker of each machine, where they fit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from dask.utils import key_split
from distributed import Client, stealing
from workers import MEMORY, in_process

from cluster.machines import Machine, machines
from pipeline.learning import placing
from pipeline.learning.fit import _column
from pipeline.learning.placing import Placing, alone, place
from pipeline.learning.rows import Rows


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Client]:
    with in_process(workers=2, threads=1) as client:
        yield client


def some(count: int) -> Rows:
    column = np.arange(count, dtype=np.float32)
    return Rows(np.zeros((count, 2), np.uint8), column, column, column, nights=1)


def test_workers_of_one_address_are_one_machine(two_workers: Client) -> None:
    addresses = sorted(two_workers.nthreads())
    (found,) = machines(two_workers)
    assert found == Machine(addresses[0], 2, 2, found.memory)
    assert 2**30 < found.memory <= MEMORY


def test_rows_come_to_one_worker_with_all_threads(two_workers: Client) -> None:
    first, second = sorted(two_workers.nthreads())
    parts = [
        two_workers.scatter(some(count), workers=[at], hash=False)
        for count, at in ((3, first), (4, second), (5, second))
    ]
    found = place(two_workers, 1000, 2, "cpu")
    assert found == Placing((first,), 2)
    brought = found.bring(two_workers, parts)
    assert [len(rows.counts) for rows in two_workers.gather(brought)] == [3, 4, 5]
    where = two_workers.who_has(brought)
    assert [set(where[part.key]) for part in brought] == [{first}] * 3


def test_no_idle_worker_takes_rows_over(two_workers: Client) -> None:
    first, _ = sorted(two_workers.nthreads())
    part = two_workers.scatter(some(3), workers=[first], hash=False)
    (brought,) = Placing((first,), 2).bring(two_workers, [part])
    assert key_split(brought.key) in stealing.fast_tasks
    column = _column([brought], "counts")
    assert {key_split(key) for key in column.__dask_keys__()} <= stealing.fast_tasks
    np.testing.assert_array_equal(column.compute(), [0, 1, 2])


@pytest.mark.parametrize(
    ("rows", "device"), [(8 * 2**30 / 2 / 44 * 1.01, "cpu"), (1000, "cuda")], ids=["many", "GPU"]
)
def test_rows_stay_where_they_are(two_workers: Client, rows: float, device: str) -> None:
    found = place(two_workers, rows, 2, device)
    assert found == Placing()
    part = two_workers.scatter(some(3), hash=False)
    assert found.bring(two_workers, [part]) == [part]


def test_other_work_goes_to_the_others(two_workers: Client) -> None:
    first, second = sorted(two_workers.nthreads())
    assert place(two_workers, 1000, 2, "cpu").others(two_workers) == [second]
    assert Placing().others(two_workers) == []
    assert alone([first])
    assert not alone([first, second])
    assert alone(["tcp://10.0.0.1:40000", "tcp://10.0.0.2:40000"])


def test_machines_take_turns_and_the_least_threads_count(monkeypatch: pytest.MonkeyPatch) -> None:
    large, small = Machine("a", 8, 16, np.inf), Machine("b", 2, 4, np.inf)
    monkeypatch.setattr(placing, "machines", lambda _: [large, small])
    assert place(None, 1e9, 42, "cpu") == Placing(("a", "b"), 4)  # type: ignore[arg-type]
    alone = Machine("a", 1, 16, np.inf), Machine("b", 1, 4, np.inf)
    monkeypatch.setattr(placing, "machines", lambda _: list(alone))
    assert place(None, 1e9, 42, "cpu") == Placing()  # type: ignore[arg-type]
