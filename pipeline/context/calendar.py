"""The calendar of the hours ahead: public holidays, paydays, daylight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from grids.hours import HourRange
from pipeline.context.sun import elevation

if TYPE_CHECKING:
    from holidays import HolidayBase

Floats = NDArray[np.float64]
ORDINARY, DAY_AFTER, EVE, HOLIDAY = range(4)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Calendar:
    """Whose public holidays count (``country`` None: nobody's), and where the sun is seen from.

    ``country``: ISO 3166 code; ``subdivision``: the `holidays` package's code of a part of it.
    """

    country: str | None = None
    subdivision: str | None = None
    latitude: float = 0.0
    longitude: float = 0.0

    def days(self, dates: Sequence[date]) -> Floats:
        """(date,) HOLIDAY, else EVE of one, else DAY_AFTER one, else ORDINARY."""
        kinds = {day: self._kind(day) for day in set(dates)}
        return np.array([kinds[day] for day in dates], np.float64)

    def _kind(self, day: date) -> int:
        if self.country is None:
            return ORDINARY
        known = _holidays(self.country, self.subdivision)
        if day in known:
            return HOLIDAY
        if day + _DAY in known:
            return EVE
        return DAY_AFTER if day - _DAY in known else ORDINARY

    def since_last_workday(self, dates: Sequence[date]) -> Floats:
        """(date,) days since a month's last working day, when many are paid: 0 on the day."""
        found = {day: (day - self._last_workday(day)).days for day in set(dates)}
        return np.array([found[day] for day in dates], np.float64)

    def _last_workday(self, day: date) -> date:
        """The newest last working day of a month that is not after ``day``."""
        ends = (day.replace(day=28) + 4 * _DAY).replace(day=1) - _DAY, day.replace(day=1) - _DAY
        this, before = (self._working(end) for end in ends)
        return this if this <= day else before

    def _working(self, day: date) -> date:
        """The day, or the newest before it that is no weekend and no holiday."""
        while day.weekday() >= 5 or self._kind(day) == HOLIDAY:
            day -= _DAY
        return day

    def sun(self, hours: HourRange) -> Floats:
        """(hour,) degrees of the sun above the horizon in the middle of each hour."""
        return elevation((hours.values + 0.5) * 3600, self.latitude, self.longitude)


def since_first_or_fifteenth(dates: Sequence[date]) -> Floats:
    """(date,) days since the 1st or the 15th of the month, when many are paid: 0 to 16."""
    return np.array([(d.day - 1) if d.day < 15 else d.day - 15 for d in dates], np.float64)


@lru_cache(maxsize=8)
def _holidays(country: str, subdivision: str | None) -> HolidayBase:
    """Years fill in as days are asked for."""
    from holidays import country_holidays  # half a second, which most commands need not wait

    return country_holidays(country, subdiv=subdivision)


def require_known(country: str, subdivision: str | None) -> None:
    """Raise ValueError where the `holidays` package has no such country or subdivision."""
    from holidays import list_supported_countries

    known = list_supported_countries()
    if country not in known:
        raise ValueError(f"country {country!r} has no calendar of holidays: write it as in US")
    if subdivision is not None and subdivision not in known[country]:
        choice = ", ".join(known[country]) or "none: leave it out"
        raise ValueError(f"subdivision {subdivision!r} is none of {country}'s: use one of {choice}")


def country_of(timezone: str) -> str | None:
    """ISO 3166 code of the country whose timezone this is; None for UTC, aliases and the like."""
    table = files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    return next((row[0] for row in rows if row[2] == timezone), None)
