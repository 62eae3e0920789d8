"""Shifts: the parts of the day that patrols are planned by.

Needs nothing but Python, since a configuration holds them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

from grids.clock import EPOCH, HOUR, local_instant, reference_hour

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
        found = re.fullmatch(r"([01]\d|2[0-3]):00-([01]\d|2[0-4]):00", text)
        if not found:
            raise ValueError(
                f"shift {name} is {text!r}: write whole hours of the local clock, as in 14:00-22:00"
            )
        return cls(name, time(int(found[1])), time(int(found[2]) % 24))

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
        """Its times by the city's clock: ``2024-09-01 14:00-22:00 -06:00``."""
        begins, ends = (
            (EPOCH + hour * HOUR).astimezone(timezone) for hour in (self.first, self.stop)
        )
        return f"{begins:%Y-%m-%d %H:%M}-{ends:%H:%M} {begins.isoformat()[-6:]}"


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
