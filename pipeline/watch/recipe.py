"""A night that is watched: its attempt is noted, its figures written, whoever waits for it told.

Whatever of that fails is a warning, and never the night.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from time import perf_counter
from uuid import uuid4

from cluster.profiling import profiled
from pipeline.config import Config
from pipeline.errors import OF_THE_PROGRAM, HexcastError, exit_code_of
from pipeline.log import LOGGER, StageLog
from pipeline.nightly import Outcome, run_at, run_night
from pipeline.redact import redact
from pipeline.watch.attempts import Attempt, deciding, note, read_attempts
from pipeline.watch.metrics import write_metrics
from pipeline.watch.ping import ping
from pipeline.watch.profiles import profile_line, profile_path
from pipeline.watch.scores import newest_scores

_LONGEST_LINE = 500
_INTERRUPTED = 130


def watched_night(
    config: Config,
    now: datetime,
    as_of: datetime | None = None,
    accept_quality: bool = False,
    profile: bool = False,
) -> Outcome:
    """As run_night, watched. ``profile``: a report of the cluster's work is kept."""
    started, began = _started(config, now, as_of), perf_counter()
    log = StageLog(started.run_id or "")
    _begin(config, started)
    try:
        night = _profiled_night if profile else run_night
        outcome = night(config, now, as_of, accept_quality=accept_quality, log=log)
    except BaseException as fault:
        _end(config, _ended(started, log, began, **_failure(fault, log)))
        raise
    gains = {} if outcome.already_done else _gains(config)
    found = {"exit_code": 0, "already_done": outcome.already_done, "gains": gains}
    _end(config, _ended(started, log, began, **found))
    return outcome


def _started(config: Config, now: datetime, as_of: datetime | None) -> Attempt:
    try:
        run_id = run_at(config, now, as_of).id
    except HexcastError:  # the night itself says why
        run_id = None
    return Attempt(
        id=uuid4().hex,
        command="nightly",
        run_id=run_id,
        started=now,
        host=socket.gethostname(),
        pid=os.getpid(),
        version=version("hexcast"),
    )


def _ended(started: Attempt, log: StageLog, began: float, **found: object) -> Attempt:
    took = round(perf_counter() - began, 3)
    spent = {"took": took, "seconds": log.seconds, "stage_peak_mib": log.peak_mib}
    ended = {"ended": started.started + timedelta(seconds=took)}
    return started.model_copy(update={**ended, **spent, **found})


def _failure(fault: BaseException, log: StageLog) -> dict[str, object]:
    if isinstance(fault, KeyboardInterrupt):
        return {"exit_code": _INTERRUPTED, "error": "interrupted", "stage": log.at_work}
    if isinstance(fault, SystemExit):
        return {"exit_code": fault.code, "error": _signal(fault.code), "stage": log.at_work}
    code, text = exit_code_of(fault), str(fault)
    if code is None:
        code, text = OF_THE_PROGRAM, f"{type(fault).__name__}: {fault}"
    first = redact(text).strip().partition("\n")[0][:_LONGEST_LINE]
    return {"exit_code": code, "error": first, "stage": log.at_work}


def _signal(code: object) -> str:
    names = {128 + each: each.name for each in signal.Signals}
    return f"ended by {names[code]}" if code in names else f"ended with exit code {code}"


def _profiled_night(
    config: Config, now: datetime, as_of: datetime | None, accept_quality: bool, log: StageLog
) -> Outcome:
    path = profile_path(config, log.run_id)
    around = (partial(profiled, path),)
    outcome = run_night(config, now, as_of, accept_quality=accept_quality, log=log, around=around)
    log.say(profile_line(path))
    return outcome


def _gains(config: Config) -> dict[str, float]:
    """Of each target on the newest scored nights."""
    gains = {}
    with _harmless("the scores of the last nights cannot be read"):
        found = newest_scores(Path(config.output.path))
        gains = {each.target: each.gain for each in found if isfinite(each.gain)}
    return gains


def _begin(config: Config, attempt: Attempt) -> None:
    with _harmless("the attempt is not noted"):
        note(Path(config.output.path), attempt)
    ping(config.watch, "start")


def _end(config: Config, attempt: Attempt) -> None:
    root, line = Path(config.output.path), attempt.model_dump_json(exclude_none=True)
    attempts = [attempt]
    with _harmless("the attempt is not noted"):
        note(root, attempt)
        attempts = read_attempts(root)[0]
    with _harmless("no metrics are written"):
        write_metrics(config.name, root, attempts)
    last = deciding(attempts, attempt.ended or attempt.started)
    if last and last.id == attempt.id:
        ping(config.watch, str(attempt.exit_code or ""), line)


@contextmanager
def _harmless(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as fault:  # noqa: BLE001 -- who only watches stops nothing
        LOGGER.warning("%s: %s: %s", what, type(fault).__name__, fault)
