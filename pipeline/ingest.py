"""Bronze to silver: what was delivered since last time, cleaned, settled by key, committed once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from grids.hexgrid import HexGrid
from pipeline.clean import CLEAN, Cleaner
from pipeline.config import Config
from pipeline.enough import require_history
from pipeline.errors import DataError
from pipeline.revisions import settle
from pipeline.silver import QUARANTINE, SILVER, earlier_revisions
from pipeline.sources import Delivery, IncidentSource
from pipeline.store import Store
from pipeline.tables import Part, commit_parts, part_to_json, taken_versions, write_part

if TYPE_CHECKING:
    from distributed import Client


# A delivery that a night fetches within this time of its cutoff counts as known at the cutoff,
# as far as its rows were reported by then; a later one as known when it was fetched.
DELIVERY_GRACE = timedelta(hours=6)
MAX_FILES = 32  # of silver from one delivery: each costs every later night a look at its footer


@dataclass(frozen=True)
class IngestRecord:
    """What an ingestion did with every row: ``rows_in`` = kept + merged + quarantined.

    ``known_from``: the instant before which none of a later delivery counts as known.
    """

    deliveries: tuple[str, ...] = ()
    known_from: str | None = None
    rows_in: int = 0
    kept: int = 0
    merged: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    ambiguous_times: int = 0
    nonexistent_times: int = 0


def new_deliveries(source: IncidentSource, store: Store) -> list[Delivery]:
    """Deliveries that silver does not hold as they are now; touches no rows."""
    return _not_taken(store.silver, source.deliveries())


def _not_taken(table: str, deliveries: Sequence[Delivery]) -> list[Delivery]:
    taken = taken_versions(table, [delivery.address for delivery in deliveries])
    return [d for d in deliveries if taken[d.address] != d.version]


def known_floor(store: Store, cutoff: datetime, now: datetime) -> datetime | None:
    """The earliest instant at which anything of a delivery fetched now can have been known.

    None for the first, historical delivery, whose rows were known when they were reported.
    """
    if not store.has_silver:
        return None
    return cutoff if timedelta(0) <= now - cutoff <= DELIVERY_GRACE else now


def ingest(
    config: Config,
    store: Store,
    source: IncidentSource,
    deliveries: Sequence[Delivery],
    grid: HexGrid,
    floor: datetime | None,
    now: datetime,
    client: Client,
    first_cutoff: datetime | None = None,
) -> IngestRecord:
    """Read, clean, settle and commit ``deliveries``.

    Where silver is still empty, raises DataError when no row can be kept, and MissingInputError
    when too little was known at ``first_cutoff``; then nothing is committed.
    """
    is_first = not store.has_silver
    cleaner = Cleaner(config, grid, now, floor)
    rows = source.read(deliveries).map_partitions(cleaner, meta=clean_meta())
    shuffled = rows.shuffle("id", npartitions=min(rows.npartitions, MAX_FILES))
    # A run that was killed between the two commits has already put these in quarantine.
    quarantined = tuple(set(deliveries) - set(_not_taken(store.quarantine, deliveries)))
    settle_and_write = partial(
        _settle_and_write,
        store=store,
        now=now,
        quarantined=[delivery.address for delivery in quarantined],
        cutoff=first_cutoff or now,
    )
    tasks = shuffled.map_partitions(settle_and_write, meta=pd.DataFrame({"outcome": ["{}"]}))
    outcomes = [json.loads(text) for text in client.compute(tasks, sync=True)["outcome"]]
    record = _record(deliveries, outcomes, floor)
    if is_first and not record.kept:
        raise DataError(_nothing_kept(record))
    if is_first and first_cutoff:
        require_history(_total(outcomes, "known"), config.start, first_cutoff)
    _commit(store, deliveries, outcomes)
    return record


def clean_meta() -> pd.DataFrame:
    """An empty frame with the columns of CLEAN."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in CLEAN.items()})


