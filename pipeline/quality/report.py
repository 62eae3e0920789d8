"""The quality of deliveries as lines for people and as plain values for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from pipeline.delay import reported_share, share_at
from pipeline.quality.record import QualityRecord
from pipeline.quality.tally import DELAY_HOURS

_DEFAULTS = {
    "midnight": "at 00:00",
    "noon": "at 12:00",
    "month": "at 00:00 on a first of the month",
    "year": "at 00:00 on a first of January",
}
_TITLES = ("delivered", "days", "rows", "new", "bad", "no place", "00:00", "in 24 h", "")


def city_delay(table: NDArray[np.int64], as_of: datetime) -> dict[str, float]:
    """The city's estimate of the share known by each of DELAY_HOURS, see ``pipeline.delay``."""
    shares = share_at(reported_share(table, as_of), np.array(DELAY_HOURS, float))
    return {
        str(hours): round(float(share), 6) for hours, share in zip(DELAY_HOURS, shares, strict=True)
    }


def quality_lines(
    record: QualityRecord | Mapping[str, Any], city: Mapping[str, float] | None = None
) -> Iterator[str]:
    """One delivery: rows, default times, windows, delays beside the city's, what was found."""
    record = QualityRecord.model_validate(record)
    yield (
        f"quality: {record.rows.news:,} new incidents, {record.unusable:.1%} of "
        f"{record.new_rows:,} new rows cannot be used, {record.without_place:.1%} have no place"
        + (f", {record.outside:.1%} lie outside" if record.outside else "")
    )
    if record.deleted:
        yield f"  {record.deleted:>9,}  of {record.live:,} incidents are left out by the snapshot"
    if record.rows.news:
        for name, words in _DEFAULTS.items():
            found = record.defaults.get(name)
            if found and (found.share or found.even):
                yield f"  {found.share:>9.1%}  {words} (evenly: {found.even:.1%})"
        yield f"  {record.windows.get('over_a_day', 0):>9.1%}  in windows of over a day"
        yield from _delays(record.delay, city)
    for text in record.warnings:
        yield f"warning: {text}"
    for text in record.errors:
        yield f"refused: {text}"


def _delays(delay: Mapping[str, float], city: Mapping[str, float] | None) -> Iterator[str]:
    yield "  known within " + "".join(f"{_age(hours):>8}" for hours in DELAY_HOURS)
    for name, shares in (("delivery", delay), ("city", city or {})):
        if shares:
            yield f"  {name:<13}" + "".join(f"{shares[str(h)]:>8.1%}" for h in DELAY_HOURS)


def _age(hours: int) -> str:
    return f"{hours} h" if hours <= 24 else f"{hours // 24} d"


def trend_lines(records: Sequence[QualityRecord], zone: ZoneInfo) -> Iterator[str]:
    """A table of deliveries, a line each, oldest first."""
    yield _line(_TITLES)
    for record in records:
        midnight = record.defaults.get("midnight")
        marks = [f"{len(record.warnings)} warnings" if record.warnings else ""]
        marks += ["accepted" if record.accepted else "", "refused" if record.errors else ""]
        cells = (
            f"{record.made_at.astimezone(zone):%Y-%m-%d %H:%M}",
            "first" if record.span_days is None else f"{record.span_days:.1f}",
            f"{record.rows.came:,}",
            f"{record.rows.news:,}",
            f"{record.unusable:.1%}",
            f"{record.without_place:.1%}",
            f"{midnight.share:.1%}" if midnight else "",
            f"{record.delay.get('24', 0):.0%}" if record.rows.news else "",
            ", ".join(filter(None, marks)),
        )
        yield _line(cells)


def _line(cells: Sequence[str]) -> str:
    when, *figures, marks = cells
    return f"{when:<16}" + "".join(f"{cell:>11}" for cell in figures) + f"  {marks}".rstrip()
