"""Tables that a city brings: values by cell, by hour or by both, each used only once it was known.

A night sees of every key (cell, hour or both) the row that was known last at its cutoff. Where a
table has no ``known_at``, an hour's row is known when its hour is over, or ``known_hours_before``
it begins; a cell's row counts as known all along.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from grids.hours import HourRange
from pipeline.silver import microseconds

Floats = NDArray[np.float64]
MICROSECONDS = 3_600_000_000  # of an hour
ALWAYS = np.iinfo(np.int64).min
LEVELS = 250  # codes of a column, beside that of a missing value


@dataclass(frozen=True, eq=False)
class Table:
    """Rows on the city's axes, sorted by (hour, cell, known).

    ``cell`` (row,) index and ``hour`` (row,) since 1970, each None where the table has no such
    key; ``known`` (row,) microseconds since 1970; ``values`` (row, column), nan where missing.
    ``columns`` are named ``table.column``.
    """

    columns: tuple[str, ...]
    cell: NDArray[np.int32] | None
    hour: NDArray[np.int64] | None
    known: NDArray[np.int64]
    values: NDArray[np.float32]

    def column(self, name: str, cutoff: datetime, hours: HourRange, cells: int) -> Floats:
        """(cell or 1, hour or 1) values as known at ``cutoff``, nan where none was."""
        rows = self._known_last(cutoff, hours)
        out = np.full(
            (1 if self.cell is None else cells, 1 if self.hour is None else len(hours)), np.nan
        )
        cell = 0 if self.cell is None else self.cell[rows]
        hour = 0 if self.hour is None else self.hour[rows] - hours.start
        out[cell, hour] = self.values[rows, self.columns.index(name)]
        return out

    def _known_last(self, cutoff: datetime, hours: HourRange) -> NDArray[np.int64]:
        """Rows of those hours, of every key the one that was known last at the cutoff."""
        first, last = 0, len(self.known)
        if self.hour is not None:
            first, last = np.searchsorted(self.hour, [hours.start, hours.stop])
        rows = first + np.flatnonzero(self.known[first:last] <= microseconds(cutoff))
        is_last = np.ones(len(rows), bool)
        is_last[:-1] = False
        for key in (self.cell, self.hour):
            if key is not None:
                is_last[:-1] |= np.diff(key[rows]) != 0
        return rows[is_last]

    def edges(self, cutoff: datetime) -> dict[str, list[float]]:
        """By column, where the next code begins: at each value known at ``cutoff``, and where they
        are more than LEVELS, at their quantiles.
        """
        known = self.values[self.known <= microseconds(cutoff)]
        return {name: _edges(known[:, at]) for at, name in enumerate(self.columns)}

    def digest(self, cutoff: datetime) -> str:
        """Names what was known at ``cutoff``."""
        known, total = self.known <= microseconds(cutoff), hashlib.sha256()
        total.update(repr(self.columns).encode())
        for values in (self.cell, self.hour, self.known, self.values):
            total.update(b"" if values is None else values[known].tobytes())
        return total.hexdigest()[:12]


def _edges(values: NDArray[np.float32]) -> list[float]:
    found = np.unique(values[np.isfinite(values)])
    if len(found) > LEVELS:
        shares = np.arange(1, LEVELS) / LEVELS
        middle = values[np.isfinite(values)]
        return [float(v) for v in np.unique(np.quantile(middle, shares, method="higher"))]
    return [float(value) for value in found[1:]]
