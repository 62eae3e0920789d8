"""Instants and the city's local clock: when a night's cutoff is, and its first hour.

Needs nothing but Python, so that a command that only asks for tonight's cutoff starts at once.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

HOUR = timedelta(hours=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def day_of(instant: datetime) -> int:
    """The UTC day since 1970-01-01 that an instant (aware) lies in."""
    return (instant - EPOCH) // timedelta(days=1)


def local_instant(day: date, clock: time, timezone: ZoneInfo) -> datetime:
    """The instant (UTC) at which the local clock shows ``clock`` on the date of ``day``.

    The first of two; one that the clocks skip is as long after the last hour as it would have been.
    """
    return datetime.combine(day, clock.replace(fold=0), timezone).astimezone(UTC)


def local_text(local: datetime) -> str:
    """A local time with its offset, for people: ``2024-09-01 00:00 -06:00``."""
    return f"{local:%Y-%m-%d %H:%M} {local.isoformat()[-6:]}"


def latest_cutoff(now: datetime, clock: time, timezone: ZoneInfo) -> datetime:
    """The latest local ``clock`` that is not after ``now`` (aware), UTC."""
    local = now.astimezone(timezone)
    today = local_instant(local, clock, timezone)
    return today if today <= now else local_instant(local - timedelta(days=1), clock, timezone)


def nightly_cutoffs(
    first: datetime, last: datetime, clock: time, timezone: ZoneInfo
) -> list[datetime]:
    """Every cutoff at the local ``clock`` in ``[first, last]`` (aware), UTC, one a local day."""
    start = first.astimezone(timezone).date() - timedelta(days=1)
    count = (last.astimezone(timezone).date() - start).days + 1
    days = (start + timedelta(days=at) for at in range(count))
    instants = (local_instant(day, clock, timezone) for day in days)
    return [at for at in instants if first <= at <= last]


def cutoffs_of_days(first: date, last: date, clock: time, timezone: ZoneInfo) -> list[datetime]:
    """The cutoffs at the local ``clock`` of the local dates ``first`` to ``last``, UTC.

    One that the clocks skip or repeat is still that of its day.
    """
    day = timedelta(days=1)
    start = datetime.combine(first, clock, timezone) - day
    stop = datetime.combine(last, clock, timezone) + day
    around = nightly_cutoffs(start, stop, clock, timezone)
    return [at for at in around if first <= at.astimezone(timezone).date() <= last]


def reference_hour(cutoff: datetime) -> int:
    """The first forecast hour: the cutoff rounded up to the hour."""
    return -((EPOCH - cutoff) // HOUR)
