"""Work that survives the loss of a worker.

Dask does a lost task again, but not what was sent to the worker with it, and XGBoost has no
resilience at all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from distributed import Client

from cluster.errors import ClusterUnavailableError, is_of_lost_worker

WAIT_SECONDS = 30  # for a worker, where none is left
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
