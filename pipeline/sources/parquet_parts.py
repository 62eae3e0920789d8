"""Parquet files cut into parts of rows, so that workers can read one file together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.sources.encoding import decoded_column

ROWS_PER_PART = 200_000
UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError)  # what a damaged file raises
EXACT = 2.0**53  # up to here floats tell whole numbers apart


@dataclass(frozen=True)
class ParquetPart:
    """Rows ``[offset, offset + rows)`` of one row group; ``size``: about how many bytes."""

    path: str
    row_group: int
    offset: int
    rows: int
    size: int

    def read(self, columns: Sequence[str]) -> tuple[pa.Table, list[str]]:
        """The rows, each column as text: what is missing is "", what is typed is printed."""
        with fsspec.open(self.path) as handle:
            table = pq.ParquetFile(handle).read_row_group(self.row_group, columns=list(columns))
        rows = table.select(list(columns)).slice(self.offset, self.rows)
        return pa.table({name: _as_text(rows[name]) for name in columns}), []


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    if pa.types.is_floating(column.type):
        return _numbers_as_text(column)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return decoded_column(column).fill_null("")
    return column.cast(pa.string()).fill_null("")


def _numbers_as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whole numbers as such, since a key is one wherever a blank made its column a float."""
    column = pc.if_else(pc.is_nan(column), None, column)
    is_whole = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), EXACT))
    whole = pc.if_else(is_whole, column, None).cast(pa.int64()).cast(pa.string())
    return pc.coalesce(whole, column.cast(pa.string())).fill_null("")


def plan_parquet(path: str) -> tuple[list[str], list[ParquetPart]]:
    """The column names of a Parquet file and its parts. Raises DataError where it is none."""
    try:
        with fsspec.open(path) as handle:
            file = pq.ParquetFile(handle)
            names = list(file.schema_arrow.names)
            groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
            sizes = [(group.num_rows, group.total_byte_size) for group in groups]
    except UNREADABLE as fault:
        raise DataError(
            f"{path} is no readable Parquet file ({fault}): deliver it again"
        ) from fault
    return names, [
        ParquetPart(
            path,
            group,
            offset,
            min(ROWS_PER_PART, rows - offset),
            size * ROWS_PER_PART // max(rows, ROWS_PER_PART),
        )
        for group, (rows, size) in enumerate(sizes)
        for offset in range(0, rows, ROWS_PER_PART)
    ]
