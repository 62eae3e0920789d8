"""Shares of a delivery that are lost: unusable, without a place, outside the city, left out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from math import sqrt

from pipeline.quality.config import Quality
from pipeline.quality.drift import RECENT
from pipeline.quality.finding import Finding
from pipeline.quality.record import ASKED, OUTSIDE, QualityRecord

FEW = 30  # rows, of which a share says nothing
_CAUSES = "check grid.bounds, grid.boundary, source.crs, swapped lon and lat"


def shares(
    current: QualityRecord, past: Sequence[QualityRecord], limits: Quality
) -> Iterator[Finding]:
    """Beside those of the last deliveries (oldest first); only what a snapshot leaves out alone."""
    recent = [record for record in past[-RECENT:] if record.new_rows]
    yield from _quarantine(current, recent, limits)
    yield _outside(current, recent, limits)
    yield from _deleted(current, limits)


def _quarantine(
    current: QualityRecord, recent: Sequence[QualityRecord], limits: Quality
) -> Iterator[Finding]:
    """Shares of the new rows. A lack of places is told once, not again among what is unusable."""
    place = _share(
        "no place", "have no place", "without_place", "new_rows", current, recent, limits
    )
    bad = _share("quarantined", "cannot be used", "unusable", "new_rows", current, recent, limits)
    is_hard = current.new_rows >= FEW and bad.value > limits.stop_quarantined
    is_told = place.is_warning and bad.value - place.value <= limits.warn_quarantined
    most = _most(current, current.reasons.keys() - set(ASKED))
    yield replace(place, text=place.text + most)
    yield replace(
        bad,
        text=bad.text + most,
        is_hard=is_hard,
        is_warning=is_hard or (bad.is_warning and not is_told),
    )


def _outside(current: QualityRecord, recent: Sequence[QualityRecord], limits: Quality) -> Finding:
    """Rows outside are no fault: a county's feed may serve a city. That they become more is one.

    At the first delivery nothing says how many are right, and a wrong box or projection looks like
    a calm city: above ``stop_quarantined`` somebody has to look. Later a lack of news stops.
    """
    found = _share("outside", "lie outside", "outside", "in_time", current, recent, limits)
    is_hard = (
        current.span_days is None
        and current.in_time >= FEW
        and found.value > limits.stop_quarantined
    )
    text = f"{found.text}{_most(current, OUTSIDE)}: {_CAUSES}"
    return replace(found, text=text, is_hard=is_hard, is_warning=is_hard or found.is_warning)


def _share(
    check: str,
    words: str,
    field: str,
    whole: str,
    current: QualityRecord,
    recent: Sequence[QualityRecord],
    limits: Quality,
) -> Finding:
    """``field``: of the record, the share; ``whole``: the rows that it is a share of."""
    new, rows = getattr(current, whole), sum(getattr(r, whole) for r in recent)
    usual = sum(getattr(r, field) * getattr(r, whole) for r in recent) / rows if rows else 0.0
    chance = 3 * sqrt(usual * (1 - usual) / new) if new else 0.0
    value = getattr(current, field)
    is_high = new >= FEW and value > usual + limits.warn_quarantined + chance
    than = f", usually {usual:.1%}" if rows else ""
    return Finding(check, value, usual, f"{value:.1%} of {new:,} new rows {words}{than}", is_high)


def _most(current: QualityRecord, reasons: Collection[str]) -> str:
    found = {name: count for name, count in current.reasons.items() if name in reasons}
    return f" (most: {max(found, key=lambda name: found[name])})" if found else ""


def _deleted(current: QualityRecord, limits: Quality) -> Iterator[Finding]:
    """Live incidents that a snapshot no longer holds: nothing usual, a few are taken back."""
    if current.live:
        share, limit = current.deleted / current.live, limits.stop_deleted
        text = f"the snapshot leaves out {current.deleted:,} of {current.live:,} incidents"
        is_hard = current.deleted > limit * current.live
        text += f", more than {limit:.1%}" if is_hard else ""
        yield Finding("deleted", share, 0.0, text, is_hard, is_hard)
