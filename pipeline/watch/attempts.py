"""Attempts at nights: a line as one starts and a line as it ends, in ``logs/attempts.jsonl``.

A run that is killed leaves no second line: that its process is gone tells of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from forecasts.store import has_ended, replace_file, writing
from pipeline.errors import BusyError

LOGS, FILE = "logs", "attempts.jsonl"
KEPT = 1000  # lines
LONGEST = timedelta(hours=24)  # of a night whose process cannot be looked at
State = Literal["at work", "killed", "failed", "done", "already done"]


class Attempt(BaseModel):
    """One attempt; what is known at its end alone is None until then.

    ``error``: its first line, without secrets; ``stage``: which met it. ``took``, ``seconds``: of
    all and of each stage; ``stage_peak_mib``: memory. ``gains``: of each target over the best
    baseline, nats per incident, on the newest scored nights.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    command: str
    run_id: str | None = None
    started: AwareDatetime
    host: str
    pid: int
    version: str
    ended: AwareDatetime | None = None
    exit_code: int | None = None
    already_done: bool = False
    error: str | None = None
    stage: str | None = None
    took: float | None = None
    seconds: dict[str, float] = {}
    stage_peak_mib: dict[str, float] = {}
    gains: dict[str, float] = {}

    def state(self, now: datetime) -> State:
        """How it stands."""
        if self.ended is not None:
            if self.exit_code:
                return "failed"
            return "already done" if self.already_done else "done"
        is_over = has_ended(self.host, self.pid) or now - self.started > LONGEST
        return "killed" if is_over else "at work"


def note(root: Path, attempt: Attempt) -> None:
    """Add a line to those below ``root``, of which the newest are kept."""
    folder = root / LOGS
    folder.mkdir(parents=True, exist_ok=True)
    with writing(folder):
        path = folder / FILE
        before = path.read_bytes().splitlines() if path.exists() else []
        lines = [*before[-(KEPT - 1) :], attempt.model_dump_json().encode()]
        replace_file(path, b"\n".join(lines) + b"\n")


def read_attempts(root: Path) -> tuple[list[Attempt], int]:
    """All attempts, in the order in which they ended or, without an end, began; and how many lines
    cannot be read.
    """
    path, found, damaged = root / LOGS / FILE, dict[str, Attempt](), 0
    lines = path.read_bytes().splitlines() if path.exists() else []
    for line in lines:
        try:
            attempt = Attempt.model_validate_json(line)
        except ValidationError:
            damaged += 1
            continue
        found[attempt.id] = attempt
    return sorted(found.values(), key=lambda each: each.ended or each.started), damaged


def deciding(attempts: Sequence[Attempt], now: datetime) -> Attempt | None:
    """The last attempt that came to an end, which says how things stand.

    One that only met another at work, which still is, says nothing.
    """
    at_work = [each.started for each in attempts if each.state(now) == "at work"]
    over = [each for each in attempts if each.state(now) != "at work"]
    if at_work:
        begun, busy = min(at_work), BusyError.exit_code
        over = [each for each in over if each.exit_code != busy or each.started < begun]
    return over[-1] if over else None
