"""What is kept of a delivery's quality: a few figures, a few kilobytes, for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict

from grids.clock import HOUR
from pipeline.quality.tally import Tally

NEWEST_DAYS = 70  # nine weeks by date, so that days can be held against the same weekdays
MOST_NAMES = 200  # categories, or districts, by name; the rest of a free-text column is one
REST = "(rest)"
BEFORE = "before the start"
OUTSIDE = ("outside the bounds", "outside the boundary")
# Not a fault of a row: the configuration asks for a part of what is delivered.
ASKED = (BEFORE, *OUTSIDE)
NO_PLACE = ("no coordinates", "unreadable coordinates", "coordinates near 0")


class Rows(BaseModel):
    """What became of the rows delivered: ``came`` = kept + merged + quarantined.

    ``news``: incidents heard of for the first time, a part of those kept.
    """

    model_config = ConfigDict(frozen=True)

    came: int
    kept: int
    merged: int
    quarantined: int
    news: int


class Share(BaseModel):
    """A share, and what it would be if times were spread evenly over the whole hours."""

    model_config = ConfigDict(frozen=True)

    share: float
    even: float


class QualityRecord(BaseModel):
    """One ingestion, see ``measure``. Shares are of 1; ``weekday``: Monday is 0, local.

    ``span_days``: since the last delivery that had news; None for the first. ``windows``: share of
    the new incidents with a last possible time, and that are over a day long. ``delay``: share
    known by so many hours. ``occurred``, ``known``: new incidents by local date, the newest days.
    ``deleted``: live incidents that a snapshot leaves out, of ``live``; 0 where it is none.
    ``findings``: figure -> (value, usual). ``accepted``: check -> the value that was let through.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    made_at: AwareDatetime
    weekday: int
    span_days: float | None = None
    deliveries: tuple[str, ...] = ()
    rows: Rows
    reasons: dict[str, int] = {}
    deleted: int = 0
    live: int = 0
    defaults: dict[str, Share] = {}
    windows: dict[str, float] = {}
    delay: dict[str, float] = {}
    category: dict[str, int] = {}
    district: dict[str, int] = {}
    occurred: dict[str, int] = {}
    known: dict[str, int] = {}
    findings: dict[str, tuple[float, float]] = {}
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    accepted: dict[str, float] = {}

    @property
    def day(self) -> date:
        """The local date of ``made_at``: of the days beside the UTC one that with its weekday."""
        utc = self.made_at.astimezone(UTC).date()
        return utc + timedelta(days=(self.weekday - utc.weekday() + 1) % 7 - 1)

    @property
    def unusable(self) -> float:
        """Share of the new rows that cannot be used, those that were not asked for left out."""
        asked = sum(self.reasons.get(reason, 0) for reason in ASKED)
        return _share(self.rows.quarantined - asked, self.new_rows - asked)

    @property
    def without_place(self) -> float:
        """Share of the new rows without usable coordinates."""
        return _share(sum(self.reasons.get(reason, 0) for reason in NO_PLACE), self.new_rows)

    @property
    def outside(self) -> float:
        """Share of the new rows that lie outside the configured place."""
        return _share(sum(self.reasons.get(reason, 0) for reason in OUTSIDE), self.in_time)

    @property
    def in_time(self) -> int:
        """New rows, those before the configured start left out."""
        return self.new_rows - self.reasons.get(BEFORE, 0)

    @property
    def new_rows(self) -> int:
        """Rows that say something new: what was delivered before says nothing about now."""
        return self.rows.kept + self.rows.quarantined


def measure(
    counts: Tally,
    came: int,
    kept: int,
    reasons: Mapping[str, int],
    deliveries: Sequence[str],
    made_at: datetime,
    zone: ZoneInfo,
    since: datetime | None,
    deleted: int = 0,
    live: int = 0,
) -> QualityRecord:
    """The record of an ingestion at ``made_at`` (aware), the first after ``since``.

    ``came``, ``kept``: rows; ``reasons``: rows quarantined by reason; ``counts``: the tally of all
    that was kept; ``deleted``: incidents that a snapshot leaves out, of ``live``.
    """
    quarantined, news = sum(reasons.values()), counts["news"]["all"]
    window = counts["window"]
    return QualityRecord(
        made_at=made_at,
        weekday=made_at.astimezone(zone).weekday(),
        span_days=(made_at - since) / (24 * HOUR) if since else None,
        deliveries=tuple(deliveries),
        rows=Rows(
            came=came,
            kept=kept,
            merged=came - kept - quarantined,
            quarantined=quarantined,
            news=news,
        ),
        reasons=dict(reasons),
        deleted=deleted,
        live=live,
        defaults=_defaults(counts, news),
        windows={name: _share(count, news) for name, count in window.items()},
        delay={hours: _share(count, news) for hours, count in counts["delay"].items()},
        category=_largest(counts["category"]),
        district=_largest(counts["district"]),
        occurred=_newest(counts["occurred"]),
        known=_newest(counts["known"]),
    )


def _defaults(counts: Tally, news: int) -> dict[str, Share]:
    """Share at a time that stands for "unknown", beside that of a time of its kind."""
    clock, days = counts["clock"], counts["occurred"]
    hour = clock["whole_hour"] / 24
    firsts = sum(day.endswith("-01") for day in days)
    years = sum(day.endswith("-01-01") for day in days)
    even = {
        "midnight": hour,
        "noon": hour,
        "month": clock["midnight"] * _share(firsts, len(days)),
        "year": clock["midnight"] * _share(years, len(days)),
    }
    return {
        name: Share(share=_share(clock[name], news), even=_share(expected, news))
        for name, expected in even.items()
    }


def _share(part: float, whole: float) -> float:
    return round(part / whole, 6) if whole > 0 else 0.0


def _largest(counts: Mapping[str, int]) -> dict[str, int]:
    """The most frequent names; where there are many more, the others as one."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(count for _, count in ordered[MOST_NAMES:])
    return dict(ordered[:MOST_NAMES]) | ({REST: rest} if rest else {})


def _newest(days: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(days.items())[-NEWEST_DAYS:])
