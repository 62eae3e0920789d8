"""What can go wrong with a cluster, each with the exit code of sysexits.h."""

from __future__ import annotations

import re

_LOST_TEXT = r"memory|alloc|connection|socket|tracker|peer|timeout|allreduce|broken pipe"
_LOST = {
    "KilledWorker": "distributed",
    "CommClosedError": "distributed",
    "FutureCancelledError": "distributed",
    "FuturesCancelledError": "distributed",
    "P2PShuffleError": "distributed",
    "P2PConsistencyError": "distributed",
    "CancelledError": "concurrent",
    "XGBoostError": "xgboost",
    "WorkerLostError": "cluster",
}


class ClusterUnavailableError(Exception):
    """No cluster could be reached or started."""

    exit_code = 69


class WorkerLostError(Exception):
    """A worker that the work could not go on without has left."""

    exit_code = 75


def is_of_lost_worker(fault: BaseException) -> bool:
    """Whether it was a worker, or the way to one, that failed, and not the work."""
    kind = type(fault)
    if kind.__module__.split(".")[0] != _LOST.get(kind.__name__):
        return False
    return kind.__name__ != "XGBoostError" or bool(re.search(_LOST_TEXT, str(fault).lower()))
