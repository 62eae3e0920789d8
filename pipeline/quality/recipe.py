"""A delivery that has been settled, held against those before it, and not yet committed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from pipeline.quality.assess import judged, require_fit
from pipeline.quality.config import Quality
from pipeline.quality.history import read_past, save_refused
from pipeline.quality.record import QualityRecord, measure
from pipeline.quality.tally import Tally, merge
from pipeline.redact import redact


def judge(
    root: str,
    tallies: Iterable[Tally],
    came: int,
    kept: int,
    reasons: Mapping[str, int],
    deliveries: Sequence[str],
    now: datetime,
    zone: ZoneInfo,
    limits: Quality,
    accept: bool = False,
    deleted: int = 0,
    live: int = 0,
) -> QualityRecord:
    """The record of a delivery that may be committed; ``history.save`` it after that.

    ``tallies``: of its partitions; ``came``, ``kept``: rows; ``reasons``: rows quarantined by
    reason; ``deleted``: incidents that a snapshot leaves out, of ``live``.

    Raises DataError for a delivery beyond a hard limit, unless an operator accepts it; its record
    is then kept as the last refused, and nothing else.
    """
    past = read_past(root, before=now)
    since = next((record.made_at for record in reversed(past) if record.rows.news), None)
    counts, names = merge(tallies), [redact(address) for address in deliveries]
    measured = measure(counts, came, kept, reasons, names, now, zone, since, deleted, live)
    record = judged(measured, past, limits, accept)
    if record.errors:
        save_refused(root, record)
    require_fit(record)
    return record
