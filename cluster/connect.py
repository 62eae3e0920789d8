"""A named cluster specification to a Dask client, closed again in the right order."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import dask
from distributed import Client, LocalCluster, Security

from cluster.spec import ENCRYPTED, ClusterSpec, ClusterUnavailableError

CLOSING_SECONDS = 30
_LOG = logging.getLogger(__name__)
_SETTINGS = {
    "dataframe.convert-string": True,
    "distributed.admin.tick.limit": "30s",
    # Of workers that are started here. Dask has every array above 128 KiB given back to the system
    # and asked for again, page by page.
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 2**27,
    "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 2**25,
    # One place that freed memory goes back to: else each thread, and Arrow, keeps some of its own.
    "distributed.nanny.pre-spawn-environ.MALLOC_ARENA_MAX": 1,
    "distributed.nanny.pre-spawn-environ.ARROW_DEFAULT_MEMORY_POOL": "system",
}


@contextmanager
def connect(spec: ClusterSpec) -> Iterator[Client]:
    """A client of the cluster that ``spec`` names, with at least one worker.

    Leaves nothing running: the client closes first, then a cluster that was started here.
    Raises ClusterUnavailableError when no worker is there within the time limit.
    """
    with dask.config.set(_SETTINGS):
        if spec.kind == "local":
            with _closing(_local(spec)) as cluster, Client(cluster) as client:
                yield client
        else:
            with _remote(spec) as client:
                yield client


def _local(spec: ClusterSpec) -> LocalCluster:
    try:
        return LocalCluster(
            n_workers=spec.workers or os.cpu_count() or 1,
            threads_per_worker=1,
            memory_limit=int(spec.memory_gib * 2**30),
            dashboard_address="127.0.0.1:0",
            host="127.0.0.1",
        )
    except RuntimeError as fault:
        raise ClusterUnavailableError(
            f"the workers of this machine did not start ({fault}): it is very busy, or one was "
            "killed; run again"
        ) from fault


@contextmanager
def _closing(cluster: LocalCluster) -> Iterator[LocalCluster]:
    """A worker that does not stop in time is no fault of the work: it ends with this process."""
    try:
        yield cluster
    finally:
        try:
            cluster.close(timeout=CLOSING_SECONDS)
        except TimeoutError:
            _LOG.warning("a worker did not stop within %s s: the machine is busy", CLOSING_SECONDS)


@contextmanager
def _remote(spec: ClusterSpec) -> Iterator[Client]:
    _require_certificates(spec)
    try:
        client = Client(spec.address, timeout=spec.timeout_seconds)
    except (OSError, TimeoutError) as fault:
        raise ClusterUnavailableError(
            f"no scheduler answers at {spec.address} within {spec.timeout_seconds:g} s: start it, "
            "correct cluster.address, or use kind: local"
        ) from fault
    with client:
        try:
            client.wait_for_workers(1, timeout=spec.timeout_seconds)
        except TimeoutError as fault:
            raise ClusterUnavailableError(
                f"the scheduler at {spec.address} has no workers after "
                f"{spec.timeout_seconds:g} s: start dask worker {spec.address}"
            ) from fault
        yield client


def _require_certificates(spec: ClusterSpec) -> None:
    # Before there is a client: one that fails over this is left half started.
    if urlsplit(spec.address).scheme not in ENCRYPTED:
        return
    fault = None
    try:
        found = Security().get_connection_args("client").get("ssl_context")
    except OSError as error:
        found, fault = None, error
    if found is None:
        raise ClusterUnavailableError(
            f"no encrypted connection to {spec.address} without certificates: name their files in "
            f"Dask's configuration, distributed.comm.tls{f' ({fault})' if fault else ''}"
        ) from fault
