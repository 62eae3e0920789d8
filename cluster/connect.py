"""A named cluster specification to a Dask client, closed again in the right order."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import dask
from distributed import Client, LocalCluster, Security

from cluster.errors import ClusterUnavailableError
from cluster.gpu import gpu_count
from cluster.pods import found_in_pod
from cluster.ranks import met
from cluster.same import require_same
from cluster.spec import ClusterSpec

CLOSING_SECONDS = 30
_LOG = logging.getLogger(__name__)
_FINDS = {"slurm": met, "kubernetes": found_in_pod}  # whose scheduler is known once they run
_REMEDIES = {
    "slurm": "see the job's log",
    "kubernetes": "see kubectl get pods, or raise cluster.timeout_seconds",
}
SETTINGS = {
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
    """A client of the cluster that ``spec`` names, with as many workers as it waits for.

    Leaves nothing running: the client closes first, then a cluster that was started here.
    Raises ClusterUnavailableError where too few workers are there within the time limit, or where
    they run something else than this process.
    """
    with dask.config.set(SETTINGS):
        if spec.kind in ("address", *_FINDS):
            find = _FINDS.get(spec.kind)
            with _remote(find(spec) if find else spec) as client:
                require_same(client)
                yield client
        else:
            with _closing(_started(spec)) as cluster, Client(cluster) as client:
                yield client


def _started(spec: ClusterSpec) -> Any:
    try:
        return _cuda(spec) if spec.kind == "cuda" else _local(spec)
    except RuntimeError as fault:
        raise ClusterUnavailableError(
            f"the workers of this machine did not start ({fault}): it is very busy, or one was "
            "killed; run again"
        ) from fault


def _local(spec: ClusterSpec) -> LocalCluster:
    return LocalCluster(
        n_workers=spec.workers or os.cpu_count() or 1,
        threads_per_worker=1,
        memory_limit=int(spec.memory_gib * 2**30),
        dashboard_address="127.0.0.1:0",
        host="127.0.0.1",
    )


def _cuda(spec: ClusterSpec) -> Any:
    """A worker for each GPU, which sees no other."""
    found = gpu_count()
    if not found:
        raise ClusterUnavailableError(
            "kind: cuda, but no NVIDIA GPU is here: use kind: local, or a machine with one"
        )
    try:
        from dask_cuda import LocalCUDACluster
    except ImportError as fault:
        raise ClusterUnavailableError(
            f"kind: cuda needs dask-cuda ({fault}): pip install hexcast[gpu]"
        ) from fault
    return LocalCUDACluster(
        n_workers=spec.workers or found,
        memory_limit=int(spec.memory_gib * 2**30),
        dashboard_address="127.0.0.1:0",
        host="127.0.0.1",
    )


@contextmanager
def _closing(cluster: Any) -> Iterator[Any]:
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
    security = security_of(spec)
    try:
        client = Client(spec.address, timeout=spec.timeout_seconds, security=security)
    except (OSError, TimeoutError) as fault:
        remedy = _REMEDIES.get(
            spec.kind, "start it, correct cluster.address or its certificates, or use kind: local"
        )
        raise ClusterUnavailableError(
            f"no scheduler answers at {spec.address} within {spec.timeout_seconds:g} s ({fault}): "
            f"{remedy}"
        ) from fault
    with client:
        _wait(client, spec)
        yield client


def _wait(client: Client, spec: ClusterSpec) -> None:
    if spec.kind in _FINDS:  # all are started at once
        with suppress(TimeoutError):
            client.wait_for_workers(spec.workers, timeout=spec.timeout_seconds)
    try:
        client.wait_for_workers(spec.wait_for, timeout=spec.timeout_seconds)
    except OSError as fault:  # it waited in vain, or the scheduler has ended
        found = len(client.scheduler_info().get("workers", ()))
        remedy = _REMEDIES.get(spec.kind, f"start dask worker {spec.address}")
        raise ClusterUnavailableError(
            f"the scheduler at {spec.address} has {found or 'no'} workers after "
            f"{spec.timeout_seconds:g} s, not {spec.wait_for}: {remedy}"
        ) from fault


def security_of(spec: ClusterSpec) -> Security | None:
    """What an encrypted connection needs. Raises ClusterUnavailableError where it is not there."""
    # Before there is a client: one that fails over this is left half started.
    if not spec.encrypted:
        return None
    files = {}  # where there are none, Dask's own configuration names them
    if spec.tls:
        files["tls_ca_file"] = spec.tls.ca
        for role in ("client", "scheduler", "worker"):
            files |= {f"tls_{role}_cert": spec.tls.cert, f"tls_{role}_key": spec.tls.key}
    fault = None
    try:
        security = Security(require_encryption=True, **files)
        found = security.get_connection_args("client").get("ssl_context")
    except OSError as error:
        found, fault = None, error
    if found is None:
        raise ClusterUnavailableError(
            f"no encrypted connection to {spec.address} without certificates: name their files in "
            f"cluster.tls{f' ({fault})' if fault else ''}"
        ) from fault
    return security
