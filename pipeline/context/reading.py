"""Reading a table of a city: Parquet in, checked where it enters, rows on the city's axes out."""

from __future__ import annotations

import fsspec
import h3
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
from numpy.typing import NDArray

from grids.hexgrid import HexGrid
from pipeline.context.config import TableConfig
from pipeline.context.tables import ALWAYS, MICROSECONDS, Table
from pipeline.errors import DataError, MissingInputError
from pipeline.paths import nearest
from pipeline.privacy import refuse_person_columns

HEX_ID, TIME, KNOWN_AT = KEYS = ("hex_id", "time", "known_at")
_FORBIDDEN = "[]<"  # in a feature's name, by XGBoost


def read_table(table: TableConfig, grid: HexGrid) -> Table:
    """The table's rows in cells of the grid, sorted as Table wants them.

    Raises MissingInputError where there is no file, DataError where it cannot be used.
    """
    rows, columns = _read(table)
    cell = _cells(table, rows, grid) if HEX_ID in rows.column_names else None
    hour = _hours(table, rows) if TIME in rows.column_names else None
    known = _known(table, rows, hour)
    values = np.column_stack([_numbers(rows[name]) for name in columns])
    if cell is not None:
        inside = cell >= 0
        cell, known, values = cell[inside], known[inside], values[inside]
        hour = None if hour is None else hour[inside]
    order = _order(table, known, cell, hour)
    return Table(
        tuple(f"{table.name}.{name}" for name in columns),
        None if cell is None else cell[order],
        None if hour is None else hour[order],
        known[order],
        values[order],
    )


def _read(table: TableConfig) -> tuple[pa.Table, list[str]]:
    """Keys and values, and the names of the latter."""
    filesystem, path = fsspec.core.url_to_fs(table.path)
    if not filesystem.exists(path):
        raise MissingInputError(f"{_named(table)}: there is no such file: check the path")
    try:
        dataset = pads.dataset(path, filesystem=filesystem, format="parquet")
        names = dataset.schema.names
        keys = [name for name in KEYS if name in names]
        if not {HEX_ID, TIME} & set(keys):
            raise DataError(
                f"{_named(table)} has neither hex_id nor time among its columns {names}: add one, "
                "or both, so that its rows can be joined"
            )
        columns = _columns(table, dataset.schema, keys)
        return dataset.to_table(columns=[*keys, *columns]), columns
    except (pa.ArrowInvalid, OSError) as fault:
        raise DataError(f"{_named(table)} cannot be read as Parquet: {fault}") from fault


def _columns(table: TableConfig, schema: pa.Schema, keys: list[str]) -> list[str]:
    columns = list(table.columns) or [name for name in schema.names if name not in keys]
    if not columns:
        raise DataError(f"{_named(table)} has no column beside {', '.join(keys)}: add its values")
    try:
        refuse_person_columns(columns)
    except ValueError as fault:
        raise DataError(f"{_named(table)}: {fault}") from None
    for name in columns:
        if name not in schema.names:
            raise DataError(
                f"{_named(table)} has no column {name!r}{nearest(name, set(schema.names))}"
            )
        kind = schema.field(name).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or kind == pa.bool_()):
            raise DataError(
                f"{_named(table)}: column {name!r} holds {kind} and no numbers: make it numbers, "
                "or name those that are in `columns`"
            )
        if set(name) & set(_FORBIDDEN):
            raise DataError(f"{_named(table)}: column {name!r}: rename it without any of [ ] <")
    return columns


def _cells(table: TableConfig, rows: pa.Table, grid: HexGrid) -> NDArray[np.int32]:
    """(row,) index of every row's cell, negative outside the grid."""
    texts = _key(table, rows, HEX_ID)
    if pa.types.is_dictionary(texts.type):
        texts = texts.cast(texts.type.value_type)
    if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        raise DataError(f"{_named(table)}: hex_id holds {texts.type}: write H3 ids as text")
    coded = texts.combine_chunks().dictionary_encode()
    ids = [_cell(table, text, grid.resolution) for text in coded.dictionary.to_pylist()]
    index = grid.index_of(np.array(ids, np.uint64))
    if len(index) and (index < 0).all():
        raise DataError(
            f"{_named(table)}: none of its cells, as {coded.dictionary[0]}, lies in the city's "
            "grid: deliver those of the city"
        )
    cells: NDArray[np.int32] = index[coded.indices.to_numpy()]
    return cells


