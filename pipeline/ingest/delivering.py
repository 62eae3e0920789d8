"""What a delivery says that was not known: its new rows, written as bronze files, uncommitted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cluster.lazy import LazyCluster
from pipeline.errors import EmptyDeliveryError
from pipeline.ingest.bronze import (
    ABSENT,
    AGAIN,
    CONTENT,
    KEY,
    ROW,
    SAID,
    Stamps,
    Taken,
    key_values,
    take,
    write_rows,
)
from pipeline.ingest.clean import takes_back
from pipeline.ingest.keys import Keys
from pipeline.sources.config import Source
from pipeline.sources.source import DELIVERY, MALFORMED, Part
from pipeline.store import Store
from pipeline.tables import Part as File

BUNDLE_BYTES = 2**25  # small files are read together, up to so much
IN_PROCESS_BYTES = 2**25  # up to so much is read here: a cluster takes longer to start


@dataclass(frozen=True)
class Batch:
    """A delivery's news as bronze files. ``rows_in`` = rows in the files + ``repeated``.

    ``absent``: how many live incidents a snapshot leaves out, of ``live``.
    """

    files: tuple[File, ...]
    stamps: Stamps
    rows_in: int
    repeated: int
    absent: int = 0
    live: int = 0


def take_in(
    source: Source, parts: Sequence[Part], store: Store, stamps: Stamps, cluster: LazyCluster
) -> Batch:
    """Read the parts, here or on the cluster, and write down what they say that is new.

    Raises EmptyDeliveryError where there is no row at all.
    """
    keys = Keys.of(store, source.reading)
    one = partial(take, columns=source.columns, keys=keys, table=store.bronze, stamps=stamps)
    bundles = bundled(parts)
    if sum(part.rows.size for part in parts) <= IN_PROCESS_BYTES:
        taken = [one(bundle) for bundle in bundles]
    else:
        taken = cluster.beside.gather(cluster.beside.map(one, bundles, pure=False))
    rows_in = sum(some.rows for some in taken)
    if not rows_in:
        names = ", ".join(dict.fromkeys(part.address for part in parts[:3]))
        raise EmptyDeliveryError(f"{names}: only a header, no rows: deliver it again")
    files = [some.file for some in taken if some.file]
    if keys.is_empty:
        return Batch(tuple(files), stamps, rows_in, 0)
    return _beside_what_was_said(taken, files, keys, source, store, stamps)


def _beside_what_was_said(
    taken: Sequence[Taken],
    files: list[File],
    keys: Keys,
    source: Source,
    store: Store,
    stamps: Stamps,
) -> Batch:
    """The batch with statements about keys that change or are gone."""
    said = pa.concat_tables([some.said for some in taken])
    revived = _revived(taken, said, keys, source)
    told = _keys_in(files, store)
    again = _again(said, [*told.chunks, pa.array(revived[KEY], pa.string())])
    live = keys.live() if source.delivers == "snapshot" else pa.array([], pa.string())
    absent = _absent(live, keys, told, said)
    garbled = [text for some in taken for text in some.malformed]
    absent = absent[~_may_stand_in(garbled, absent[KEY], source)]
    extra = pd.concat([revived.assign(**{SAID: ROW}), again, absent], ignore_index=True)
    statements = write_rows(_complete(extra, source), source.columns, store.bronze, stamps)
    files = [*files, statements] if statements else files
    rows, repeated = sum(some.rows for some in taken), len(said) - len(revived)
    return Batch(tuple(files), stamps, rows, repeated, absent=len(absent), live=len(live))


def bundled(parts: Sequence[Part]) -> list[tuple[Part, ...]]:
    """The parts in their order, small ones together."""
    bundles: list[list[Part]] = [[]]
    size = 0
    for part in parts:
        if bundles[-1] and size + part.rows.size > BUNDLE_BYTES:
            bundles.append([])
            size = 0
        bundles[-1].append(part)
        size += part.rows.size
    return [tuple(bundle) for bundle in bundles if bundle]


def _keys_in(files: Sequence[File], store: Store) -> pa.ChunkedArray:
    tables = [pq.read_table(f"{store.bronze}/{file.path}", columns=[KEY])[KEY] for file in files]
    chunks = [chunk for table in tables for chunk in table.chunks]
    return pa.chunked_array(chunks, pa.string())


def _revived(taken: Sequence[Taken], said: pa.Table, keys: Keys, source: Source) -> pd.DataFrame:
    """Rows heard before that are said now instead of what is known last of their key.

    Of an old file that says what it always said nothing is: what is known last came from another.
    """
    heard = pd.concat([some.heard for some in taken], ignore_index=True)
    if heard.empty:
        return heard
    latest = keys.latest(heard[KEY]).set_index("id").reindex(heard[KEY]).reset_index()
    is_known, is_live = latest["source"].notna(), latest["retracted"].eq(False)
    is_first = is_known & ~heard[DELIVERY].isin(keys.sources())
    of_same = is_first | (latest["source"] == heard[DELIVERY])
    repeated = said.filter(pc.equal(said["said"], "repeated"))
    pairs = repeated.select(["id", "source"]).to_pandas().astype("str")
    if source.delivers == "snapshot":  # its files are one: it says what any of them says
        may_speak, still = is_known, heard[KEY].isin(pairs["id"])
    else:
        may_speak = of_same
        here = pd.MultiIndex.from_frame(heard[[KEY, DELIVERY]])
        still = pd.Series(here.isin(pd.MultiIndex.from_frame(pairs)))
    if source.columns.revised_at is None:  # a row that takes back stands beside the one it means
        still &= ~(takes_back(heard, source) & is_live & of_same)
    return heard[may_speak & ~still]


def _again(said: pa.Table, changed: list[pa.Array]) -> pd.DataFrame:
    """Of keys that the delivery says something new of: where it says the old as well."""
    ids = pa.chunked_array(changed, pa.string())
    chosen = pc.and_(pc.equal(said["said"], "repeated"), pc.is_in(said["id"], ids))
    rows = said.filter(chosen).to_pandas().astype({"source": "str"})
    return pd.DataFrame(
        {KEY: rows["id"], CONTENT: rows["content"], DELIVERY: rows["source"], SAID: AGAIN}
    )


def _absent(live: pa.Array, keys: Keys, told: pa.ChunkedArray, said: pa.Table) -> pd.DataFrame:
    """Live incidents that the delivery holds no row of, good or bad."""
    there = pa.chunked_array([*told.chunks, *said["id"].cast(pa.string()).chunks], pa.string())
    ids = live.filter(pc.invert(pc.is_in(live, there)))
    latest = keys.latest(ids.to_pandas().astype("str"))
    return pd.DataFrame(
        {KEY: latest["id"], CONTENT: latest["content"], DELIVERY: latest["source"], SAID: ABSENT}
    )


def _may_stand_in(garbled: Sequence[str], ids: pd.Series, source: Source) -> pd.Series:
    """Keys whose text stands in a line that could not be read: they may not be gone at all."""
    if not garbled:
        return pd.Series(False, index=ids.index)
    ends = rf'[{re.escape(source.delimiter)}"\n]'
    there = {field.strip() for line in garbled for field in re.split(ends, line)}
    return ids.map(lambda key: there.issuperset(key_values(key, source.columns))).astype(bool)


def _complete(rows: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Statements have no text of their own."""
    text = [*source.columns.names, MALFORMED]
    rows = rows.reindex(columns=[*text, KEY, CONTENT, DELIVERY, SAID])
    return rows.assign(**{name: rows[name].fillna("") for name in text})
