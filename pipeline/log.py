"""What a run says while it works: a line a stage for people, a JSON object a line for machines."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from time import perf_counter

from rich.console import Console

from pipeline.redact import Redacting

LOGGER = logging.getLogger("hexcast")
_FIELDS = ("run_id", "stage", "seconds")


class JsonLines(logging.Formatter):
    """One JSON object a record: time (UTC), level, message, and run id, stage and seconds."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": moment, "level": record.levelname, "message": record.getMessage()}
        line |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        elif record.exc_text:  # secrets in it have been hidden
            line["exception"] = record.exc_text
        return json.dumps(line)


def configure_logging() -> None:
    """People read a terminal, machines read anything else; both on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(message)s")
    handler.setFormatter(plain if sys.stderr.isatty() else JsonLines())
    handler.addFilter(Redacting())
    LOGGER.handlers[:] = [handler]
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    for noisy in ("distributed", "distributed.shuffle", "xgboost", "bokeh"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


class StageLog:
    """Seconds per stage, logged as they end; on a terminal the stage at work is shown."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.seconds: dict[str, float] = {}
        self._console = Console(stderr=True)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block as stage ``name``."""
        began = perf_counter()
        with self._console.status(f"{name} ..."):
            yield
        self.seconds[name] = round(perf_counter() - began, 3)
        self.say(f"{name:<10}{self.seconds[name]:8.1f} s", stage=name, seconds=self.seconds[name])

    def say(self, message: str, **fields: object) -> None:
        """Log a message with the run's id."""
        LOGGER.info(message, extra={"run_id": self.run_id, **fields})
