"""What the driver of some work on Dask does: its own work, what it submits, what it waits for.

The client's calls note when they began and ended, and a thread looks, every so often, which module
of ours the driver is in between them.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from distributed import Client, as_completed
from distributed.client import futures_of
from task_graph import Step

OURS = ("cluster", "forecasts", "grids", "pipeline")
TICK = 0.01  # seconds between two looks


@dataclass
class Log:
    """What the driver did. ``submitted``: when, keys, whether on its own thread; ``waited``: from,
    to, the keys (None: of whatever was submitted meanwhile), how; ``seen``: when, at what.
    """

    submitted: list[tuple[float, frozenset[str], bool]] = field(default_factory=list)
    waited: list[tuple[float, float, tuple[str, ...] | None, Any]] = field(default_factory=list)
    seen: list[tuple[float, str]] = field(default_factory=list)


@contextmanager
def watched(log: Log) -> Iterator[None]:
    """The client's calls note what they are; a thread looks at what is done between them."""
    driver, over = threading.get_ident(), threading.Event()
    sync, submit, following = Client.sync, Client._graph_to_futures, as_completed.__next__

    def synced(self: Client, func: Any, *args: Any, **how: Any) -> Any:
        if threading.get_ident() != driver:
            return sync(self, func, *args, **how)
        began = time.time()
        result = sync(self, func, *args, **how)
        log.waited.append((began, time.time(), _awaited(func, args), "wait"))
        return result

    def submitted(self: Client, *args: Any, **how: Any) -> Any:
        futures = submit(self, *args, **how)
        here = threading.get_ident() == driver
        log.submitted.append((time.time(), frozenset(map(str, futures)), here))
        return futures

    def followed(self: as_completed) -> Any:
        began = time.time()
        future = following(self)
        log.waited.append((began, time.time(), (str(future.key),), "any"))
        return future

    def look() -> None:
        while not over.wait(TICK):
            log.seen.append((time.time(), _doing(sys._current_frames().get(driver))))

    watcher = threading.Thread(target=look, daemon=True)
    with (
        patch.object(Client, "sync", synced),
        patch.object(Client, "_graph_to_futures", submitted),
        patch.object(as_completed, "__next__", followed),
    ):
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


def _awaited(func: Any, args: tuple[Any, ...]) -> tuple[str, ...] | None:
    name = getattr(func, "__name__", "")
    if name == "_gather":
        return tuple(str(future.key) for future in futures_of(args[0]))
    return (str(func.__self__.key),) if name == "_result" else None


def _doing(frame: Any) -> str:
    """The innermost module of ours that the driver is in."""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.split(".")[0] in OURS:
            return module
        frame = frame.f_back
    return "the rest"


def steps(
    log: Log, graphs: Mapping[frozenset[str], tuple[str, ...]], began: float, ended: float
) -> list[Step]:
    """The driver's steps in order: what it submitted and waited for, and its work between them."""
    marks: list[tuple[float, float, Step]] = []
    for at, keys, here in log.submitted:
        if here:
            marks.append((at, at, Step("submit", graphs.get(keys, ()))))
    for start, stop, keys, kind in log.waited:
        if keys is not None:
            marks.append((start, stop, Step(kind, keys)))
            continue
        for at, wanted, here in log.submitted:
            if not here and start <= at <= stop:  # by a coroutine, each after the one before
                submit, wait = Step("submit", graphs.get(wanted, ())), Step("wait", tuple(wanted))
                marks += [(at, at, submit), (at, stop, wait)]
    steps, now = list[Step](), began
    for start, stop, step in sorted(marks, key=lambda mark: mark[:2]):
        steps += [*_work(log, now, start), step]
        now = max(now, stop)
    return [*steps, *_work(log, now, ended)]


def _work(log: Log, start: float, stop: float) -> list[Step]:
    """Own work between two instants, shared out by what was seen of it."""
    if stop <= start:
        return []
    seen = Counter(name for at, name in log.seen if start <= at < stop) or Counter(["the rest"])
    total = seen.total()
    return [
        Step("work", seconds=(stop - start) * n / total, name=name)
        for name, n in seen.most_common()
    ]
