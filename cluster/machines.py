"""The machines of a cluster, on each of which several workers may run."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True)
class Machine:
    """``worker``: the address of the first of its ``workers``; ``threads``: those of all of them.

    ``memory``: bytes that the one worker may hold.
    """

    worker: str
    workers: int
    threads: int
    memory: float


def machines(client: Client) -> list[Machine]:
    """The machines that workers run on, in the order of their addresses."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    # Not scheduler_info(): a refresh that it keeps at the same moment may hold no workers.
    scheduler = client.scheduler
    assert scheduler is not None, "the client is closed"
    info = client.sync(scheduler.identity, n_workers=-1)
    for address, worker in info["workers"].items():
        found[worker["host"]][address] = worker
    return [_machine(found[host]) for host in sorted(found)]


def _machine(workers: dict[str, Any]) -> Machine:
    first = min(workers)
    threads = sum(worker["nthreads"] for worker in workers.values())
    # Without a limit Dask says 0.
    memory = workers[first]["memory_limit"] or float("inf")
    return Machine(first, len(workers), threads, memory)
