"""A night submitted to a scheduler that is there: its driver, too, runs on a worker."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from cluster.connect import connect
from cluster.errors import ClusterUnavailableError, WorkerLostError
from cluster.guard import TRY_AGAIN, ask
from cluster.spec import ClusterSpec
from cluster.submit.driver import CLOSING_SECONDS, Errand, drive

if TYPE_CHECKING:
    from distributed import Client, Future

Say = Callable[[str, str], None]
ABSENT, POSSIBLE, THERE = range(3)


def run(errand: Errand, spec: ClusterSpec, store: Path, say: Say) -> int:
    """Run the errand on a worker that sees ``store``; returns its exit code.

    ``say`` is called with ``out`` or ``err`` and a line, as they come. Whatever ends the wait ends
    the errand. Raises ClusterUnavailableError, or WorkerLostError where a rerun would go on.
    """
    errand = replace(errand, topic=f"hexcast-{uuid4().hex}")
    ended = threading.Event()

    def heard(event: tuple[float, tuple[str, str]]) -> None:
        name, line = event[1]
        if name == "end":
            ended.set()
        else:
            say(name, line)

    with connect(spec) as client:
        workers = workers_of(client, store)
        client.subscribe_topic(errand.topic, heard)
        future = client.submit(
            drive, errand, key=errand.topic, workers=workers, allow_other_workers=False, pure=False
        )
        try:
            return _told(_result(future), say)
        except BaseException:
            ended.clear()
            future.cancel(force=True)
            ended.wait(CLOSING_SECONDS + 5)
            raise


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
    store = Path(path)
    if store.exists():
        return THERE if os.access(store, os.W_OK | os.X_OK) else ABSENT
    above = next(folder for folder in store.parents if folder.exists())
    writable = above.is_dir() and os.access(above, os.W_OK | os.X_OK)
    return POSSIBLE if writable else ABSENT


def _result(future: Future[int]) -> int:
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker as fault:
        raise WorkerLostError(
            "workers were lost, one after the other, while the night ran on them: run again, which "
            f"goes on where it stopped ({fault})"
        ) from fault
    except (CancelledError, OSError) as fault:
        raise ClusterUnavailableError(
            f"the scheduler was lost, and with it the night ({fault}): start it, and run again"
        ) from fault


def _told(code: int, say: Say) -> int:
    if code >= 0:
        return code
    say("err", f"hexcast: the night was ended by signal {-code} on its worker: run again")
    return TRY_AGAIN
