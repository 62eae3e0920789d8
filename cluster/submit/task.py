"""A night submitted to a scheduler that is there: its driver, too, runs on a worker."""

from __future__ import annotations

import os
import threading
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from cluster.connect import connect
from cluster.errors import ClusterUnavailableError, WorkerLostError
from cluster.guard import TRY_AGAIN, ask
from cluster.spec import ClusterSpec
from cluster.submit.asking import LOOK_SECONDS, Say
from cluster.submit.driver import CLOSING_SECONDS, Errand, drive

if TYPE_CHECKING:
    from distributed import Client, Future

ABSENT, POSSIBLE, THERE = range(3)


def run(errand: Errand, spec: ClusterSpec, store: Path, say: Say) -> int:
    """Run the errand on a worker that sees ``store``; returns its exit code.

    Whatever ends the wait ends the errand. It is run once more where the workers are lost that it
    could run on. Raises ClusterUnavailableError, or WorkerLostError where a rerun would go on.
    """
    from cluster.again import once_more

    errand = replace(errand, topic=f"hexcast-{uuid4().hex}")
    told = _Told(say)
    with connect(spec) as client:
        client.subscribe_topic(errand.topic, told)
        try:
            return _code(once_more(client, partial(_drive, client, errand, store, told)), say)
        finally:
            with suppress(Exception):  # the scheduler is gone, and all that it kept
                client.run_on_scheduler(_forget, errand.topic)


class _Told:
    """What the driver tells, passed on; ``at_work`` from its first line to its end."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._begun, self._ended = threading.Event(), threading.Event()

    def __call__(self, event: tuple[float, tuple[str, str]]) -> None:
        name, line = event[1]
        if name == "end":
            self._ended.set()
            return
        self._begun.set()
        self._ended.clear()
        self._say(name, line)

    def wait_for_end(self) -> None:
        if self._begun.is_set():
            self._ended.wait(CLOSING_SECONDS + 5)


def _drive(client: Client, errand: Errand, store: Path, told: _Told) -> int:
    workers = workers_of(client, store)
    future = client.submit(
        drive, errand, key=f"{errand.topic}-{uuid4().hex}", workers=workers, pure=False
    )
    try:
        return _result(client, future, workers)
    except BaseException as fault:
        with suppress(Exception):  # a client that is closed has cancelled it
            future.cancel(force=True)
        if not isinstance(fault, Exception):  # someone ends this: the night is to end before
            told.wait_for_end()
        raise


def _forget(topic: str, dask_scheduler: Any) -> None:
    """Of a topic Dask keeps what was told as long as the scheduler runs."""
    dask_scheduler._broker._topics.pop(topic, None)


def workers_of(client: Client, store: Path) -> list[str]:
    """Addresses of workers that have the store, or else of the one that is to have it.

    Raises ClusterUnavailableError where none can.
    """
    found = ask(client, _store_at, str(store))
    there = sorted(worker for worker, state in found.items() if state == THERE)
    possible = sorted(worker for worker, state in found.items() if state == POSSIBLE)
    if not there and not possible:
        raise ClusterUnavailableError(
            f"no worker has, or may make, the output path {store}: mount it on the workers, or "
            "give another --out"
        )
    return there or possible[:1]


def _store_at(path: str) -> int:
    if os.path.exists(path):  # noqa: PTH110 -- Path's raises where it may not look
        return THERE if os.access(path, os.W_OK | os.X_OK) else ABSENT
    above = next(str(folder) for folder in Path(path).parents if os.path.exists(folder))  # noqa: PTH110
    writable = os.path.isdir(above) and os.access(above, os.W_OK | os.X_OK)  # noqa: PTH112
    return POSSIBLE if writable else ABSENT


def _result(client: Client, future: Future[int], workers: list[str]) -> int:
    """What the task returns; it waits for ever for workers that do not come back."""
    from distributed import KilledWorker

    while True:
        try:
            return future.result(timeout=LOOK_SECONDS)
        except TimeoutError:
            pass
        except KilledWorker as fault:
            raise WorkerLostError(
                "workers were lost, one after the other, while the night ran on them: run again, "
                f"which goes on where it stopped ({fault})"
            ) from fault
        except (CancelledError, OSError) as fault:
            raise ClusterUnavailableError(
                f"the scheduler was lost, and with it the night ({fault}): start it, and run again"
            ) from fault
        if not _any_left(client, workers):
            raise WorkerLostError(
                f"worker {workers[0]}, on which the night ran, has left: run again"
            )


def _any_left(client: Client, workers: list[str]) -> bool:
    try:
        return bool(client.nthreads().keys() & set(workers))
    except OSError:  # the scheduler has left: the task itself will say so
        return True


def _code(code: int, say: Say) -> int:
    if code >= 0:
        return code
    say("err", f"hexcast: the night was ended by signal {-code} on its worker: run again")
    return TRY_AGAIN
