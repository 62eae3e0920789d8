"""What was found out about a city's data, and the configuration that follows from it."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from datetime import datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline.init.columns import Chosen, TakenBack
from pipeline.init.groups import Sorted
from pipeline.init.keys import Keys
from pipeline.init.places import Place
from pipeline.init.span import Span
from pipeline.init.table import Table
from pipeline.init.times import Times

CUTOFF = time(6)
_MOST_CELLS = 30_000
_CELL_KM2 = {9: 0.105, 8: 0.737, 7: 5.161, 6: 36.13, 5: 252.9}
_RECENT_DAYS = 10


@dataclass(frozen=True)
class Boundary:
    """A file of polygons and what share of the incidents lies within."""

    path: Path
    share: float
    km2: float


@dataclass(frozen=True)
class Judged:
    """What became of a sample: share kept, and shares of the rows by reason, most first."""

    rows: int
    kept: float
    reasons: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Draft:
    """Everything found out about a city's data. ``out``: the file that will say so."""

    out: Path
    name: str
    table: Table
    place: Place
    times: Times
    category: Chosen
    district: Chosen | None
    arrest: Chosen | None
    taken_back: TakenBack | None
    keys: Keys
    groups: Sorted
    span: Span
    boundary: Boundary | None
    persons: tuple[str, ...]
    now: datetime
    clock: str = ""
    doubts: tuple[str, ...] = ()
    judged: Judged | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The city's timezone."""
        return ZoneInfo(self.place.timezone)

    @property
    def lag_days(self) -> int:
        """Days from the occurrence, or the report, to the delivery."""
        if self.times.reported:
            return 0 if self.times.reported.reading.clock else 1
        behind = (self.now.date() - self.span.last).days - 1
        return max(0, behind) if behind <= _RECENT_DAYS else 0

    @property
    def is_old(self) -> bool:
        """Whether the latest night would find that the data stopped long ago."""
        return not self.is_head and self.span.is_old(self.now, self.lag_days)

    @property
    def is_head(self) -> bool:
        """Whether only the beginning of the data was looked at, so that their end is not known."""
        return not self.table.pieces and self.table.total > 1.2 * len(self.table.rows)

    @property
    def as_of(self) -> str:
        """The night after the last full day."""
        return self.span.as_of(CUTOFF, self.zone)

    @property
    def resolution(self) -> int:
        """The finest H3 resolution that needs no more than some ten thousand cells."""
        km2 = self.boundary.km2 if self.boundary else box_km2(self.place.bounds)
        fitting = (r for r in (9, 8, 7, 6) if km2 / _CELL_KM2[r] <= _MOST_CELLS)
        return next(fitting, 5)

    @property
    def paths(self) -> list[str]:
        """The source's paths as the file names them: relative where they lie beside or below."""
        return [shown_path(path, self.out) for path in self.table.paths]

    @property
    def doubts_of_span(self) -> list[str]:
        """What is doubtful about the beginning of the data."""
        span, found = self.span, []
        if span.gaps > 1:
            found.append(f"{span.gaps} weeks in between hold next to nothing")
        if span.before > 0.02:
            found.append(f"{span.before:.1%} of the rows occurred before the start")
        return found

    @property
    def doubts_of_lag(self) -> list[str]:
        """What is doubtful about when an incident is known."""
        if self.times.reported:
            return []
        newest = f"; the newest incident is {self.lag_days} days old" if self.lag_days else ""
        return [
            "no report time: an incident counts as known when it occurred, plus this lag. Say how "
            f"many days the source is behind{newest}"
        ]

    @property
    def all_doubts(self) -> tuple[str, ...]:
        """Every doubt that the file states, in the order in which it does."""
        of_columns = (self.keys.doubt, *self.times.doubts, self.category.doubt, *self.place.doubts)
        return tuple(
            filter(None, (*self.doubts, *self.doubts_of_span, *self.doubts_of_lag, *of_columns))
        )

    @property
    def commands(self) -> list[str]:
        """What to run next."""
        file = os.path.relpath(self.out)
        file = str(self.out) if file.startswith("..") else file
        night = f"hexcast nightly {_quoted(file)}"
        return [
            f"hexcast check {_quoted(file)}",
            f"{night} --as-of {self.as_of}" if self.is_old else night,
        ]


def _quoted(path: str) -> str:
    return f"'{path}'" if " " in path else path


def shown_path(path: str, out: Path) -> str:
    """A path as the configuration at ``out`` names it."""
    if "://" in path:
        return path
    folder = out.absolute().parent
    return os.path.relpath(path, folder) if Path(path).is_relative_to(folder) else path


def box_km2(bounds: tuple[float, ...]) -> float:
    """Area of a box of degrees in square kilometres."""
    west, south, east, north = bounds
    return (east - west) * (north - south) * 111.2**2 * math.cos(math.radians((south + north) / 2))


def mapped_columns(draft: Draft) -> dict[str, object]:
    """``source.columns`` as plain values, in the order in which they are written."""
    place, times = draft.place, draft.times
    where = {"latitude": place.north, "longitude": place.east}
    if place.is_projected:
        where = {"x": place.east, "y": place.north}
    found: dict[str, object] = {
        "key": draft.keys.value,
        "occurred_at": times.occurred.value,
        "occurred_until": times.until.value if times.until else None,
        "reported_at": times.reported.value if times.reported else None,
        "category": draft.category.name,
        **where,
        "district": draft.district.name if draft.district else None,
        "arrest": draft.arrest.name if draft.arrest else None,
        "revised_at": draft.keys.revised.value if draft.keys.revised else None,
        "status": draft.taken_back.name if draft.taken_back else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def column_names(value: object) -> list[str]:
    """The columns that a value of ``source.columns`` names."""
    if isinstance(value, str):
        return [value]
    return [name for part in value for name in column_names(part)]  # type: ignore[attr-defined]
