"""A delivery's figures beside those of the weeks before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import pi, sqrt
from statistics import median

from pipeline.quality.record import NEWEST_DAYS, QualityRecord

RECENT = 28  # earlier deliveries that "usual" is made of
WEEKS = 8  # that a weekday is held against
LEAST = 14  # deliveries, below which nothing is usual yet
# Of fewer incidents a number says little: deliveries are taken together until there are as many.
ENOUGH = 50
NEARLY_A_DAY = 0.8
LONGEST_SPANS = 3.0  # after a longer pause reports may come in more slowly than time has passed


@dataclass(frozen=True)
class Block:
    """Deliveries in a row: incidents new in them, the days that they span, the last weekday."""

    news: int
    days: float
    weekday: int

    @property
    def rate(self) -> float:
        """New incidents a day."""
        return self.news / self.days


def blocks(records: Sequence[QualityRecord], least_days: float) -> list[Block]:
    """Records (oldest first) taken together from the newest on, each time to ``least_days``.

    A delivery without news is no more than a day without delivery, and the first, historical one
    spans no time: both are left out.
    """
    found: list[Block] = []
    news, days, weekday = 0, 0.0, 0
    for record in reversed(records):
        if not record.span_days or not record.rows.news:
            continue
        weekday = weekday if days else record.weekday
        news, days = news + record.rows.news, days + record.span_days
        if days >= least_days:
            found.append(Block(news, days, weekday))
            news, days = 0, 0.0
    return found[::-1]


def days_for_enough(records: Sequence[QualityRecord]) -> float:
    """Days that a block needs for ENOUGH new incidents to be expected."""
    daily = blocks(records, NEARLY_A_DAY)[-RECENT:]
    if not daily:
        return NEARLY_A_DAY
    return max(NEARLY_A_DAY, ENOUGH / quietest([(b.weekday, b.rate) for b in daily]))


def quietest(values: Iterable[tuple[int, float]]) -> float:
    """The lowest of the weekdays' medians of (weekday, value), where a weekday has two or more.

    What is usual on the quietest weekday may happen on any holiday.
    """
    by_weekday: dict[int, list[float]] = {}
    for weekday, value in values:
        by_weekday.setdefault(weekday, []).append(value)
    several = [median(some) for some in by_weekday.values() if len(some) > 1]
    return min(several or [median(v for some in by_weekday.values() for v in some)])


def scarce(usual: float, share: float) -> float:
    """The number of rows below which they are too few: ``share`` of the usual.

    Of small numbers less: so few that a day of which five thirds as many are to be expected, as a
    holiday may be, does not come below it by chance. That is 3.5 standard deviations, taken on the
    square root, where a Poisson count has one of about 1/2 (Anscombe 1948, Biometrika 35:246).
    """
    by_chance = max(0.0, sqrt(min(1.0, share * 5 / 3) * usual) - 3.5 / 2) ** 2
    return min(share * usual, by_chance)


def expected_days(block: Block, past: Sequence[Block]) -> float:
    """The days of which a block should have news: not many more than usual, see LONGEST_SPANS."""
    return min(block.days, LONGEST_SPANS * median(b.days for b in past))


def usual_rate(block: Block, past: Sequence[Block]) -> float:
    """New incidents a day on this weekday in past weeks, else on any day of late."""
    same = [b.rate for b in past[-7 * WEEKS :] if b.weekday == block.weekday]
    return median(same[-WEEKS:] if len(same) >= WEEKS // 2 else [b.rate for b in past[-RECENT:]])


def historical_rate(first: QualityRecord) -> float | None:
    """Incidents that became known a day in the last weeks of a first, historical delivery."""
    counts = _whole_weeks(first.known)
    return median(counts[-7 * WEEKS :]) if len(counts) >= 7 * WEEKS else None


def lowest_rate(first: QualityRecord, before: Sequence[Block], days: float) -> float:
    """Incidents a day that so many ``days`` bring at the least, by a history of WEEKS and since.

    A day may be of the quietest weekday; several weeks are like the weeks. What came since may be
    lower for good, and a history of years ago is no measure then.
    """
    counts = _whole_weeks(first.known)[-7 * WEEKS :]
    if days < 7:
        low = quietest((at % 7, count) for at, count in enumerate(counts))
    else:
        low = median(sum(counts[at : at + 7]) for at in range(0, len(counts), 7)) / 7
    since = [median(b.rate for b in before)] if len(before) >= WEEKS // 2 else []
    return min(median(counts), low, *since)


def last_week(first: QualityRecord) -> tuple[int, float] | None:
    """Known in the last whole week of a history, and the median of the weeks before; or None."""
    counts = _whole_weeks(first.known)
    weeks = [sum(counts[at : at + 7]) for at in range(len(counts) % 7, len(counts), 7)]
    if len(weeks) <= WEEKS:
        return None
    return weeks[-1], median(weeks[-WEEKS - 1 : -1])


def _whole_weeks(days: Mapping[str, int]) -> list[int]:
    """Counts of all days between the first and the last, which may be cut off."""
    if len(days) < 2:
        return []
    first, last = date.fromisoformat(min(days)), date.fromisoformat(max(days))
    every = (first + timedelta(days=n) for n in range(1, (last - first).days))
    return [days.get(day.isoformat(), 0) for day in every]


def newest_day(records: Sequence[QualityRecord]) -> tuple[date, int, float] | None:
    """The newest local day of which ENOUGH was to be known by the last record: known, usual.

    Usual is the median over the same weekdays of past weeks, each as it was known when it was just
    as old. Newest is the first day back on which that is ENOUGH; None where there is none yet.
    """
    today = records[-1].day
    of_late = [r for r in records if (today - r.day).days <= NEWEST_DAYS + 1]
    begun = of_late[0].day
    for age in range(1, 15):
        day = today - timedelta(days=age)
        weeks = range(1, WEEKS + 1)
        before = [n for n in weeks if day - timedelta(weeks=n) > begun]
        usual = [_known(of_late, day - timedelta(weeks=n), n) for n in before]
        if len(usual) >= WEEKS // 2 and median(usual) >= ENOUGH:
            return day, _known(of_late, day, 0), median(usual)
    return None


def _known(records: Sequence[QualityRecord], day: date, weeks_ago: int) -> int:
    """Incidents of a day that were known ``weeks_ago`` before the last record."""
    until = records[-1].made_at - timedelta(weeks=weeks_ago) + timedelta(hours=6)
    name = day.isoformat()
    return sum(record.occurred.get(name, 0) for record in records if record.made_at <= until)


def pooled(records: Sequence[QualityRecord], field: str) -> Counter[str]:
    """Counts by name over some records."""
    total: Counter[str] = Counter()
    for record in records:
        total.update(getattr(record, field))
    return total


def distance(counts: Mapping[str, int], usual: Mapping[str, int]) -> float:
    """Total variation distance of two mixes (0 to 1), less what chance alone would make it.

    Chance: the mean absolute deviation of a share in a sample of this size, by the normal law.
    """
    size, whole = sum(counts.values()), sum(usual.values())
    if not size or not whole:
        return 0.0
    names = counts.keys() | usual.keys()
    shares = {name: usual.get(name, 0) / whole for name in names}
    apart = sum(abs(counts.get(name, 0) / size - shares[name]) for name in names) / 2
    chance = sum(sqrt(share * (1 - share)) for share in shares.values()) / sqrt(2 * pi * size)
    return max(0.0, apart - chance)


def newcomers(counts: Mapping[str, int], usual: Mapping[str, int]) -> list[str]:
    """Names never seen of late that now make a hundredth, and five incidents, or more."""
    size = sum(counts.values())
    return [name for name, n in counts.items() if name not in usual and n >= max(5, size / 100)]


def vanished(counts: Mapping[str, int], usual: Mapping[str, int]) -> list[str]:
    """Names of which ten or more were to be expected, and none came."""
    size, whole = sum(counts.values()), max(1, sum(usual.values()))
    return [name for name, n in usual.items() if name not in counts and size * n / whole >= 10]
