"""The calendar of the hours ahead: public holidays, paydays, daylight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from grids.hours import HourRange
from pipeline.context.countries import holidays_of
from pipeline.context.sun import elevation

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
        known = holidays_of(self.country, self.subdivision)
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
