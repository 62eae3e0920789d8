"""A city's nights, each with the files that were delivered before it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import count

import pandas as pd
from tiny import DAY, NOW, City

from pipeline.ingest.recipe import IngestRecord


class Nights:
    """A city's nights one after the other, each with the files that were written before it."""

    def __init__(self, city: City) -> None:
        self.city = city
        self._days: Iterator[int] = count()

    def __call__(self, **files: pd.DataFrame | None) -> IngestRecord:
        """Deliver files part-<name>.csv; None takes one away. Counts have to add up."""
        for name, rows in files.items():
            path = self.city.folder / f"part-{name}.csv"
            path.unlink() if rows is None else self.city.write(rows, path.name)
        record = self.city.ingest(now=self.now())
        assert record.rows_in == record.kept + record.merged + sum(record.quarantined.values())
        return record

    def touched(self, *names: str) -> IngestRecord:
        """The files again as they are."""
        for name in names:
            self.city.touch(f"part-{name}.csv")
        return self()

    def now(self) -> datetime:
        return NOW + next(self._days) * DAY


def both(*rows: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(rows, ignore_index=True)
