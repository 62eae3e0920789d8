"""Work that survives the loss of a worker.

Dask does a lost task again, but not what was sent to the worker with it, and XGBoost has no
resilience at all.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from distributed import Client, Future

from cluster.errors import ClusterUnavailableError, is_of_lost_worker

WAIT_SECONDS = 30  # for a worker, where none is left
LOOK_SECONDS = 1.0
Result = TypeVar("Result")
_LOG = logging.getLogger("hexcast")


def once_more(client: Client, work: Callable[[], Result]) -> Result:
    """What ``work`` returns; where a worker is lost, it is done again with those that are left.

    Raises ClusterUnavailableError where none is left. ``work`` begins with sending its data, so
    that what was lost is sent anew, and sends one copy: Dask's broadcast waits for ever for a
    worker that has left.
    """
    try:
        return work()
    except Exception as fault:
        if not is_of_lost_worker(fault):
            raise
        go_on_without(client, fault)
    return work()


def go_on_without(client: Client, fault: Exception) -> None:
    """Tell which worker was lost, and wait for one if none is left.

    Raises ClusterUnavailableError where none comes.
    """
    reason = " ".join(str(fault).split())[:200]
    _LOG.warning("a worker was lost (%s): once more, without it", reason)
    try:
        client.wait_for_workers(1, timeout=WAIT_SECONDS)
    except OSError as gone:  # in vain, or the scheduler has ended, too
        raise ClusterUnavailableError(f"no worker is left: run again ({gone})") from gone


@contextmanager
def never_without_workers(client: Client, at_work: Collection[Future[Any]]) -> Iterator[None]:
    """Cancels what is at work once there was no worker for a while: it would wait for ever."""
    ended = threading.Event()

    def look() -> None:
        without = 0.0
        while not ended.wait(LOOK_SECONDS):
            try:
                without = 0.0 if client.nthreads() else without + LOOK_SECONDS
            except OSError:  # the scheduler has left, and the client cancels by itself
                return
            if without > WAIT_SECONDS:
                client.cancel(list(at_work), force=True)
                without = 0.0

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
