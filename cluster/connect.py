"""A named cluster specification to a Dask client, closed again in the right order."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Literal
from urllib.parse import urlsplit

import dask
from distributed import Client, LocalCluster, Security
from pydantic import BaseModel, ConfigDict, Field, model_validator

LOOPBACK = ("127.0.0.1", "localhost", "::1")
ENCRYPTED = ("tls", "wss")
SCHEMES = ("tcp", "ucx", "ws", *ENCRYPTED)


class ClusterUnavailableError(Exception):
    """No cluster could be reached or started."""

    exit_code = 69


class ClusterSpec(BaseModel):
    """Where the work runs: processes on this machine, or a scheduler that is already there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["local", "address"] = "local"
    workers: int = Field(default=0, ge=0, description="local worker processes; 0: one a core")
    memory_gib: float = Field(default=4.0, gt=0, description="memory limit of a local worker")
    address: str | None = None
    insecure: bool = False
    timeout_seconds: float = Field(default=60.0, gt=0)

    @model_validator(mode="after")
    def _address_is_safe(self) -> ClusterSpec:
        if self.kind == "local":
            if self.address:
                raise ValueError("address goes with kind: address, not with kind: local")
            return self
        if not self.address:
            raise ValueError(
                "kind: address needs the scheduler's address, as in tcp://127.0.0.1:8786"
            )
        # Dask takes an address without a scheme for tcp.
        url = urlsplit(self.address if "://" in self.address else f"tcp://{self.address}")
        if url.scheme not in SCHEMES or not url.port:
            raise ValueError(
                f"{self.address}: write it as tls://host:port (or {', '.join(SCHEMES)})"
            )
        safe = url.scheme in ENCRYPTED or url.hostname in LOOPBACK
        if not safe and not self.insecure:
            raise ValueError(
                f"{self.address} is not encrypted and a scheduler runs any code it is sent: "
                "use tls://, or say insecure: true on a network that you trust"
            )
        return self


@contextmanager
def connect(spec: ClusterSpec) -> Iterator[Client]:
    """A client of the cluster that ``spec`` names, with at least one worker.

    Leaves nothing running: the client closes first, then a cluster that was started here.
    Raises ClusterUnavailableError when no worker is there within the time limit.
    """
    with dask.config.set({"dataframe.convert-string": True, "distributed.admin.tick.limit": "30s"}):
        if spec.kind == "local":
            with _local(spec) as cluster, Client(cluster) as client:
                yield client
        else:
            with _remote(spec) as client:
                yield client


def _local(spec: ClusterSpec) -> LocalCluster:
    return LocalCluster(
        n_workers=spec.workers or os.cpu_count() or 1,
        threads_per_worker=1,
        memory_limit=int(spec.memory_gib * 2**30),
        dashboard_address="127.0.0.1:0",
        host="127.0.0.1",
    )


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


class LazyCluster:
    """A cluster that starts when its client is first asked for: most nights never need one."""

    def __init__(self, spec: ClusterSpec) -> None:
        self._spec = spec
        self._stack = ExitStack()
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        """The client; the first call starts or reaches the cluster."""
        if self._client is None:
            self._client = self._stack.enter_context(connect(self._spec))
        return self._client

    def peak_mib(self) -> dict[str, float]:
        """Largest resident memory so far, MiB: of this process and of the largest worker."""
        peaks = {"driver": _peak_mib()}
        if self._client is not None:
            peaks["worker"] = max(self._client.run(_peak_mib).values(), default=0.0)
        return peaks

    def __enter__(self) -> LazyCluster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._client = None
        self._stack.__exit__(kind, fault, at)


def _peak_mib() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
