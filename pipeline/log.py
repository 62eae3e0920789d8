"""What a run says while it works: a line a stage for people, a JSON object a line for machines."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import get_ident
from time import perf_counter

from rich.console import Console

from cluster.forwarding import LOGGERS
from cluster.lazy import own_peak_mib
from pipeline.memory import reset_peak
from pipeline.redact import Redacting

LOGGER = logging.getLogger("hexcast")
_FIELDS = ("run_id", "stage", "seconds", "worker")


class JsonLines(logging.Formatter):
    """One JSON object a record: time (UTC), level, message; run id, stage, seconds and worker."""

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
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False
    for noisy in ("distributed", "distributed.shuffle", "xgboost", "bokeh"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


class StageLog:
    """Seconds and peak memory per stage, logged as they end; a terminal shows the stage at work.

    ``measured``: memory is measured, for which the peak of the whole process begins anew with each
    stage; ``highest_mib`` is that of all of them, and of what was before.
    """

    def __init__(self, run_id: str, measured: bool = True) -> None:
        self.run_id = run_id
        self.seconds: dict[str, float] = {}
        self.peak_mib: dict[str, float] = {}
        self.highest_mib = 0.0
        self.at_work: str | None = None  # after a fault the stage that met it
        self._measured = measured
        self._console = Console(stderr=True)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block as stage ``name``."""
        began, self.at_work = perf_counter(), name
        with self._memory(name), self._console.status(f"{name} ..."):
            yield
        self.at_work = None
        self.seconds[name] = round(perf_counter() - began, 3)
        self.say(f"{name:<10}{self.seconds[name]:8.1f} s", stage=name, seconds=self.seconds[name])

    @contextmanager
    def _memory(self, name: str) -> Iterator[None]:
        if not self._measured:
            yield
            return
        before = own_peak_mib()
        reset_peak()
        try:
            yield
        finally:
            self.peak_mib[name] = own_peak_mib()
            self.highest_mib = max(self.highest_mib, before, self.peak_mib[name])

    def say(self, message: str, **fields: object) -> None:
        """Log a message with the run's id."""
        LOGGER.info(message, extra={"run_id": self.run_id, **fields})


class _Placing(logging.Filter):
    """Adds the run's id and the stage at work to records that say neither."""

    def __init__(self, log: StageLog, thread: int | None) -> None:
        super().__init__()
        self._log = log
        self._thread = thread

    def filter(self, record: logging.LogRecord) -> bool:
        if self._thread not in (None, get_ident()):
            return True
        for name, value in (("run_id", self._log.run_id), ("stage", self._log.at_work)):
            if value and not hasattr(record, name):
                setattr(record, name, value)
        return True


@contextmanager
def placing(log: StageLog, thread: int | None = None) -> Iterator[None]:
    """What is logged in the block, by workers too, says to which run and stage it belongs.

    ``thread``: only what that one logs, where others work on other runs.
    """
    place = _Placing(log, thread)
    handlers = {each for name in LOGGERS for each in logging.getLogger(name).handlers}
    for handler in handlers:
        handler.addFilter(place)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(place)
