"""A cluster for those who may not need one: neither started nor its libraries loaded till then."""

from __future__ import annotations

import logging
import os
import resource
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from uuid import uuid4

from cluster.errors import WorkerLostError
from cluster.guard import ask
from cluster.spec import ClusterSpec

if TYPE_CHECKING:
    from distributed import Client

_LOG = logging.getLogger("hexcast")
Around = Callable[["Client"], AbstractContextManager[None]]


class LazyCluster:
    """A cluster that starts when its client is first asked for: most nights never need one.

    ``folder``: of the store, which this process sees. ``around``: entered with each client, once
    there is one, and left before it closes.
    """

    def __init__(self, spec: ClusterSpec, folder: Path, around: Sequence[Around] = ()) -> None:
        self._spec = spec
        self._folder = folder
        self._around = around
        self._stack = ExitStack()
        self._client: Client | None = None
        self._beside: Client | None = None

    @property
    def client(self) -> Client:
        """The client, for work on what it is sent; the first call starts or reaches the cluster."""
        if self._client is None:
            self._client = self._connect(self._spec)
        return self._client

    @property
    def beside(self) -> Client:
        """A client whose workers read and write the store's folder.

        The same, where all of them see it; else one of processes of this machine.
        """
        if self._beside is None:
            here = self._spec.kind in ("local", "cuda")
            sees = here or _all_see(self.client, self._folder)
            if not sees:
                _LOG.info(
                    "workers do not see %s: what reads or writes there is done on this machine",
                    self._folder,
                )
            self._beside = self.client if sees else self._connect(self._spec.beside)
        return self._beside

    def _connect(self, spec: ClusterSpec) -> Client:
        from cluster.connect import connect

        client = self._stack.enter_context(connect(spec))
        for each in self._around:
            self._stack.enter_context(each(client))
        return client

    def peak_mib(self) -> dict[str, float]:
        """Largest resident memory so far, MiB: of this process and of the largest worker."""
        peaks = {"driver": own_peak_mib()}
        clients = {id(each): each for each in (self._client, self._beside) if each is not None}
        for client in clients.values():
            with suppress(WorkerLostError):  # the night's work is done without it
                found = ask(client, own_peak_mib).values()
                peaks["worker"] = max(*found, peaks.get("worker", 0.0))
        return peaks

    def __enter__(self) -> LazyCluster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._client = self._beside = None
        self._stack.__exit__(kind, fault, at)


def _all_see(client: Client, folder: Path) -> bool:
    """Whether all workers see what is written there: a disk of the same name may be another."""
    probe = folder / f".probe-{uuid4().hex}"
    probe.touch()
    try:
        return all(ask(client, _sees, str(probe)).values())
    finally:
        probe.unlink()


def _sees(path: str) -> bool:
    """Whether it is there, in a folder that this process may write to."""
    return os.access(Path(path).parent, os.W_OK | os.X_OK) and Path(path).exists()


def own_peak_mib() -> float:
    """Largest resident memory of this process so far, MiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
