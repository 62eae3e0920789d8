"""Shifts: the parts of the day that patrols are planned by.

Needs nothing but Python, since a configuration holds them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from grids.clock import EPOCH, HOUR, local_instant, local_text, reference_hour

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Shift:
    """A part of every day by the city's clock, ``[begins, ends)``, on the hour.

    One that ends at or before it begins ends on the next day.
    """

    name: str
    begins: time
    ends: time

    @classmethod
    def parse(cls, name: str, text: str) -> Shift:
        """From ``"22:00-06:00"``. Raises ValueError for anything else."""
        if name != name.strip() or not name or not name.isprintable():
            raise ValueError(f"shift {name!r}: give it a name of letters that can be printed")
        found = re.fullmatch(r"([01]\d|2[0-3]):00-([01]\d|2[0-4]):00", text)
        if not found:
            raise ValueError(
                f"shift {name} is {text!r}: write whole hours of the local clock, as in 14:00-22:00"
            )
        return cls(name, time(int(found[1])), time(int(found[2]) % 24))

    @property
    def length(self) -> int:
        """Hours, where clocks do not change."""
        return (self.ends.hour - self.begins.hour - 1) % 24 + 1

    @property
    def label(self) -> str:
        """With its clock: ``evening 14-22``."""
        return f"{self.name} {self.begins:%H}-{self.ends:%H}"

    def on(self, day: date, timezone: ZoneInfo) -> tuple[int, int]:
        """Its first hour and the hour after its last (since the epoch) where it begins on a day."""
        end_day = day if self.ends > self.begins else day + _DAY
        first = local_instant(day, self.begins, timezone)
        stop = local_instant(end_day, self.ends, timezone)
        return reference_hour(first), reference_hour(stop)


@dataclass(frozen=True, order=True)
class Period:
    """A shift, or what lies of it within a horizon: hours ``[first, stop)`` since the epoch."""

    first: int
    stop: int
    shift: str

    def local(self, timezone: ZoneInfo) -> str:
        """Start and end by the city's clock: ``2024-09-01 22:00 -06:00 to 2024-09-02 06:00``."""
        begins, ends = self._ends(timezone)
        return f"{local_text(begins)} to {ends:%Y-%m-%d %H:%M}"

    def clock(self, timezone: ZoneInfo) -> str:
        """The same, short: ``Sun 22:00-06:00``."""
        begins, ends = self._ends(timezone)
        return f"{begins:%a %H:%M}-{ends:%H:%M}"

    def _ends(self, timezone: ZoneInfo) -> tuple[datetime, datetime]:
        begins, ends = (EPOCH + hour * HOUR for hour in (self.first, self.stop))
        return begins.astimezone(timezone), ends.astimezone(timezone)


def periods(
    first: int, stop: int, timezone: ZoneInfo, shifts: Iterable[Shift]
) -> tuple[Period, ...]:
    """What a horizon, hours ``[first, stop)`` since the epoch, holds of every shift, in order.

    A horizon that begins or ends within a shift holds a part of it.
    """
    day, last = ((EPOCH + hour * HOUR).astimezone(timezone).date() for hour in (first, stop))
    day -= _DAY
    found = []
    while day <= last:
        for shift in shifts:
            begins, ends = shift.on(day, timezone)
            if max(begins, first) < min(ends, stop):
                found.append(Period(max(begins, first), min(ends, stop), shift.name))
        day += _DAY
    return tuple(sorted(found))
