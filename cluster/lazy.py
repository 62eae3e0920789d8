"""A cluster for those who may not need one: neither started nor its libraries loaded till then."""

from __future__ import annotations

import resource
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from uuid import uuid4

from cluster.spec import ClusterSpec, ClusterUnavailableError

if TYPE_CHECKING:
    from distributed import Client

Around = Callable[["Client"], AbstractContextManager[None]]


class LazyCluster:
    """A cluster that starts when its client is first asked for: most nights never need one.

    ``folder`` is where workers read and write. Raises ClusterUnavailableError where they do not
    see it as this process does. ``around``: entered with the client, once there is one, and left
    before it closes.
    """

    def __init__(self, spec: ClusterSpec, folder: Path, around: Sequence[Around] = ()) -> None:
        self._spec = spec
        self._folder = folder
        self._around = around
        self._stack = ExitStack()
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        """The client; the first call starts or reaches the cluster."""
        if self._client is None:
            from cluster.connect import connect

            client = self._stack.enter_context(connect(self._spec))
            _require_shared(client, self._folder)
            for each in self._around:
                self._stack.enter_context(each(client))
            self._client = client
        return self._client

    def peak_mib(self) -> dict[str, float]:
        """Largest resident memory so far, MiB: of this process and of the largest worker."""
        peaks = {"driver": own_peak_mib()}
        if self._client is not None:
            found = self._client.run(own_peak_mib, on_error="ignore")
            peaks["worker"] = max(found.values(), default=0.0)
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


def _require_shared(client: Client, folder: Path) -> None:
    """A worker that writes to another disk of the same name would lose what it wrote."""
    probe = folder / f".probe-{uuid4().hex}"
    probe.touch()
    try:
        seen = client.run(_sees, str(probe))
    finally:
        probe.unlink()
    blind = sorted(worker for worker, found in seen.items() if not found)
    if blind:
        raise ClusterUnavailableError(
            f"worker {blind[0]} does not see {folder} of this machine: mount it there under the "
            "same path, or use kind: local"
        )


def _sees(path: str) -> bool:
    return Path(path).exists()


def own_peak_mib() -> float:
    """Largest resident memory of this process so far, MiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
