"""Recording a piece of work on Dask: its tasks, and what the driver does between them.

Workers are of two kinds. Those that are *measured* are processes, as in every local cluster. Those
that are *recorded* share one process and take turns: the program sees so many workers and cuts its
work for them, but one task runs at a time, so that its seconds are those of a task alone, and more
workers can be asked for than the machine has cores. Only boosting takes no turn: its parts wait
for each other.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal
from unittest.mock import patch

import dask
import distributed.worker
from dask.utils import key_split
from distributed import Client, LocalCluster, Scheduler, SchedulerPlugin, Worker
from driver_log import Log, steps, watched
from task_graph import Recording, Step, Task

from cluster.connect import connect
from cluster.spec import ClusterSpec

BOOSTING = "fn"  # as XGBoost calls its task, which takes the threads of all workers of a machine
LIBRARIES = (
    "dask.dataframe", "geopandas", "pyogrio", "scipy.spatial", "xgboost.dask",
    "pipeline.backfill", "pipeline.building", "pipeline.learning.train",
)  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    """``seconds``: of the whole, as it went. ``computing``: of all tasks; ``moving``: in which they
    waited for results of other workers, ``moved`` bytes; ``scattered``: bytes sent by the driver.
    """

    recording: Recording
    seconds: float
    moving: float
    moved: int
    scattered: int


@contextmanager
def workers(count: int, kind: Literal["measured", "recorded"]) -> Iterator[Scheduler]:
    """A scheduler in this process with so many workers of one thread."""
    if kind == "measured":
        with connect(ClusterSpec(kind="local", workers=count)) as client:
            client.run(_load)  # which takes longer than small works
            yield client.cluster.scheduler
        return
    # Where tasks take turns, all workers but one look idle, and would be given what lies elsewhere.
    how = {"dashboard_address": "127.0.0.1:0", "host": "127.0.0.1"}
    with (
        dask.config.set({"distributed.scheduler.work-stealing": False}),
        LocalCluster(n_workers=0, **how) as cluster,
        _taking_turns(cluster.scheduler_address, count),
    ):
        with Client(cluster) as client:
            client.wait_for_workers(count, timeout=120)
            client.run(_load)
        yield cluster.scheduler


@contextmanager
def _taking_turns(address: str, count: int) -> Iterator[None]:
    """Workers in a process of their own, with no more threads than cores, however many they are."""
    limits = {"OMP_THREAD_LIMIT": str(os.cpu_count())}
    host = subprocess.Popen(
        [sys.executable, __file__, address, str(count)], env=os.environ | limits
    )
    try:
        yield
    finally:
        host.terminate()
        host.wait()


def _load() -> None:
    for name in LIBRARIES:
        import_module(name)


async def _host(address: str, count: int) -> None:
    logging.getLogger("distributed").setLevel(logging.ERROR)
    run, turn = distributed.worker._run_task, threading.Lock()

    def in_turn(task: Any, data: Any, state: Any, key: Any, *how: Any) -> Any:
        with nullcontext() if key_split(key) == BOOSTING else turn:
            return run(task, data, state, key, *how)

    with patch.object(distributed.worker, "_run_task", in_turn):
        async with AsyncExitStack() as stack:
            for name in range(count):
                worker = Worker(address, nthreads=1, name=name, memory_limit=0)
                await stack.enter_async_context(worker)
            await asyncio.Event().wait()  # until this process is ended


def record(scheduler: Scheduler, work: Callable[[str], None]) -> Recorded:
    """Do ``work``, which is given the scheduler's address, and say how it went."""
    plugin, log = _Tasks(scheduler), Log()
    scheduler.add_plugin(plugin, name="recording")
    try:
        with watched(log):
            began = time.time()
            work(scheduler.address)
            ended = time.time()
    finally:
        scheduler.remove_plugin("recording")
    done = steps(log, plugin.graphs, began, ended)
    given = {key for step in done if step.kind == "submit" for key in step.keys}
    tasks = {key: task for key, task in plugin.tasks.items() if key in given}
    return Recorded(
        Recording(tasks, tuple(_known(step, tasks) for step in done)),
        ended - began,
        plugin.moving,
        plugin.moved,
        sum(plugin.scattered.values()),
    )


def _known(step: Step, tasks: Mapping[str, Task]) -> Step:
    """Without keys of what was done before, or never needed to run."""
    return Step(step.kind, tuple(k for k in step.keys if k in tasks), step.seconds, step.name)


class _Tasks(SchedulerPlugin):
    """``graphs``: of every submission, the keys asked for and all its keys by priority."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.tasks: dict[str, Task] = {}
        self.graphs: dict[frozenset[str], tuple[str, ...]] = {}
        self.places: dict[str, set[str]] = {}
        self.scattered: dict[str, int] = {}
        self.moving, self.moved = 0.0, 0
        self.boosted = 0.0  # until when

    def update_graph(self, *_: Any, **graph: Any) -> None:
        order = sorted(graph["tasks"], key=lambda key: graph["priority"].get(key) or ())
        self.graphs[frozenset(map(str, graph["keys"]))] = tuple(map(str, order))

    def transition(self, key: Any, start: str, finish: str, *_: Any, **how: Any) -> None:
        if (start, finish) != ("processing", "memory") or not how.get("startstops"):
            return
        state, spent = self.scheduler.tasks[key], Counter[str]()
        gang = state.prefix.name == BOOSTING
        for each in how["startstops"]:
            spent[each["action"]] += each["stop"] - each["start"]
        self.moving += spent["transfer"]
        name, prefix = str(key), "boosting" if gang else state.prefix.name
        self._move(state, how["worker"])
        needs = tuple(str(need.key) for need in state.dependencies)
        seconds = spent["compute"] + spent["deserialize"]
        if gang:  # parts that ran together are one
            start, stop = how["startstops"][-1]["start"], how["startstops"][-1]["stop"]
            seconds = max(0.0, stop - max(start, self.boosted))
            self.boosted = max(self.boosted, stop)
        self.tasks[name] = Task(name, prefix, seconds, how["nbytes"], needs, gang)

    def _move(self, state: Any, worker: str) -> None:
        self.places.setdefault(str(state.key), set()).add(worker)
        for need in state.dependencies:
            name = str(need.key)
            if need.run_spec is None:
                self.scattered[name] = need.nbytes
            elif worker not in self.places.setdefault(name, set()):
                self.moved += need.nbytes
                self.places[name].add(worker)


if __name__ == "__main__":
    asyncio.run(_host(sys.argv[1], int(sys.argv[2])))
