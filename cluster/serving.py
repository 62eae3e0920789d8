"""The ranks of a step of SLURM that are Dask's scheduler and its workers, till the night ends."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path

import dask

from cluster.certificates import make_certificates
from cluster.connect import SETTINGS
from cluster.errors import ClusterUnavailableError
from cluster.ranks import SCHEDULER, Step, wait_for_meeting, with_certificates
from cluster.spec import ClusterSpec

# Dask's pages are served without encryption, also where there is no dashboard.
_ROUTES = ("distributed.scheduler.http.routes", "distributed.worker.http.routes")


def serve(step: Step, spec: ClusterSpec, meeting: Path) -> None:
    """Be the scheduler or a worker until the night ends. Raises ClusterUnavailableError."""
    try:
        from cluster.runner import Runner
    except ImportError as fault:
        raise ClusterUnavailableError(
            f"kind: slurm needs dask-jobqueue ({fault}): pip install hexcast[slurm]"
        ) from fault
    if step.rank == SCHEDULER:
        spec = spec.model_copy(update={"tls": make_certificates()})
    else:
        found = wait_for_meeting(meeting, spec.timeout_seconds)
        if found is None:
            return  # the night, which waits for the same, says so
        spec = with_certificates(spec, found)
    logging.getLogger("distributed").setLevel(logging.ERROR)
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "error")  # of a worker's own process
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # not before the file is removed
    try:
        with dask.config.set(SETTINGS | dict.fromkeys(_ROUTES, ())):
            Runner(step, spec, meeting)
    except (OSError, TimeoutError) as fault:
        raise ClusterUnavailableError(
            f"rank {step.rank} of the step of SLURM could not serve ({fault}): see what it said, "
            "or raise cluster.timeout_seconds"
        ) from fault
    finally:
        if step.rank == SCHEDULER:
            meeting.unlink(missing_ok=True)
