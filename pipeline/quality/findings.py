"""The checks of a delivery: each figure beside what is usual, and whether that is far off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    lowest_rate,
    newcomers,
    newest_day,
    pooled,
    quietest,
    scarce,
    usual_rate,
    vanished,
)
from pipeline.quality.finding import Finding
from pipeline.quality.record import QualityRecord
from pipeline.quality.shares import shares

MANY = 3.0  # times the usual: history delivered again, or rows repeated under new keys
COMPARABLE = 0.75  # of the usual time between deliveries
NAMED = 5  # names in a warning
# Incidents to be expected, below which a history alone stops nothing: a small town's noise would.
# Of 500 a stop_rows of 0.3 is 150. Where two fifths of what the history says are to come (200),
# fewer than 150 do once in ten thousand times by chance (Poisson); of 50 it would be one in ten.
SURE = 500


def find(
    current: QualityRecord, past: Sequence[QualityRecord], limits: Quality
) -> Iterator[Finding]:
    """Every check that can be made with what is there. ``past``: oldest first."""
    yield from shares(current, past, limits)
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
        elif block and past and past[0].span_days is None:
            found += _early(block, before, past[0], limits)
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


def _early(
    block: Block, before: Sequence[Block], first: QualityRecord, limits: Quality
) -> Iterator[Finding]:
    """While too few deliveries have come: against the last weeks of the history.

    A feed that delivers once a month or quarter is held to nothing else for years.
    """
    rate = historical_rate(first)
    if rate:
        days = expected_days(block, before) if before else block.days
        usual, least = days * rate, days * lowest_rate(first, before, block.days)
        is_hard = least >= SURE and block.news < scarce(least, limits.stop_rows)
        is_far = block.news < scarce(usual, limits.warn_rows)
        text = f"{block.news:,} incidents are new in {block.days:.1f} days, "
        text += f"{usual:,.0f} to be expected from the history"
        yield Finding("news", block.news, usual, text, is_far or is_hard, is_hard)


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
