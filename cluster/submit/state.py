"""What SLURM says of a job, without asking its accounting, which many sites lack."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

from cluster.errors import ClusterUnavailableError

ANSWER_SECONDS = 60.0
ENDED = {
    "COMPLETED": "is done",
    "FAILED": "failed",
    "CANCELLED": "was cancelled",
    "TIMEOUT": "took longer than its time limit",
    "DEADLINE": "did not end before its deadline",
    "NODE_FAIL": "lost a node",
    "BOOT_FAIL": "was given a node that did not boot",
    "OUT_OF_MEMORY": "took more memory than it asked for",
    "PREEMPTED": "had to give way to another",
    "REVOKED": "was revoked",
}


@dataclass(frozen=True)
class JobState:
    """``name`` and ``reason`` as SLURM writes them; ``code``: what the batch script ended with.

    ``signal``: by which it was ended; 0 where it ended by itself. ``nodes``: where it runs.
    """

    name: str
    reason: str
    nodes: str
    code: int
    signal: int

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more, or will."""
        return self.name in ENDED

    @property
    def line(self) -> str:
        """What there is to say of it."""
        if self.name == "RUNNING":
            return f"runs on {self.nodes}"
        if self.ended:
            return ENDED[self.name]
        return f"is {self.name.lower()} ({self.reason})"


def job_state(number: str) -> JobState | None:
    """The state of a job; None where the controller does not answer now.

    Raises ClusterUnavailableError where it knows no such job: it ended some minutes ago.
    """
    try:
        asked = subprocess.run(  # noqa: S603 -- a number, and no shell
            ["scontrol", "show", "job", number, "--oneliner"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            timeout=ANSWER_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return None
    if "Invalid job id" in asked.stderr:
        raise ClusterUnavailableError(
            f"SLURM does not know job {number} any more, so that nobody knows how it ended: run "
            "again, which goes on where it stopped"
        )
    return parse_state(asked.stdout) if asked.returncode == 0 else None


def parse_state(text: str) -> JobState | None:
    """The state in the line that ``scontrol show job`` prints."""
    found = {
        name: re.search(rf"(?:^|\s){name}=(\S*)", text)
        for name in ("JobState", "Reason", "NodeList", "ExitCode")
    }
    state, reason, nodes, code = (each.group(1) if each else "" for each in found.values())
    exits = re.fullmatch(r"(\d+):(\d+)", code)
    if not state or exits is None:
        return None
    return JobState(state, reason, nodes, int(exits[1]), int(exits[2]))
