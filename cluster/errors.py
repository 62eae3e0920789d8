"""What can go wrong with a cluster, each with the exit code of sysexits.h."""

from __future__ import annotations


class ClusterUnavailableError(Exception):
    """No cluster could be reached or started."""

    exit_code = 69


class WorkerLostError(Exception):
    """A worker that the work could not go on without has left."""

    exit_code = 75
