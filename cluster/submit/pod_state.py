"""What Kubernetes says of the pod in which a night runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CONTAINER = "hexcast"
_NOT_STARTED = ("StartError", "ContainerCannotRun")
_OF_SHELLS = (126, 127)  # what was to be run cannot be run, or is not there


@dataclass(frozen=True)
class PodState:
    """``phase``: as Kubernetes writes it. ``code``: what the night ended with, if it has.

    ``reason``: why it waits, or how it ended, with ``message``, the cluster's own words.
    """

    phase: str
    code: int | None
    reason: str
    message: str

    @property
    def started(self) -> bool:
        """Whether its container runs, or did."""
        return self.phase == "Running" or self.ended

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def cannot_start(self) -> bool:
        """Whether it ended since its image cannot run a night."""
        return self.reason in _NOT_STARTED or self.code in _OF_SHELLS

    @property
    def own_code(self) -> int | None:
        """The night's own exit code; None where it was ended."""
        if self.code == 0:
            return 0
        ended = self.reason not in ("", "Error", "Completed")  # OOMKilled, Evicted...
        return None if self.code is None or ended or self.code >= 128 else self.code

    @property
    def why(self) -> str:
        """Reason and message in one line."""
        return ": ".join(each for each in (self.reason, " ".join(self.message.split())) if each)


def parse_pod(text: str) -> PodState:
    """The state in what ``kubectl get pod --output json`` prints."""
    status = json.loads(text).get("status", {})
    states = (
        each.get("state", {})
        for each in status.get("containerStatuses", ())
        if each.get("name") == CONTAINER
    )
    state: Mapping[str, Any] = next(states, {})
    ended, waits = state.get("terminated") or {}, state.get("waiting") or {}
    # What the pod has to say goes before what its container has: an evicted night was killed.
    said = next(
        filter(lambda each: each.get("reason"), (status, ended, waits)), _unscheduled(status)
    )
    return PodState(
        phase=status.get("phase", "Pending"),
        code=ended.get("exitCode"),
        reason=said.get("reason", ""),
        message=said.get("message", ""),
    )


def _unscheduled(status: Mapping[str, Any]) -> Mapping[str, Any]:
    found: list[Mapping[str, Any]] = status.get("conditions", [])
    refused = (each for each in found if each.get("type") == "PodScheduled" and each.get("reason"))
    return next(refused, {})
