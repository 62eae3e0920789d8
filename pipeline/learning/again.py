"""A training that survives the loss of a worker: XGBoost itself has no resilience."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from distributed import Client

from pipeline.plainly import is_of_lost_worker

WAIT_SECONDS = 60  # for a worker, where none is left
Result = TypeVar("Result")
_LOG = logging.getLogger("hexcast")


def once_more(client: Client, work: Callable[[], Result]) -> Result:
    """What ``work`` returns; where a worker is lost, it is done again with those that are left.

    ``work`` begins with sending its data, so that what was lost is sent anew.
    """
    try:
        return work()
    except Exception as fault:
        if not is_of_lost_worker(fault):
            raise
        reason = " ".join(str(fault).split())[:200]
        _LOG.warning("a worker was lost while models were made (%s): once more", reason)
    client.wait_for_workers(1, timeout=WAIT_SECONDS)
    return work()
