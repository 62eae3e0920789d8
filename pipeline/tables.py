"""Append-only Delta tables: workers write Parquet files, one process commits them all at once.

A file that no commit names does not exist for a reader, so a crash leaves the last version whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from uuid import uuid4

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

ROW_GROUP = 20_000


@dataclass(frozen=True)
class Part:
    """A written, not yet committed file of a table, with the range of its ``known_at``."""

    path: str
    size: int
    rows: int
    low: str
    high: str


def write_part(table: str, rows: pd.DataFrame, schema: pa.Schema, order: str) -> Part:
    """Write ``rows`` as one file below ``table``, sorted by the time column ``order``.

    Sorted files let a night read only the row groups that its own hours lie in.
    """
    arrow = pa.Table.from_pandas(rows, schema=schema, preserve_index=False).sort_by(order)
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
    transactions: Mapping[str, int],
) -> None:
    """Append the files in one commit that also notes how far each source was taken.

    ``transactions``: Delta's own marks of idempotent writers, address -> version taken.
    """
    delta_schema = Schema.from_arrow(schema)
    marks = [Transaction(address, version) for address, version in transactions.items()]
    properties = CommitProperties(app_transactions=marks)
    actions = [AddAction(part.path, part.size, {}, 0, True, _stats(part, order)) for part in parts]
    if DeltaTable.is_deltatable(table):
        changes: list[AddAction | RemoveAction] = [*actions]
        DeltaTable(table).create_write_transaction(
            changes, "append", delta_schema, commit_properties=properties
        )
    else:  # in one commit, too: a table that stood without its rows would look like taken
        create_table_with_add_actions(table, delta_schema, actions, commit_properties=properties)


def _stats(part: Part, order: str) -> str:
    ends = {"minValues": {order: part.low}, "maxValues": {order: part.high}}
    return json.dumps({"numRecords": part.rows, "nullCount": {order: 0}, **ends})


def taken_versions(table: str, addresses: Sequence[str]) -> dict[str, int | None]:
    """The version of each source that the table already holds, None where it holds none."""
    if not DeltaTable.is_deltatable(table):
        return dict.fromkeys(addresses)
    log = DeltaTable(table)
    return {address: log.transaction_version(address) for address in addresses}


def open_rows(
    table: str, order: str, after: pd.Timestamp | None = None, until: pd.Timestamp | None = None
) -> pads.Dataset | None:
    """The files that can hold rows with ``order`` in ``(after, until]``; None where there is none.

    Only the table's log is read. A reader still filters the rows, which needs few row groups.
    """
    if not DeltaTable.is_deltatable(table):
        return None
    actions = pa.table(DeltaTable(table).get_add_actions(flatten=True)).to_pandas()
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


def part_to_json(part: Part) -> dict[str, object]:
    """Plain values, to cross from a worker in a data frame."""
    return asdict(part)
