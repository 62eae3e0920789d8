"""One forecast of one city: what is asked for, and whether it is there already."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from forecasts.store import find_run, run_name
from grids.clock import EPOCH, HOUR, reference_hour
from pipeline.config import Config
from pipeline.store import Store


@dataclass(frozen=True)
class Run:
    """One forecast of one city, as it is asked for.

    ``cutoff``: aware, UTC; the forecast may use what was known then. ``now``: when it is made.
    """

    config: Config
    cutoff: datetime
    now: datetime

    @property
    def id(self) -> str:
        """City, reference time and fingerprint of the configuration: the key of a run."""
        return f"{self.config.name}-{run_name(self.reference)}-{self.config.fingerprint}"

    @property
    def reference(self) -> datetime:
        """The first forecast hour."""
        return EPOCH + reference_hour(self.cutoff) * HOUR

    @property
    def root(self) -> Path:
        """Below which the city's store and its runs lie."""
        return Path(self.config.output.path)

    @property
    def store(self) -> Store:
        """Where the city's tables, cube and models lie."""
        return Store(self.config.output.path)

    def done(self) -> dict[str, Any] | None:
        """The manifest of what was published, of this configuration and this very cutoff."""
        found = find_run(self.root, self.reference)
        if found is None or found["run_id"] != self.id:
            return None
        return found if datetime.fromisoformat(found["as_of"]) == self.cutoff else None