def _cell(table: TableConfig, text: str, resolution: int) -> int:
    if not h3.is_valid_cell(text):
        raise DataError(
            f"{_named(table)}: hex_id {text!r} is no H3 cell: write ids as in 89268cd6d4fffff"
        )
    if h3.get_resolution(text) != resolution:
        raise DataError(
            f"{_named(table)}: hex_id {text} is of resolution {h3.get_resolution(text)}, the "
            f"grid's is {resolution}: aggregate the table to that, or set grid.resolution"
        )
    return int(h3.str_to_int(text))


def _hours(table: TableConfig, rows: pa.Table) -> NDArray[np.int64]:
    instants = _instants(table, rows, TIME)
    if (instants % MICROSECONDS).any():
        at = int(instants[instants % MICROSECONDS != 0][0])
        raise DataError(
            f"{_named(table)}: time {np.datetime64(at, 'us')}Z is no whole hour of UTC: a row "
            "stands for one hour, named by its start"
        )
    return instants // MICROSECONDS


def _known(table: TableConfig, rows: pa.Table, hour: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """(row,) microseconds since 1970 at which a row may be used from."""
    before = table.known_hours_before
    if KNOWN_AT in rows.column_names:
        if before is not None:
            raise DataError(
                f"{_named(table)} has known_at, and known_hours_before is {before}: keep one"
            )
        known = _instants(table, rows, KNOWN_AT)
    elif hour is None:
        if before is not None:
            raise DataError(
                f"{_named(table)} has no time for known_hours_before {before} to count from: "
                "leave that out"
            )
        return np.full(len(rows), ALWAYS)
    else:
        # What happens in an hour is known when it is over.
        known = (hour + (1 if before is None else -before)) * MICROSECONDS
    if hour is not None and not (known <= hour * MICROSECONDS).any():
        raise DataError(
            f"{_named(table)}: every row is known only after its hour has begun, and no forecast "
            "could use it: give known_at or known_hours_before, or move `time` on to the hour that "
            "a value is to be used for"
        )
    return known


def _instants(table: TableConfig, rows: pa.Table, name: str) -> NDArray[np.int64]:
    """(row,) microseconds since 1970."""
    column = _key(table, rows, name)
    if not pa.types.is_timestamp(column.type) or column.type.tz is None:
        raise DataError(
            f"{_named(table)}: {name} holds {column.type}: write timestamps with a timezone, UTC"
        )
    instants = column.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64())
    return np.asarray(instants.to_numpy(), np.int64)


def _key(table: TableConfig, rows: pa.Table, name: str) -> pa.ChunkedArray:
    if rows[name].null_count:
        count = rows[name].null_count
        raise DataError(f"{_named(table)}: {name} is blank in {count:,} rows: fill or drop them")
    return rows[name]


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """(row,) nan where a value is missing or infinite."""
    numbers = np.asarray(pc.cast(column, pa.float32(), safe=False).to_numpy(), np.float32)
    return np.where(np.isfinite(numbers), numbers, np.float32(np.nan))


def _order(
    table: TableConfig,
    known: NDArray[np.int64],
    cell: NDArray[np.int32] | None,
    hour: NDArray[np.int64] | None,
) -> NDArray[np.int64]:
    """Rows by hour, cell and when they were known; raises DataError where one stands twice."""
    keys = [key for key in (known, cell, hour) if key is not None]
    order = np.lexsort(keys)
    twice = np.all([np.diff(key[order]) == 0 for key in keys], axis=0)
    if twice.any():
        what = " and ".join(name for name, key in ((HEX_ID, cell), (TIME, hour)) if key is not None)
        raise DataError(
            f"{_named(table)}: {int(twice.sum()):,} rows repeat {what} of another that was known "
            "at the same time: keep one of each"
        )
    return order


def _named(table: TableConfig) -> str:
    return f"tables: {table.path}"
