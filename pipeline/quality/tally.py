"""What a delivery's new incidents are like, counted partition by partition.

A tally holds nothing but whole numbers that add up, so that the sum over any partitioning of the
rows is exactly the tally of all of them, and no process ever needs the whole delivery.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from zoneinfo import ZoneInfo

import pandas as pd

DELAY_HOURS = (1, 6, 24, 72, 168, 336, 720)
NO_DISTRICT = "(none)"
# Name of the section -> name in it -> how many.
Tally = dict[str, dict[str, int]]


def tally(rows: pd.DataFrame, zone: ZoneInfo) -> Tally:
    """Counts of the incidents that ``rows`` tell of for the first time.

    ``rows``: settled revisions (columns of CLEAN, and ``revision``). Sections: ``news`` (all);
    ``clock``: first possible times by the city's clock at whole hours, midnight, noon, midnight
    that begins a month or a year; ``window``: last possible time given, and over a day later;
    ``delay``: known within so many hours (cumulative); ``category``, ``district``; ``occurred``,
    ``known``: by local date, as 2024-05-01.
    """
    news = rows[(rows["revision"] == 0) & ~rows["retracted"].astype(bool)]
    first = _clock(news["occurred_from"], zone)
    window = news["occurred_until"] - news["occurred_from"]
    delay = (news["known_at"] - news["occurred_at"]) / pd.Timedelta("1h")
    return {
        "news": {"all": len(news)},
        "clock": _defaults(first),
        "window": {
            "given": int(window.notna().sum()),
            "over_a_day": int((window > pd.Timedelta("1D")).sum()),
        },
        "delay": {str(hours): int((delay <= hours).sum()) for hours in DELAY_HOURS},
        "category": _counts(news["category"]),
        "district": _counts(news["district"].where(news["district"] != "", NO_DISTRICT)),
        "occurred": _days(first),
        "known": _days(_clock(news["known_at"], zone)),
    }


def merge(tallies: Iterable[Tally]) -> Tally:
    """The tally of all the rows that ``tallies`` are of; of none, every count is 0."""
    total: dict[str, Counter[str]] = {}
    for one in (_nothing(), *tallies):
        for section, counts in one.items():
            total.setdefault(section, Counter()).update(counts)
    return {section: dict(counts) for section, counts in total.items()}


def _nothing() -> Tally:
    return {
        "news": {"all": 0},
        "clock": dict.fromkeys(("whole_hour", "midnight", "noon", "month", "year"), 0),
        "window": {"given": 0, "over_a_day": 0},
        "delay": {str(hours): 0 for hours in DELAY_HOURS},
        "category": {},
        "district": {},
        "occurred": {},
        "known": {},
    }


def _clock(instants: pd.Series, zone: ZoneInfo) -> pd.Series:
    return instants.dt.tz_convert(zone).dt.tz_localize(None)


def _defaults(clock: pd.Series) -> dict[str, int]:
    """What people type where they do not know: compared with the other whole hours."""
    whole = clock[clock == clock.dt.floor("h")]
    midnight = whole[whole.dt.hour == 0]
    month = midnight[midnight.dt.day == 1]
    return {
        "whole_hour": len(whole),
        "midnight": len(midnight),
        "noon": int((whole.dt.hour == 12).sum()),
        "month": len(month),
        "year": int((month.dt.month == 1).sum()),
    }


def _days(clock: pd.Series) -> dict[str, int]:
    counts = clock.dt.normalize().value_counts().sort_index()
    return {f"{day:%Y-%m-%d}": int(count) for day, count in counts.items()}


def _counts(values: pd.Series) -> dict[str, int]:
    counts = values.value_counts().sort_index()
    return {str(value): int(count) for value, count in counts.items()}
