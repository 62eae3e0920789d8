"""Where rows lie while boosters grow: on one worker of each machine, which has all its threads.

Workers of one machine that boost together exchange histograms at every level of every tree, and
wait for each other while they do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from distributed import Client, Future

from cluster.machines import machines
from pipeline.learning.rows import Rows

# What keys begin with whose tasks pass on what lies where they are: of the names that every Dask
# scheduler takes for so quick that no idle worker may take them over (`distributed.stealing`).
STAY = "split-stage"
FULL = 0.5  # of a worker's memory, which rows and all that boosting makes of them may fill


@dataclass(frozen=True)
class Placing:
    """``workers``: to which rows are brought, in turn; none: they stay where they are made.

    ``threads``: of each of them for boosting; None: as many as it has.
    """

    workers: tuple[str, ...] = ()
    threads: int | None = None

    def bring(self, client: Client, rows: Sequence[Future[Rows]]) -> list[Future[Rows]]:
        """Futures of the same rows where they are to be."""
        if not self.workers:
            return list(rows)
        turns = (self.workers[at % len(self.workers)] for at in range(len(rows)))
        return [
            stay(client, _same, part, workers=[worker], allow_other_workers=True)
            for part, worker in zip(rows, turns, strict=True)
        ]

    def others(self, client: Client) -> list[str]:
        """The workers to which no rows are brought, if they are brought."""
        return sorted(set(client.nthreads()) - set(self.workers)) if self.workers else []


def place(client: Client, rows: float, features: int, device: str) -> Placing:
    """Where so many rows are to lie. A GPU has a worker of its own, so there they stay."""
    found = machines(client)
    # Codes as they are and as boosting keeps them; labels, weights, starts, gradients, places.
    each = rows / max(len(found), 1) * (2 * features + 40)
    shared = any(machine.workers > 1 for machine in found)
    fits = all(each <= FULL * machine.memory for machine in found)
    if device != "cpu" or not shared or not fits:
        return Placing()
    return Placing(
        tuple(machine.worker for machine in found), min(machine.threads for machine in found)
    )


def alone(workers: Iterable[str]) -> bool:
    """Whether none of the workers (addresses) shares its machine with another."""
    hosts = [urlsplit(worker).hostname for worker in workers]
    return len(set(hosts)) == len(hosts)


def stay(client: Client, do: Callable[..., Any], *arguments: Any, **where: Any) -> Future[Any]:
    """A task on what lies where it is: another worker that took it over would then hold it too."""
    return client.submit(do, *arguments, key=f"{STAY}-{uuid4().hex}", **where)


def _same(rows: Rows) -> Rows:
    return rows
