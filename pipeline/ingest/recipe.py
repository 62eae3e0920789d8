"""Deliveries to bronze and silver: fetched, told apart from what was said before, settled.

Nothing is committed until all of it is written and found fit; then bronze, quarantine and silver
are, in this order. A run that is killed between finds in bronze what silver does not hold yet.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from cluster.lazy import LazyCluster
from grids.clock import EPOCH
from grids.hexgrid import HexGrid
from pipeline.config import Config
from pipeline.enough import require_history
from pipeline.errors import DataError
from pipeline.ingest.bronze import (
    INGESTED_AT,
    Stamps,
    bronze_schema,
    by_instant,
    require_columns,
)
from pipeline.ingest.clean import Cleaner
from pipeline.ingest.delivering import Batch, take_in
from pipeline.ingest.keys import Keys
from pipeline.ingest.settling import settle_files
from pipeline.quality.history import save
from pipeline.quality.recipe import judge
from pipeline.quality.record import QualityRecord
from pipeline.silver import QUARANTINE, SILVER, microseconds
from pipeline.sources.source import Delivery, IncidentSource
from pipeline.store import Store
from pipeline.tables import Part, commit_parts, mark_of, parts_after, tidy

# A delivery that a night fetches within this time of its cutoff counts as known at the cutoff,
# as far as its rows were reported by then; a later one as known when it was fetched.
DELIVERY_GRACE = timedelta(hours=6)
_TICK = timedelta(milliseconds=1)  # how finely a table's log keeps the range of a file
_MARK = "bronze"  # how far quarantine and silver have come: the ingestion's microseconds
_SNAPSHOT = "snapshot"  # a snapshot is taken whole, whatever the files that it came in


@dataclass(frozen=True)
class IngestRecord:
    """What an ingestion did with every row: ``rows_in`` = kept + merged + quarantined.

    ``merged``: rows that say what was said before. ``absent``: incidents that a snapshot no longer
    holds. ``known_from``: the instant before which none of a later delivery counts as known.
    ``quality``: the figures of a QualityRecord.
    """

    deliveries: tuple[str, ...] = ()
    known_from: str | None = None
    rows_in: int = 0
    kept: int = 0
    merged: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    absent: int = 0
    ambiguous_times: int = 0
    nonexistent_times: int = 0
    quality: dict[str, Any] | None = None


@dataclass(frozen=True)
class Intake:
    """What an ingestion works with. ``now``: when it runs; ``cutoff``: the night it is for.

    ``accept``: an operator has looked at the delivery, and it is right, whatever the limits.
    """

    config: Config
    store: Store
    source: IncidentSource
    cluster: LazyCluster
    now: datetime
    cutoff: datetime
    accept: bool = False

    def stamps(self, known_from: datetime | None) -> Stamps:
        """An instant of ingestion after every earlier one, and the night's local date."""
        last = mark_of(self.store.silver, _MARK)
        now = self.now.replace(microsecond=self.now.microsecond // 1000 * 1000)
        instant = max(now, EPOCH + timedelta(microseconds=last) + _TICK)
        run_date = f"{self.cutoff.astimezone(self.config.zone):%Y-%m-%d}"
        return Stamps(instant, run_date, known_from)


def new_deliveries(config: Config, deliveries: Sequence[Delivery], store: Store) -> list[Delivery]:
    """Deliveries that were not taken in as they are now; of a snapshot all, or none."""
    if not store.has_silver:
        return list(deliveries)
    keys, marks = Keys(store.keys, config.source.reading), _marks(config, deliveries)
    taken = keys.taken()
    fresh = {name for name, version in marks.items() if taken.get(name) != version}
    return [d for d in deliveries if d.address in fresh or _SNAPSHOT in fresh]


def _marks(config: Config, deliveries: Sequence[Delivery]) -> dict[str, int]:
    if config.source.delivers == "incremental":
        return {delivery.address: delivery.version for delivery in deliveries}
    text = repr([(delivery.address, delivery.version) for delivery in deliveries])
    return {_SNAPSHOT: int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")}


def known_floor(cutoff: datetime, now: datetime) -> datetime:
    """The earliest instant at which anything of a later delivery fetched now can have been known.

    Of the first, historical delivery rows were known when they were reported.
    """
    return cutoff if timedelta(0) <= now - cutoff <= DELIVERY_GRACE else now


def bring(intake: Intake, deliveries: Sequence[Delivery], known_from: datetime | None) -> Batch:
    """What the deliveries say that is new, written below bronze and not committed.

    Raises DataError, and EmptyDeliveryError where they hold no row.
    """
    parts = intake.source.fetch(deliveries, intake.store.landing)
    stamps = intake.stamps(known_from)
    return take_in(intake.config.source, parts, intake.store, stamps, intake.cluster)


def ingest(
    intake: Intake, deliveries: Sequence[Delivery], batch: Batch, grid: HexGrid
) -> IngestRecord:
    """Settle a batch and commit it.

    Raises DataError when it is beyond a limit of quality; where silver is still empty, also when no
    row can be kept, and MissingInputError when too little was known at the cutoff. Then nothing is
    committed, and the deliveries count as not taken.
    """
    store, config = intake.store, intake.config
    is_first = not store.has_silver
    outcomes = _settle(intake, batch.files, batch.stamps.ingested_at, grid)
    record = _record(deliveries, batch, outcomes)
    if is_first and not record.kept:
        raise DataError(_nothing_kept(record))
    if is_first:
        require_history(_total(outcomes, "known"), config.start, intake.cutoff)
    quality = _judge(intake, batch, record, outcomes)
    schema = bronze_schema(config.source.columns)
    if batch.files:
        commit_parts(store.bronze, batch.files, schema, INGESTED_AT, {})
    _commit(store, batch.stamps.ingested_at, outcomes)
    Keys.of(store, config.source.reading).take(_marks(config, deliveries))
    intake.source.release(deliveries, store.landing)
    save(store.root, quality)
    for table, kind, order in (
        (store.bronze, schema, INGESTED_AT),
        (store.quarantine, QUARANTINE, "ingested_at"),
        (store.silver, SILVER, "known_at"),
    ):
        tidy(table, kind, order)
    return replace(record, quality=quality.model_dump(mode="json"))


def _judge(
    intake: Intake, batch: Batch, record: IngestRecord, outcomes: list[dict[str, Any]]
) -> QualityRecord:
    return judge(
        intake.store.root,
        [outcome["tally"] for outcome in outcomes],
        record.rows_in,
        record.kept,
        record.quarantined,
        record.deliveries,
        batch.stamps.ingested_at,
        intake.config.zone,
        intake.config.quality,
        intake.accept,
        batch.absent,
        batch.live,
    )


def unsettled(store: Store) -> dict[datetime, list[Part]]:
    """Files of bronze, by ingestion, that silver does not hold: of a killed run, or all of them."""
    after = EPOCH + timedelta(microseconds=mark_of(store.silver, _MARK))
    # The range of a file is told as ending a tick after its last row.
    files = parts_after(store.bronze, INGESTED_AT, after + _TICK)
    found = by_instant(store.bronze, files)
    return {instant: found[instant] for instant in found if instant > after}


def resume(intake: Intake, grid: HexGrid) -> None:
    """Settle and commit what bronze holds and silver does not, one ingestion after the other.

    Raises ConfigError where bronze lacks a column that is mapped now.
    """
    batches = unsettled(intake.store)
    if batches:
        require_columns(intake.store.bronze, intake.config.source.columns)
    for ingested_at, batch in batches.items():
        Keys.of(intake.store, intake.config.source.reading)
        _commit(intake.store, ingested_at, _settle(intake, batch, ingested_at, grid))
    Keys.of(intake.store, intake.config.source.reading)  # mends what a kill left half written


def _settle(
    intake: Intake, files: Sequence[Part], ingested_at: datetime, grid: HexGrid
) -> list[dict[str, Any]]:
    cleaner = Cleaner(intake.config, grid, ingested_at)  # the same when a killed night goes on
    return settle_files(cleaner, intake.store, files, ingested_at, intake.cutoff, intake.cluster)


def _total(outcomes: list[dict[str, Any]], name: str) -> int:
    return sum(int(outcome[name]) for outcome in outcomes)


def _record(
    deliveries: Sequence[Delivery], batch: Batch, outcomes: list[dict[str, Any]]
) -> IngestRecord:
    reasons: Counter[str] = Counter()
    for outcome in outcomes:
        reasons.update(outcome["reasons"])
    floor = batch.stamps.known_from
    record = IngestRecord(
        deliveries=tuple(delivery.address for delivery in deliveries),
        known_from=floor.isoformat() if floor else None,
        rows_in=batch.rows_in,
        kept=_total(outcomes, "kept"),
        merged=batch.repeated + _total(outcomes, "merged"),
        quarantined=dict(reasons.most_common()),
        absent=batch.absent,
        ambiguous_times=_total(outcomes, "ambiguous"),
        nonexistent_times=_total(outcomes, "nonexistent"),
    )
    out = record.kept + record.merged + sum(record.quarantined.values())
    if record.rows_in != out:
        raise AssertionError(f"{record.rows_in} rows came in, but {out} came out: {record}")
    return record


def _nothing_kept(record: IngestRecord) -> str:
    reason, count = max(record.quarantined.items(), key=lambda item: item[1])
    return (
        f"none of {record.rows_in} rows can be used; {count} of them: {reason}. Check the columns, "
        "date formats, coordinate system, start and boundary of the configuration"
    )


def _commit(store: Store, ingested_at: datetime, outcomes: list[dict[str, Any]]) -> None:
    """Quarantine first: silver's commit is the one that says that the batch is settled."""
    mark = microseconds(ingested_at)
    for table, name, schema, order in (
        (store.quarantine, "quarantine", QUARANTINE, "ingested_at"),
        (store.silver, "silver", SILVER, "known_at"),
    ):
        if mark_of(table, _MARK) < mark:
            parts = [Part(**part) for outcome in outcomes for part in outcome[name]]
            commit_parts(table, parts, schema, order, {_MARK: mark})
