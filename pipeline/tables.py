"""Append-only Delta tables: workers write Parquet files, one process commits them all at once.

A file that no commit names does not exist for a reader, so a crash leaves the last version whole.
Small files are now and then written together, so that a table of many nights stays quick to read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

ROW_GROUP = 20_000
SMALL_BYTES, SMALL_FILES = 2**23, 32  # so many files under that size are made one
# A reader replays the log from the last checkpoint on: short, so that opening stays quick.
_SETTINGS = {"delta.checkpointInterval": "10"}
KEEP_HOURS = 24 * 7  # files that were replaced stay for readers of an earlier version


@dataclass(frozen=True)
class Part:
    """A written file of a table, with the range of the time that the table is ordered by."""

    path: str
    size: int
    rows: int
    low: str
    high: str


def write_part(table: str, rows: pd.DataFrame, schema: pa.Schema, order: str) -> Part:
    """Write ``rows`` as one file below ``table``, sorted by the time column ``order``.

    Sorted files let a night read only the row groups that its own hours lie in.
    """
    return _write(table, pa.Table.from_pandas(rows, schema=schema, preserve_index=False), order)


def _write(table: str, rows: pa.Table, order: str) -> Part:
    arrow = rows.sort_by(order)
    name = f"part-{uuid4().hex}.parquet"
    with fsspec.open(f"{table}/{name}", "wb", auto_mkdir=True) as handle:
        pq.write_table(arrow, handle, row_group_size=ROW_GROUP, compression="zstd")
        size = handle.tell()
    ends = arrow[order]
    low, high = (pd.Timestamp(ends[at].as_py()).floor("ms") for at in (0, -1))
    return Part(name, size, arrow.num_rows, _stamp(low), _stamp(high + pd.Timedelta("1ms")))


def _stamp(time: pd.Timestamp) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def commit_parts(
    table: str,
    parts: Sequence[Part],
    schema: pa.Schema,
    order: str,
    marks: Mapping[str, int],
) -> None:
    """Append the files in one commit that also notes how far each writer has come.

    ``marks``: Delta's own marks of idempotent writers (application transactions), by name.
    """
    delta_schema = Schema.from_arrow(schema)
    transactions = [Transaction(writer, mark) for writer, mark in marks.items()]
    properties = CommitProperties(app_transactions=transactions)
    actions = [_add(part, order) for part in parts]
    log = _opened(table)
    if log is not None:
        changes: list[AddAction | RemoveAction] = [*actions]
        log.create_write_transaction(changes, "append", delta_schema, commit_properties=properties)
    else:  # in one commit, too: a table that stood without its rows would look like taken
        create_table_with_add_actions(
            table, delta_schema, actions, configuration=_SETTINGS, commit_properties=properties
        )


def _add(part: Part, order: str, changes_data: bool = True) -> AddAction:
    ends = {"minValues": {order: part.low}, "maxValues": {order: part.high}}
    stats = json.dumps({"numRecords": part.rows, "nullCount": {order: 0}, **ends})
    return AddAction(part.path, part.size, {}, int(time.time() * 1000), changes_data, stats)


def tidy(table: str, schema: pa.Schema, order: str) -> None:
    """Make many small files one, and delete what no commit names any more or ever did.

    Only for the process that alone writes the table: what a killed run wrote and did not commit
    goes too, at the next tidying.
    """
    log = _opened(table)
    if log is None:
        return
    small = [name for name, size in _sizes(log).items() if size < SMALL_BYTES]
    if len(small) < SMALL_FILES:
        return
    filesystem, root = fsspec.core.url_to_fs(table)
    paths = [f"{root}/{name}" for name in small]
    rows = pads.dataset(paths, filesystem=filesystem, format="parquet", schema=schema).to_table()
    now = int(time.time() * 1000)
    removed = [RemoveAction(name, False, now) for name in small]
    added = _add(_write(table, rows, order), order, changes_data=False)
    log.create_write_transaction([*removed, added], "append", Schema.from_arrow(schema))
    DeltaTable(table).vacuum(KEEP_HOURS, dry_run=False, full=True)


def _sizes(log: DeltaTable) -> dict[str, int]:
    actions = pa.table(log.get_add_actions(flatten=True))
    return dict(zip(actions["path"].to_pylist(), actions["size_bytes"].to_pylist(), strict=True))


@dataclass(frozen=True)
class Listing:
    """A table's last version: the name that no other table has, its number, the files' paths."""

    name: str
    version: int
    columns: tuple[str, ...]
    files: tuple[str, ...]


def listing(table: str) -> Listing | None:
    """The last version of a table; None where there is no table."""
    log = _opened(table)
    if log is None:
        return None
    _, root = fsspec.core.url_to_fs(table)
    files = tuple(sorted(f"{root}/{name}" for name in _sizes(log)))
    columns = tuple(field.name for field in log.schema().fields)
    return Listing(str(log.metadata().id), log.version(), columns, files)


def active_files(table: str) -> list[str]:
    """Paths of the files that the table's last version names; none where there is no table."""
    last = listing(table)
    return list(last.files) if last else []


def mark_of(table: str, writer: str) -> int:
    """How far a writer has come (see commit_parts), 0 where it has not begun."""
    log = _opened(table)
    return 0 if log is None else int(log.transaction_version(writer) or 0)


def _opened(table: str) -> DeltaTable | None:
    """A table's log, replayed: what opening costs, so it is not opened to see whether it exists."""
    try:
        return DeltaTable(table)
    except TableNotFoundError:
        return None


def open_rows(
    table: str, order: str, after: pd.Timestamp | None = None, until: pd.Timestamp | None = None
) -> pads.Dataset | None:
    """The files that can hold rows with ``order`` in ``(after, until]``; None where there is none.

    Only the table's log is read. A reader still filters the rows, which needs few row groups.
    """
    log = _opened(table)
    if log is None:
        return None
    actions = _actions(log)
    keep = pd.Series(True, index=actions.index)
    if after is not None:
        keep &= actions[f"max.{order}"] > after
    if until is not None:
        keep &= actions[f"min.{order}"] <= until
    paths = sorted(actions.loc[keep, "path"])
    if not paths:
        return None
    filesystem, root = fsspec.core.url_to_fs(table)
    return pads.dataset(
        [f"{root}/{path}" for path in paths], filesystem=filesystem, format="parquet"
    )


def files_until(table: str, order: str, until: pd.Timestamp) -> list[tuple[str, int]]:
    """Paths of the files that can hold rows with ``order`` by then, each with its rows."""
    log = _opened(table)
    if log is None:
        return []
    actions = _actions(log)
    _, root = fsspec.core.url_to_fs(table)
    early = actions[actions[f"min.{order}"] <= until].sort_values("path")
    return [
        (f"{root}/{path}", n) for path, n in zip(early["path"], early["num_records"], strict=True)
    ]


def parts_after(table: str, order: str, after: datetime) -> list[Part]:
    """The committed files that can hold rows with ``order`` after an instant."""
    log = _opened(table)
    if log is None:
        return []
    actions = _actions(log)
    actions = actions[actions[f"max.{order}"] > pd.Timestamp(after)].sort_values("path")
    names = ("path", "size_bytes", "num_records", f"min.{order}", f"max.{order}")
    rows = zip(*(actions[name] for name in names), strict=True)
    return [Part(path, size, n, _stamp(low), _stamp(high)) for path, size, n, low, high in rows]


def _actions(log: DeltaTable) -> pd.DataFrame:
    frame: pd.DataFrame = pa.table(log.get_add_actions(flatten=True)).to_pandas()
    return frame
