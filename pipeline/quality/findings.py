"""The checks of a delivery: each figure beside what is usual, and whether that is far off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import median

from pipeline.quality.config import Quality
from pipeline.quality.drift import (
    ENOUGH,
    LEAST,
    NEARLY_A_DAY,
    RECENT,
    Block,
    blocks,
    days_for_enough,
    distance,
    expected_days,
    historical_rate,
    last_week,
    newcomers,
    newest_day,
    pooled,
    quietest,
    scarce,
    usual_rate,
    vanished,
)
from pipeline.quality.record import QualityRecord

MANY = 3.0  # times the usual: history delivered again, or rows repeated under new keys
COMPARABLE = 0.75  # of the usual time between deliveries
NAMED = 5  # names in a warning
FEW = 30  # rows, of which a share says nothing


@dataclass(frozen=True)
class Finding:
    """A figure of a delivery and what is usual, in words; ``check`` names it.

    ``is_warning``: it is worth a word; ``is_hard``: a night must not go on with it.
    """

    check: str
    value: float
    usual: float
    text: str
    is_warning: bool
    is_hard: bool = False


def find(
    current: QualityRecord, past: Sequence[QualityRecord], limits: Quality
) -> Iterator[Finding]:
    """Every check that can be made with what is there. ``past``: oldest first."""
    yield from _quarantine(current, past, limits)
    if current.span_days is None:
        yield from _history(current, limits)
        return
    idle = is_idle(current)
    busy = [record for record in past if record.span_days and record.rows.news][-RECENT:]
    yield from _rows(current, busy, limits, idle)
    if idle:
        yield from _idle(current, busy)
        return
    news = list(_news(current, past, limits))
    yield from news
    if not any(finding.is_warning for finding in news):
        yield from _newest(current, past, limits)
    if len(busy) >= LEAST and current.rows.news >= ENOUGH:
        yield from (_mix(current, busy, field, limits) for field in ("category", "district"))


def is_idle(current: QualityRecord) -> bool:
    """Whether nothing new was delivered: that is no delivery, and judged by how long it lasts."""
    return current.rows.news == 0 and current.rows.quarantined < ENOUGH / 2


def _quarantine(
    current: QualityRecord, past: Sequence[QualityRecord], limits: Quality
) -> Iterator[Finding]:
    """Shares of the new rows. A lack of places is told once, not again among what is unusable."""
    recent = [record for record in past[-RECENT:] if record.new_rows]
    place = _share("no place", "have no place", "without_place", current, recent, limits)
    bad = _share("quarantined", "cannot be used", "unusable", current, recent, limits)
    is_hard = current.new_rows >= FEW and bad.value > limits.stop_quarantined
    is_told = place.is_warning and bad.value - place.value <= limits.warn_quarantined
    yield place
    yield replace(bad, is_hard=is_hard, is_warning=is_hard or (bad.is_warning and not is_told))


def _share(
    check: str,
    words: str,
    field: str,
    current: QualityRecord,
    recent: Sequence[QualityRecord],
    limits: Quality,
) -> Finding:
    new, rows = current.new_rows, sum(record.new_rows for record in recent)
    usual = sum(getattr(r, field) * r.new_rows for r in recent) / rows if rows else 0.0
    chance = 3 * sqrt(usual * (1 - usual) / new) if new else 0.0
    value = getattr(current, field)
    is_high = new >= FEW and value > usual + limits.warn_quarantined + chance
    than = f", usually {usual:.1%}" if rows else ""
    text = f"{value:.1%} of {new:,} new rows {words}{than}{_most(current)}"
    return Finding(check, value, usual, text, is_high)


def _most(current: QualityRecord) -> str:
    if not current.reasons:
        return ""
    reason = max(current.reasons, key=lambda name: current.reasons[name])
    return f" (most: {reason})"


def _history(first: QualityRecord, limits: Quality) -> Iterator[Finding]:
    """Of a first delivery: whether its last whole week is like the weeks before."""
    found = last_week(first)
    if found and found[1] >= ENOUGH:
        known, usual = found
        text = f"{known:,} incidents became known in the last whole week, usually {usual:,.0f}"
        yield Finding("last week", known, usual, text, known < limits.warn_rows * usual)


def _rows(
    current: QualityRecord, busy: Sequence[QualityRecord], limits: Quality, idle: bool
) -> Iterator[Finding]:
    """Rows delivered, against deliveries after about as long a time."""
    if len(busy) < LEAST or (idle and current.rows.came < ENOUGH):
        return
    usual_span, span = median(r.span_days or 0.0 for r in busy), current.span_days or 0.0
    if span < COMPARABLE * usual_span:
        return
    came, usual = current.rows.came, median(r.rows.came for r in busy)
    least = quietest([(r.weekday, float(r.rows.came)) for r in busy])
    is_hard = came < scarce(least, limits.stop_rows)
    is_many = came > ENOUGH and came > MANY * usual * max(1.0, span / usual_span)
    is_far = came < scarce(least, limits.warn_rows) or is_many
    text = f"{came:,} rows were delivered, usually {usual:,.0f}"
    yield Finding("rows", came, usual, text, is_far or is_hard, is_hard)


def _idle(current: QualityRecord, busy: Sequence[QualityRecord]) -> Iterator[Finding]:
    """Worth a word where news was to be expected: after such a time, on such a weekday."""
    if len(busy) < LEAST or current.weekday not in {record.weekday for record in busy}:
        return
    found = blocks(busy, days_for_enough(busy))
    if found:
        usual = (current.span_days or 0.0) * quietest([(b.weekday, b.rate) for b in found])
        text = f"nothing new in {current.rows.came:,} rows, where {usual:,.0f} incidents are usual"
        yield Finding("idle", 0, usual, text, usual >= ENOUGH / 5)


def _news(
    current: QualityRecord, past: Sequence[QualityRecord], limits: Quality
) -> Iterator[Finding]:
    """New incidents: of this night, and where those are few, of several nights together."""
    found: list[Finding] = []
    for least_days in sorted({NEARLY_A_DAY, days_for_enough(past)}):
        block, before = _block(current, past, least_days)
        if block and len(before) >= LEAST:
            found.append(_compared(block, before, limits))
        elif block:
            found += _early(block, past, limits)
    yield from sorted(found, key=lambda finding: (finding.is_hard, finding.is_warning))[-1:]


def _compared(block: Block, before: Sequence[Block], limits: Quality) -> Finding:
    """Against the same weekday to warn, and the quietest weekday to stop."""
    days = expected_days(block, before)
    usual = days * usual_rate(block, before)
    least = days * quietest([(b.weekday, b.rate) for b in before[-RECENT:]])
    is_hard = block.news < scarce(least, limits.stop_rows)
    is_many = block.news > ENOUGH and block.news > MANY * usual
    is_far = block.news < scarce(usual, limits.warn_rows) or is_many
    text = f"{block.news:,} incidents are new in {block.days:.1f} days, usually {usual:,.0f}"
    return Finding("news", block.news, usual, text, is_far or is_hard, is_hard)


def _early(block: Block, past: Sequence[QualityRecord], limits: Quality) -> Iterator[Finding]:
    """While too few deliveries have come: against the last weeks of the history."""
    rate = historical_rate(past[0]) if past and past[0].span_days is None else None
    if rate:
        usual = rate * block.days
        text = f"{block.news:,} incidents are new in {block.days:.1f} days, once {usual:,.0f}"
        yield Finding("news", block.news, usual, text, block.news < scarce(usual, limits.warn_rows))


def _block(
    current: QualityRecord, past: Sequence[QualityRecord], least: float
) -> tuple[Block | None, list[Block]]:
    """The delivery, with those before it where it is short, and the earlier ones likewise."""
    before, span = blocks(past, least), current.span_days or 0.0
    if not span:
        return None, before
    if span >= least or not current.rows.news:  # without news, its rows are all in quarantine
        return Block(current.rows.news, max(span, least), current.weekday), before
    together = blocks([*past, current], least)
    return (together[-1], together[:-1]) if together else (None, before)


def _newest(
    current: QualityRecord, past: Sequence[QualityRecord], limits: Quality
) -> Iterator[Finding]:
    found = newest_day([*past, current])
    if found:
        day, known, usual = found
        text = f"{known:,} incidents of {day:%A, %Y-%m-%d} are known, usually {usual:,.0f} by then"
        yield Finding("newest day", known, usual, text, known < limits.warn_rows * usual)


def _mix(
    current: QualityRecord, busy: Sequence[QualityRecord], field: str, limits: Quality
) -> Finding:
    """Against the deliveries of late; what was so in the last one already was told then."""
    counts, last, usual = getattr(current, field), getattr(busy[-1], field), pooled(busy, field)
    apart, told = distance(counts, usual), []
    if apart > limits.warn_mix and distance(counts, last) > limits.warn_mix:
        told += [f"{apart:.0%} of the incidents are of another {field} than usual"]
    came = [name for name in newcomers(counts, usual) if name not in last]
    gone = [name for name in vanished(counts, usual) if name in last]
    for word, names in (("new", came), ("missing", gone)):
        told += [f"{word} {field}: {', '.join(names[:NAMED])}"] if names else []
    return Finding(field, apart, 0.0, "; ".join(told), bool(told))