def _settle_and_write(
    rows: pd.DataFrame, store: Store, now: datetime, quarantined: list[str], cutoff: datetime
) -> pd.DataFrame:
    """Settle a partition of whole keys and write its files; the outcome as one row of JSON."""
    good = rows[rows["reason"] == ""]
    settled = settle(good, earlier_revisions(store.silver, good["id"]))
    bad = pd.concat([rows[rows["reason"] != ""], settled.conflicts])
    news = bad[~bad["delivery"].isin(quarantined)]
    stamp = pd.Timestamp(now)
    outcome = {
        "rows": len(rows),
        "kept": len(settled.kept),
        "known": int((settled.kept["known_at"] <= pd.Timestamp(cutoff)).sum()),
        "merged": settled.merged,
        "reasons": Counter(bad["reason"]),
        "ambiguous": int(rows["ambiguous"].sum()),
        "nonexistent": int(rows["nonexistent"].sum()),
        "silver": _write(store.silver, settled.kept.assign(ingested_at=stamp), SILVER, "known_at"),
        "quarantine": _write(
            store.quarantine, news.assign(ingested_at=stamp), QUARANTINE, "ingested_at"
        ),
    }
    return pd.DataFrame({"outcome": [json.dumps(outcome)]}, dtype="str")


def _write(table: str, rows: pd.DataFrame, schema: object, order: str) -> list[dict[str, object]]:
    if rows.empty:
        return []
    return [part_to_json(write_part(table, rows, schema, order))]


def _total(outcomes: list[dict[str, object]], name: str) -> int:
    return sum(int(str(outcome[name])) for outcome in outcomes)


def _record(
    deliveries: Sequence[Delivery], outcomes: list[dict[str, object]], floor: datetime | None
) -> IngestRecord:
    reasons: Counter[str] = Counter()
    for outcome in outcomes:
        reasons.update(outcome["reasons"])  # type: ignore[call-overload]
    record = IngestRecord(
        deliveries=tuple(delivery.address for delivery in deliveries),
        known_from=floor.isoformat() if floor else None,
        rows_in=_total(outcomes, "rows"),
        kept=_total(outcomes, "kept"),
        merged=_total(outcomes, "merged"),
        quarantined=dict(reasons.most_common()),
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


def _commit(
    store: Store, deliveries: Sequence[Delivery], outcomes: list[dict[str, object]]
) -> None:
    """Quarantine first: silver's commit is the one that says that the delivery is taken."""
    for table, name, schema, order in (
        (store.quarantine, "quarantine", QUARANTINE, "ingested_at"),
        (store.silver, "silver", SILVER, "known_at"),
    ):
        fresh = {d.address: d.version for d in _not_taken(table, deliveries)}
        parts = [Part(**part) for outcome in outcomes for part in outcome[name]]  # type: ignore
        if fresh:
            commit_parts(table, parts, schema, order, fresh)


def extent(
    config: Config,
    source: IncidentSource,
    deliveries: Sequence[Delivery],
    cutoff: datetime,
    client: Client,
) -> tuple[float, float, float, float]:
    """West, south, east, north of a city without boundary: its incidents known by ``cutoff``.

    The outermost thousandth on every side is left out: one mistyped place would make the city
    a continent. Raises DataError where no incident has a place.
    """
    cleaner = Cleaner(config, None, cutoff)
    rows = source.read(deliveries).map_partitions(cleaner, meta=clean_meta())
    usable = (rows["reason"] == "") & (rows["known_at"] <= pd.Timestamp(cutoff))
    places = client.compute(rows[usable][["lon", "lat"]], sync=True)
    if places.empty:
        raise DataError(
            f"no usable incident was known by {cutoff:%Y-%m-%dT%H:%MZ}, so that the city has no "
            "extent: give grid.bounds or grid.boundary, or a later --as-of"
        )
    west, east = _inner_range(places["lon"])
    south, north = _inner_range(places["lat"])
    return west, south, east, north


def _inner_range(values: pd.Series) -> tuple[float, float]:
    """Without the outermost thousandth on both sides, and without at least one value."""
    low = np.quantile(values, 0.001, method="higher")
    return float(low), float(np.quantile(values, 0.999, method="lower"))
