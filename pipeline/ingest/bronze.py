"""Bronze: every row as it was delivered, mapped columns only, with what it is known by.

A delivery mostly repeats what was delivered before. Such rows are counted, not kept again: bronze
holds what a delivery said that was new, and of keys that changed, whether it still says the old.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import ConfigError
from pipeline.ingest.keys import Keys
from pipeline.sources.config import Columns
from pipeline.sources.source import DELIVERY, MALFORMED, Part
from pipeline.tables import Part as File
from pipeline.tables import listing, write_part

KEY, CONTENT, SAID = "_key", "_content", "_said"
INGESTED_AT, RUN_DATE, KNOWN_FROM = "_ingested_at", "_run_date", "_known_from"
META = (DELIVERY, MALFORMED, KEY, CONTENT, SAID, INGESTED_AT, RUN_DATE, KNOWN_FROM)
# A row; of a key that changed: the delivery still says the old; or it says no more of the key.
ROW, AGAIN, ABSENT = "row", "again", "absent"
_TIME = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class Stamps:
    """When an ingestion was: what stands with every row of it.

    ``known_from``: the earliest instant at which anything of it can have been known; None for a
    first, historical delivery, whose rows were known when they were reported.
    """

    ingested_at: datetime
    run_date: str
    known_from: datetime | None


def bronze_schema(columns: Columns) -> pa.Schema:
    """The mapped columns as text, and META."""
    meta = {DELIVERY: pa.string(), MALFORMED: pa.string(), KEY: pa.string(), CONTENT: pa.int64()}
    meta |= {SAID: pa.string(), INGESTED_AT: _TIME, RUN_DATE: pa.string(), KNOWN_FROM: _TIME}
    return pa.schema({**dict.fromkeys(columns.names, pa.string()), **meta})


def identified(raw: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Delivered rows with KEY and CONTENT, the same in every run.

    KEY: the first alternative of the key without a blank, else the content itself. CONTENT: a
    hash of everything mapped, blanks at the ends apart.
    """
    text = raw[[*columns.names, MALFORMED]].apply(lambda column: column.str.strip())
    hashed: NDArray[np.uint64] = pd.util.hash_pandas_object(text, index=False).to_numpy()
    keys = pd.Series("", index=text.index, dtype="str")
    parts = columns.key_parts
    for names in parts:
        filled = (text[list(names)] != "").all(axis=1) & (keys == "")
        value = _joined([text[name] for name in names])
        keys = keys.mask(filled, value if len(parts) == 1 else "+".join(names) + ":" + value)
    blank = keys == ""
    keys[blank] = [f"row:{content:016x}" for content in hashed[blank]]
    return raw.assign(**{KEY: keys, CONTENT: hashed.view(np.int64)})


def _joined(parts: Sequence[pd.Series]) -> pd.Series:
    """The texts of a key's columns as one, in which each can be told."""
    if len(parts) == 1:
        return parts[0]
    first, *rest = [part.str.replace(r"([\\|])", r"\\\1", regex=True) for part in parts]
    return first.str.cat(rest, sep="|")


def key_values(key: str, columns: Columns) -> list[str]:
    """The texts that a key was joined of, see identified."""
    if len(columns.key_parts) > 1:
        key = key.partition(":")[2]
    elif len(columns.key_parts[0]) == 1:
        return [key]
    return [re.sub(r"\\(.)", r"\1", part) for part in re.findall(r"(?:[^|\\]|\\.)+", key)]


def as_bronze(raw: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Delivered rows as a first, historical delivery would leave them in bronze."""
    never = pd.Series(pd.NaT, index=raw.index, dtype="datetime64[us, UTC]")
    return identified(raw, columns).assign(**{SAID: ROW, KNOWN_FROM: never})


@dataclass(frozen=True)
class Taken:
    """What became of some delivered rows.

    ``rows``: how many; ``file``: of the new ones, None where there is none; ``malformed``: the text
    of rows that no key could be read from; ``said``: (key, source, said, content)
    of the others; ``heard``: those of them that are heard (see Keys.said_before), in full.
    """

    rows: int
    file: File | None
    malformed: tuple[str, ...]
    said: pa.Table
    heard: pd.DataFrame


def take(parts: Sequence[Part], columns: Columns, keys: Keys, table: str, stamps: Stamps) -> Taken:
    """Read some parts and write what is new in them as one file below ``table``, uncommitted."""
    raw = pd.concat([part.read(columns.names) for part in parts], ignore_index=True)
    rows = identified(raw, columns)
    named = rows[[KEY, CONTENT, DELIVERY]].set_axis(["id", "content", "source"], axis=1)
    said = keys.said_before(named)
    others = named.assign(said=said)[said != "new"]
    others = others.astype({"source": "category", "said": "category"})  # millions say the same
    return Taken(
        len(rows),
        write_rows(rows[said == "new"].assign(**{SAID: ROW}), columns, table, stamps),
        tuple(rows.loc[rows[MALFORMED] != "", MALFORMED]),
        pa.Table.from_pandas(others, preserve_index=False),
        rows[said == "heard"],
    )


def write_rows(rows: pd.DataFrame, columns: Columns, table: str, stamps: Stamps) -> File | None:
    """The rows as one file below ``table``, uncommitted; None where there are none."""
    if rows.empty:
        return None
    known_from = pd.Series(stamps.known_from, index=rows.index, dtype="datetime64[us, UTC]")
    stamped = rows.assign(
        **{INGESTED_AT: stamps.ingested_at, RUN_DATE: stamps.run_date, KNOWN_FROM: known_from}
    )
    schema = bronze_schema(columns)
    return write_part(table, stamped, schema, INGESTED_AT)


def read_rows(path: str, schema: pa.Schema, of: datetime | None = None) -> pd.DataFrame:
    """The rows of one bronze file, or of one ingestion in it."""
    chosen = pc.field(INGESTED_AT) == pa.scalar(of, _TIME) if of else None
    frame: pd.DataFrame = pq.read_table(path, schema=schema, filters=chosen).to_pandas()
    text = [name for name in schema.names if schema.field(name).type == pa.string()]
    return frame.astype(dict.fromkeys(text, "str"))


def by_instant(table: str, files: Sequence[File]) -> dict[datetime, list[File]]:
    """Committed files of bronze by ingestion, the oldest first.

    One that was made of many stands under each of theirs, with the number of its rows.
    """
    found: dict[datetime, list[File]] = {}
    for file in files:
        column = pq.read_table(f"{table}/{file.path}", columns=[INGESTED_AT])[INGESTED_AT]
        for value in column.value_counts().to_pylist():
            part = replace(file, rows=value["counts"])
            found.setdefault(value["values"], []).append(part)
    return dict(sorted(found.items()))


def require_columns(table: str, columns: Columns) -> None:
    """Raise ConfigError where the rows that are held were taken in without a column."""
    last = listing(table)
    missing = [name for name in columns.names if last and name not in last.columns]
    if missing:
        raise ConfigError(
            f"{table} holds no column {missing[0]!r}, so that nothing can be made of it again with "
            "this configuration: undo the change of source.columns, or give another output.path"
        )
