"""Made-up quality records of deliveries, and years of them, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from pipeline.quality.assess import judged
from pipeline.quality.config import Quality
from pipeline.quality.history import READ
from pipeline.quality.record import QualityRecord, measure
from pipeline.quality.tally import DELAY_HOURS, Tally

ZONE = ZoneInfo("America/Denver")
BEGUN = datetime(2023, 1, 2, 7, tzinfo=UTC)  # local midnight, at the end of a Sunday
DAY = timedelta(days=1)
LIMITS = Quality()
KINDS = np.array([0.3, 0.25, 0.15, 0.12, 0.1, 0.05, 0.02, 0.01])
AGES = np.array([0.6, 0.2, 0.08, 0.05, 0.04, 0.03])  # of news, in days: how late it comes
WEEK = np.array([1.05, 1.0, 1.0, 1.0, 1.08, 0.95, 0.87])


def counts(news: int, at: datetime, rng: np.random.Generator) -> Tally:
    """A tally of so many new incidents, delivered at ``at``."""
    yesterday = (at.astimezone(ZONE) - timedelta(hours=6)).date()
    days = {
        (yesterday - timedelta(days=age)).isoformat(): int(count)
        for age, count in enumerate(rng.multinomial(news, AGES))
        if count
    }
    kinds = {f"kind {i}": int(n) for i, n in enumerate(rng.multinomial(news, KINDS)) if n}
    return {
        "news": {"all": news},
        "clock": dict.fromkeys(("whole_hour", "midnight", "noon", "month", "year"), 0),
        "window": {"given": 0, "over_a_day": 0},
        "delay": dict.fromkeys(map(str, DELAY_HOURS), news),
        "category": kinds,
        "district": {"1": news} if news else {},
        "occurred": days,
        "known": {yesterday.isoformat(): news} if news else {},
    }


def record(
    news: int,
    at: datetime = BEGUN + 30 * DAY,
    since: datetime | None = BEGUN + 29 * DAY,
    came: int | None = None,
    reasons: dict[str, int] | None = None,
    seed: int = 0,
) -> QualityRecord:
    """A delivery of so many new incidents; ``came``: rows, by default no more than that."""
    bad = reasons or {}
    came = news + sum(bad.values()) if came is None else came
    tally = counts(news, at, np.random.default_rng(seed))
    return measure(tally, came, news, bad, ["news.csv"], at, ZONE, since)


@dataclass(frozen=True)
class Year:
    """A year of deliveries with weekdays, seasons, holidays and weather, none of them broken.

    ``hours`` between deliveries; ``closed``: weekdays (Monday is 0) on which reports are not
    published; ``touched``: whether a delivery without news comes then, or none; ``full``: rows
    that every delivery repeats.
    """

    per_day: float
    seed: int = 0
    days: int = 400
    hours: int = 24
    closed: tuple[int, ...] = ()
    touched: bool = False
    full: int = 0

    def deliveries(self) -> Iterator[tuple[QualityRecord, list[QualityRecord]]]:
        """Each delivery, as it is measured, and those before it, as they were judged."""
        rng = np.random.default_rng(self.seed)
        past = [record(40_000, BEGUN, None)]
        at = since = BEGUN
        waiting = 0
        factors = self._factors(rng)
        for step in range(self.days * 24 // self.hours):
            at += timedelta(hours=self.hours)
            waiting += int(rng.poisson(self.per_day * self.hours / 24 * factors[step]))
            published = (at.astimezone(ZONE) - timedelta(hours=1)).weekday() not in self.closed
            if not published and not self.touched:
                continue
            news = waiting if published else 0
            came = self.full + news
            found = record(news, at, since, came, seed=int(rng.integers(2**32)))
            yield found, past
            past = [*past, judged(found, past, LIMITS)][-READ:]
            if news:
                waiting, since = 0, at

    def _factors(self, rng: np.random.Generator) -> np.ndarray:
        """The day's rate beside the mean: weekday, season, weather, half of it on a holiday."""
        steps = np.arange(self.days * 24 // self.hours)
        day = steps * self.hours // 24
        season = 1 + 0.2 * np.sin(2 * np.pi * day / 365)
        weather = np.exp(rng.normal(0, 0.1, self.days + 1))[day]
        holiday = np.where(rng.random(self.days + 1) < 10 / 365, 0.5, 1.0)[day]
        return np.asarray(WEEK[day % 7] * season * weather * holiday)


def checks(found: object) -> set[str]:
    return {finding.check for finding in found}  # type: ignore[attr-defined]


def nights(
    count: int, news: int = 190, first: QualityRecord | None = None, seed: int = 0
) -> list[QualityRecord]:
    """A history and so many judged nights after it, each with about as much news."""
    rng = np.random.default_rng(seed)
    past = [first or record(40_000, BEGUN, None)]
    for night in range(1, count + 1):
        at = BEGUN + night * DAY
        found = record(int(rng.poisson(news)), at, at - DAY, seed=night)
        past.append(judged(found, past, LIMITS))
    return past


def after(past: list[QualityRecord], news: int, days: float = 1.0, **more: object) -> QualityRecord:
    since = next(r.made_at for r in reversed(past) if r.rows.news)
    return record(news, since + days * DAY, since, **more)  # type: ignore[arg-type]
