"""What every scheduler is told of a city's night, and how its templates are filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from importlib.resources import files
from pathlib import Path
from string import Template

DELAY_MINUTES = 5  # from the cutoff to the start
DRIVER_GIB = 4  # beside the workers


@dataclass(frozen=True)
class NightlyJob:
    """The night of a city, for schedulers.

    ``config``, ``hexcast``, ``output``: absolute paths of the configuration, of the command and of
    the store. ``writable``: folders beside ``output`` that a night writes to. ``cutoff``: local
    clock of ``timezone``. ``environment``: what the configuration takes from variables.
    ``workers``, ``memory_gib``: local workers and the limit of each; no worker: work is done
    elsewhere. ``cluster``: a named cluster that the command is given. ``limit_minutes``: after
    which a night is ended that has not ended itself. ``options``: more words for the command.
    ``verb``: ``nightly``, or ``submit`` where the night is to run elsewhere.
    """

    name: str
    config: Path
    hexcast: Path
    output: Path
    timezone: str
    cutoff: time
    writable: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    workers: int = 0
    memory_gib: float = 4.0
    cluster: str | None = None
    limit_minutes: int = 340
    options: tuple[str, ...] = ()
    verb: str = "nightly"

    @property
    def command(self) -> list[str]:
        """The words that run the night."""
        return [str(self.hexcast), *self.arguments(self.config)]

    def arguments(self, config: Path) -> list[str]:
        """The words after ``hexcast``, for a configuration at ``config``."""
        named = ["--cluster", self.cluster] if self.cluster else []
        return [self.verb, str(config), *named, *self.options]

    @property
    def logs(self) -> Path:
        """Where a scheduler that keeps no log of its own writes one."""
        return self.output / "logs"

    @property
    def secrets(self) -> Path:
        """A file of variables that must not stand in a schedule, beside the configuration."""
        return self.config.with_suffix(".env")

    @property
    def cores(self) -> int:
        """Cores to ask for."""
        return max(self.workers, 1)

    @property
    def memory_mib(self) -> int:
        """Memory to ask for: all workers and the driver, MiB."""
        return int((self.workers * self.memory_gib + DRIVER_GIB) * 1024)

    @property
    def clocks(self) -> tuple[time, time]:
        """Local clocks of the start: after the cutoff, and an hour later.

        On one day of the year the clocks skip an hour, and a scheduler a start within it.
        """
        minutes = self.cutoff.hour * 60 + self.cutoff.minute + DELAY_MINUTES
        first, second = (divmod(at % (24 * 60), 60) for at in (minutes, minutes + 60))
        return time(*first), time(*second)


def fill(template: str, **values: object) -> str:
    """The text of a template of this package with ``values`` in it."""
    text = (files("cluster.schedules") / "templates" / template).read_text(encoding="utf-8")
    return Template(text).substitute(values)
