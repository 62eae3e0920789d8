"""Attempts as tests need them."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta

from pipeline.watch.attempts import Attempt

NOW = datetime(2024, 9, 1, 6, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def attempt(number: int = 0, code: int | None = None, **changes: object) -> Attempt:
    """One that starts in minute ``number`` and, with a code, ends half a minute later."""
    started = NOW + number * MINUTE
    values: dict[str, object] = {
        "id": f"a{number}",
        "command": "nightly",
        "started": started,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "version": "1",
        "ended": None if code is None else started + MINUTE / 2,
        "exit_code": code,
    }
    return Attempt.model_validate(values | changes)
