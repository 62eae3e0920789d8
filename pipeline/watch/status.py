"""How a city's nights stand: nothing is written, and what is damaged is told and left out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from forecasts.checking import read_manifest
from forecasts.store import MANIFEST, newest_run, run_name, run_names, run_time
from grids.clock import latest_cutoff
from pipeline.config import Config
from pipeline.errors import OF_THE_PROGRAM, BusyError, ConfigError, DataError, MissingInputError
from pipeline.run import Run
from pipeline.watch.attempts import FILE, LOGS, Attempt, State, deciding, read_attempts
from pipeline.watch.scores import newest_scores

SHOWN = 7  # attempts
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Newest:
    """The newest run, None where there is none; and ``expected``, that of the last cutoff whose
    grace is over. ``made``: when, None where its record is damaged.
    """

    name: str | None
    expected: str
    age_hours: float | None
    made: str | None

    @property
    def is_late(self) -> bool:
        """Whether the run that is expected is not there."""
        return self.name is None or self.name < self.expected


@dataclass(frozen=True)
class Status:
    """What ``hexcast status`` says. ``verdict``: in words, for ``exit_code``.

    ``attempts``: the last ones with their ``state``, the newest last. ``issued``: by target.
    ``realised``: how the newest scored nights turned out, by target; ``warnings``: of quality, of
    the newest run. ``faults``: what could not be read.
    """

    city: str
    exit_code: int
    verdict: str
    newest: Newest
    attempts: tuple[dict[str, Any], ...]
    issued: dict[str, str]
    realised: dict[str, dict[str, Any]]
    warnings: tuple[str, ...]
    faults: tuple[str, ...]


def status_of(config: Config, now: datetime) -> Status:
    """Raises MissingInputError where no night was ever run, ConfigError where nobody may look."""
    root, faults = Path(config.output.path), list[str]()
    _require_readable(root)
    attempts = _attempts(root, faults)
    name = newest_run(root) or next(reversed(run_names(root)), None)
    if name is None and not attempts:
        raise MissingInputError(f"{root} holds no night yet: hexcast nightly makes one")
    manifest = (read_manifest(root / "runs" / name) if name else None) or {}
    if name and not manifest:
        faults.append(f"runs/{name}/{MANIFEST} is missing or damaged: hexcast verify says more")
    newest = _newest(config, name, manifest, now)
    code, verdict = judged(deciding(attempts, now), newest, bool(name and not manifest), now)
    quality = _mapping(_mapping(manifest.get("ingest")).get("quality"))
    return Status(
        city=config.name,
        exit_code=code,
        verdict=verdict,
        newest=newest,
        attempts=tuple(_told(each, now) for each in attempts[-SHOWN:]),
        issued=_issued(manifest),
        realised=_realised(root, faults),
        warnings=tuple(map(str, quality.get("warnings") or ())),
        faults=tuple(faults),
    )


def judged(
    last: Attempt | None, newest: Newest, is_damaged: bool, now: datetime
) -> tuple[int, str]:
    """The exit code, and why: first a failed last attempt, then a damaged run, then a late one."""
    state: State = last.state(now) if last else "done"
    if last and state == "failed":
        return last.exit_code or OF_THE_PROGRAM, f"the last attempt failed: {last.error}"
    if last and state == "killed":
        return BusyError.exit_code, "the last attempt was killed: the next one goes on after it"
    if is_damaged:
        return DataError.exit_code, "the newest run is damaged"
    if newest.is_late:
        return BusyError.exit_code, f"late: the run {newest.expected} is not there"
    return 0, "healthy"


def _require_readable(root: Path) -> None:
    if root.exists() and not os.access(root, os.R_OK | os.X_OK):
        raise ConfigError(f"{root} cannot be read: give this user the right to")


def _attempts(root: Path, faults: list[str]) -> Sequence[Attempt]:
    name = f"{LOGS}/{FILE}"
    try:
        found, damaged = read_attempts(root)
    except OSError as fault:
        faults.append(f"{name} cannot be read ({fault})")
        return []
    if damaged:
        faults.append(f"{damaged} lines of {name} cannot be read")
    return found


def _newest(config: Config, name: str | None, manifest: Mapping[str, Any], now: datetime) -> Newest:
    grace = timedelta(hours=config.watch.grace_hours)
    expected = Run(config, latest_cutoff(now - grace, config.cutoff, config.zone), now).reference
    age = round((now - run_time(name)) / HOUR, 1) if name else None
    return Newest(name, run_name(expected), age, manifest.get("made_at"))


def _told(attempt: Attempt, now: datetime) -> dict[str, Any]:
    return {"state": attempt.state(now), **attempt.model_dump(mode="json", exclude={"id"})}


def _issued(manifest: Mapping[str, Any]) -> dict[str, str]:
    models = [_mapping(each) for each in manifest.get("models") or ()]
    return {str(each.get("target")): str(each.get("issued")) for each in models}


def _realised(root: Path, faults: list[str]) -> dict[str, dict[str, Any]]:
    try:
        return {each.target: asdict(each) for each in newest_scores(root)}
    except Exception as fault:  # noqa: BLE001 -- whatever is wrong with it, the rest is told
        faults.append(f"the scores cannot be read ({type(fault).__name__}: {fault})")
        return {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
