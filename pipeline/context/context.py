"""What every night of a city may know besides incidents, as one value that travels with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipeline.context.calendar import Calendar
from pipeline.context.tables import Table


@dataclass(frozen=True, eq=False)
class Context:
    """``calendar``: of the hours ahead, None unless it is asked for; ``tables``: what the city
    brings.
    """

    calendar: Calendar | None = None
    tables: tuple[Table, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the tables' columns."""
        return tuple(name for table in self.tables for name in table.columns)

    def table_of(self, column: str) -> Table:
        """The table that has the column."""
        return next(table for table in self.tables if column in table.columns)

    def edges(self, cutoff: datetime) -> dict[str, list[float]]:
        """By column, the edges of its codes, from what was known at ``cutoff``."""
        found: dict[str, list[float]] = {}
        for table in self.tables:
            found |= table.edges(cutoff)
        return found

    def digest(self, cutoff: datetime) -> list[str]:
        """Names what the tables told at ``cutoff``."""
        return [table.digest(cutoff) for table in self.tables]


NOTHING = Context()
