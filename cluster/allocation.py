"""What SLURM is asked for: a task for each worker, one for Dask's scheduler, one for the night."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

BESIDE_WORKERS = 2  # Dask's scheduler, and the night
SCHEDULER_GIB = 1
# Follow from other keys of the cluster, or from how a night is started and watched.
OURS = (
    "array", "dependency", "error", "job-name", "mem", "ntasks", "ntasks-per-node", "output",
    "time", "wrap",
)  # fmt: skip
Options = Mapping[str, bool | int | str]


@dataclass(frozen=True)
class Allocation:
    """``tasks`` over ``nodes``; no more than ``on_each`` of them, which has ``mib`` of memory."""

    tasks: int
    nodes: int
    on_each: int
    mib: int

    @classmethod
    def of(cls, workers: int, memory_gib: float, beside_gib: float, options: Options) -> Allocation:
        """For so many workers of ``memory_gib``; ``beside_gib``: what the night itself needs.

        A core for every task, though scheduler and night need theirs at other times than workers:
        two tasks that share one are bound to a core in ways that differ from site to site.
        """
        tasks, nodes = workers + BESIDE_WORKERS, int(options.get("nodes", 1))
        on_each = -(-tasks // nodes)
        gib = min(workers, on_each) * memory_gib + beside_gib + SCHEDULER_GIB
        return cls(tasks, nodes, on_each, int(gib * 1024))


def check_options(options: Options) -> None:
    """Raise ValueError for what would not be one option of sbatch, or not the user's to choose."""
    for key, value in options.items():
        if not re.fullmatch("[a-z][a-z-]+", key):
            raise ValueError(f"options: {key!r} is no long option of sbatch, as partition is")
        if key in OURS:
            raise ValueError(
                f"options: {key} follows from workers, memory_gib, limit_hours and the city: "
                "leave it out"
            )
        if value is False or not re.fullmatch(r"[^\s\"'\\#]+", str(value)):
            raise ValueError(
                f"options: {key}: {value!r} is no value of sbatch: write one word, without quotes, "
                "or true for an option that takes none"
            )
    nodes = options.get("nodes", 1)
    if isinstance(nodes, bool) or not re.fullmatch("[1-9][0-9]*", str(nodes)):
        raise ValueError(f"options: nodes: {nodes!r} is no number: write how many, as in 2")
