"""Countries: whose timezone it is, and their public holidays."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holidays import HolidayBase


@lru_cache(maxsize=8)
def holidays_of(country: str, subdivision: str | None) -> HolidayBase:
    """Public holidays by date; years fill in as days are asked for."""
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
