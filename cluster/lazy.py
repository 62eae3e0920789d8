"""A cluster for those who may not need one: neither started nor its libraries loaded till then."""

from __future__ import annotations

import resource
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING

from cluster.spec import ClusterSpec

if TYPE_CHECKING:
    from distributed import Client


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
            from cluster.connect import connect

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
