"""Bronze files to silver and quarantine: cleaned, settled by key, written, not yet committed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from cluster.lazy import LazyCluster
from pipeline.config import Config
from pipeline.errors import DataError
from pipeline.ingest.bronze import bronze_schema, read_rows
from pipeline.ingest.clean import CLEAN, Cleaner
from pipeline.ingest.keys import Keys
from pipeline.ingest.revisions import settle
from pipeline.quality.tally import tally
from pipeline.silver import QUARANTINE, SILVER
from pipeline.store import Store
from pipeline.tables import Part, write_part

IN_PROCESS_ROWS = 150_000  # up to so many are settled here: a cluster takes longer to start
MAX_FILES = 32  # of silver from one delivery: each costs every later night a look at its footer


def settle_files(
    cleaner: Cleaner,
    store: Store,
    files: Sequence[Part],
    ingested_at: datetime,
    cutoff: datetime,
    cluster: LazyCluster,
) -> list[dict[str, Any]]:
    """What became of the rows, partition by partition; their silver and quarantine are written."""
    read = partial(read_clean, store=store, cleaner=cleaner, of=ingested_at)
    keys = Keys(store.keys, cleaner.config.source.reading)
    write = partial(
        _settle_and_write,
        keys=keys,
        is_snapshot=cleaner.config.source.delivers == "snapshot",
        store=store,
        stamp=ingested_at,
        cutoff=cutoff,
        zone=cleaner.config.zone,
    )
    if not files:  # all of it was said before
        return []
    if sum(file.rows for file in files) <= IN_PROCESS_ROWS:
        return [write(pd.concat([read(file.path) for file in files], ignore_index=True))]
    rows = _lazily(read, files)
    shuffled = rows.shuffle("id", npartitions=min(rows.npartitions, MAX_FILES))
    tasks = shuffled.map_partitions(partial(_as_json, write), meta=pd.DataFrame({"outcome": [""]}))
    outcomes = cluster.beside.compute(tasks, sync=True)["outcome"]
    return [json.loads(text) for text in outcomes]


def extent(
    config: Config, store: Store, files: Sequence[Part], cutoff: datetime, cluster: LazyCluster
) -> tuple[float, float, float, float]:
    """West, south, east, north of a city without boundary: its incidents known by ``cutoff``.

    The outermost thousandth on every side is left out: one mistyped place would make the city
    a continent. Raises DataError where no incident has a place.
    """
    read = partial(_places, store=store, cleaner=Cleaner(config, None, cutoff))
    if sum(file.rows for file in files) <= IN_PROCESS_ROWS:
        places = pd.concat([read(file.path) for file in files])
    else:
        client = cluster.beside
        places = pd.concat(client.gather(client.map(read, [file.path for file in files])))
    if places.empty:
        raise DataError(
            f"no usable incident was known by {cutoff:%Y-%m-%dT%H:%MZ}, so that the city has no "
            "extent: give grid.bounds or grid.boundary, or a later --as-of"
        )
    west, east = _inner_range(places["lon"])
    south, north = _inner_range(places["lat"])
    return west, south, east, north


def _places(path: str, store: Store, cleaner: Cleaner) -> pd.DataFrame:
    rows = read_clean(path, store, cleaner)
    known = (rows["reason"] == "") & (rows["known_at"] <= pd.Timestamp(cleaner.now))
    return rows.loc[known, ["lon", "lat"]]


def _inner_range(values: pd.Series) -> tuple[float, float]:
    """Without the outermost thousandth on both sides, and without at least one value."""
    low = np.quantile(values, 0.001, method="higher")
    return float(low), float(np.quantile(values, 0.999, method="lower"))


def read_clean(
    path: str, store: Store, cleaner: Cleaner, of: datetime | None = None
) -> pd.DataFrame:
    """The incidents of one bronze file, or of one ingestion in it; columns as in CLEAN."""
    schema = bronze_schema(cleaner.config.source.columns)
    return cleaner(read_rows(f"{store.bronze}/{path}", schema, of))


def _lazily(read: Any, files: Sequence[Part]) -> Any:
    import dask.dataframe as dd  # takes a second, and most nights settle little

    meta = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in CLEAN.items()})
    return dd.from_map(read, [file.path for file in files], meta=meta)


def _as_json(write: Any, rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"outcome": [json.dumps(write(rows))]}, dtype="str")


def _settle_and_write(
    rows: pd.DataFrame,
    keys: Keys,
    is_snapshot: bool,
    store: Store,
    stamp: datetime,
    cutoff: datetime,
    zone: ZoneInfo,
) -> dict[str, Any]:
    """Settle some whole keys and write their files; returns what became of the rows."""
    first_at = pd.Timestamp(stamp) if keys.is_empty else None
    settled = settle(rows, keys.latest(rows["id"]), is_snapshot, first_at)
    kept, refused = settled.kept, settled.refused.assign(reading=keys.reading)
    return {
        "kept": len(kept) - settled.absent,
        "known": int((kept["known_at"] <= pd.Timestamp(cutoff)).sum()),
        "merged": settled.merged,
        "reasons": Counter(refused["reason"]),
        "ambiguous": int(rows["ambiguous"].sum()),
        "nonexistent": int(rows["nonexistent"].sum()),
        "tally": tally(kept, zone),
        "silver": _write(store.silver, kept, SILVER, "known_at", stamp),
        "quarantine": _write(store.quarantine, refused, QUARANTINE, "ingested_at", stamp),
    }


def _write(
    table: str, rows: pd.DataFrame, schema: object, order: str, stamp: datetime
) -> list[dict[str, object]]:
    if rows.empty:
        return []
    stamped = rows.assign(ingested_at=pd.Timestamp(stamp))
    return [asdict(write_part(table, stamped, schema, order))]
