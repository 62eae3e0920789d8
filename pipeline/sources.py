"""Where incidents come from: files that a path or a pattern names, as text, mapped columns only."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, BinaryIO, Protocol

import dask.dataframe as dd
import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from pipeline.config import Source
from pipeline.errors import DataError, MissingInputError
from pipeline.paths import nearest

DELIVERY = "_delivery"  # the address that a row came from
MALFORMED = "_malformed"  # the text of a CSV row that has the wrong number of fields, else ""
ROWS_PER_PART = 200_000
BYTES_PER_PART = 2**25
HEADER_BYTES = 2**16


@dataclass(frozen=True)
class Delivery:
    """A file as it stands: ``version`` changes whenever its size or time of change does."""

    address: str
    size: int
    version: int


class IncidentSource(Protocol):
    """Anything that delivers incidents. ``read`` is lazy; ``deliveries`` touches no rows."""

    def deliveries(self) -> list[Delivery]:
        """What there is to read now, in a fixed order."""

    def read(self, deliveries: Sequence[Delivery]) -> dd.DataFrame:
        """The rows as delivered: the mapped columns, DELIVERY and MALFORMED."""


def _version(info: dict[str, Any]) -> int:
    stamp = info.get("mtime") or info.get("LastModified") or info.get("ETag") or ""
    text = f"{info.get('size')}|{stamp}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


@dataclass(frozen=True)
class FileSource:
    """CSV or Parquet files behind a path, pattern or fsspec address."""

    source: Source

    def deliveries(self) -> list[Delivery]:
        """Files in the order of their names. Raises MissingInputError when there is none."""
        path = self.source.path
        filesystem, pattern = fsspec.core.url_to_fs(path)
        found = filesystem.glob(pattern, detail=True) if "*" in pattern else {}
        found = {name: info for name, info in found.items() if info["type"] == "file"}
        if not found and filesystem.isfile(pattern):
            found = {pattern: filesystem.info(pattern)}
        if not found:
            raise MissingInputError(
                f"source.path: no file at {path}: check the path, or deliver it"
            )
        prefix = path.split("://")[0] + "://" if "://" in path else ""
        return [
            Delivery(name if "://" in name else prefix + name, int(info["size"]), _version(info))
            for name, info in sorted(found.items())
        ]

    def read(self, deliveries: Sequence[Delivery]) -> dd.DataFrame:
        """The rows of the files as a Dask dataframe of text. Raises DataError."""
        empty = [delivery.address for delivery in deliveries if delivery.size == 0]
        if empty:
            raise MissingInputError(f"{empty[0]} is empty: deliver it again, or take it away")
        parts = [part for delivery in deliveries for part in self._parts(delivery.address)]
        if not parts:
            names = ", ".join(delivery.address for delivery in deliveries[:3])
            raise MissingInputError(
                f"{names} holds no rows: deliver it again, or correct source.path"
            )
        columns = self.source.columns.names
        meta = pd.DataFrame(
            {name: pd.Series(dtype="str") for name in (*columns, DELIVERY, MALFORMED)}
        )
        rows: dd.DataFrame = dd.from_map(read_part, parts, columns=columns, meta=meta)
        return rows

    def _parts(self, address: str) -> list[ParquetPart | CsvPart]:
        is_csv = self.source.format == "csv" or (
            self.source.format is None and ".csv" in address.rsplit("/", 1)[-1].lower()
        )
        columns = self.source.columns.names
        return list(_csv_parts(address, columns) if is_csv else _parquet_parts(address, columns))


@dataclass(frozen=True)
class ParquetPart:
    """Rows ``[offset, offset + rows)`` of one row group."""

    address: str
    row_group: int
    offset: int
    rows: int

    def read(self, columns: Sequence[str]) -> pa.Table:
        """The rows, each column as text."""
        with fsspec.open(self.address) as handle:
            table = pq.ParquetFile(handle).read_row_group(self.row_group, columns=list(columns))
        return table.select(list(columns)).slice(self.offset, self.rows)


@dataclass(frozen=True)
class CsvPart:
    """Bytes ``[start, stop)`` of a file, whole rows, below its header line."""

    address: str
    header: bytes
    start: int
    stop: int

    def read(self, columns: Sequence[str]) -> tuple[pa.Table, list[str]]:
        """The rows, and the text of those with the wrong number of fields."""
        malformed: list[str] = []

        def set_aside(row: csv.InvalidRow) -> str:
            malformed.append(row.text)
            return "skip"

        with fsspec.open(self.address) as handle:
            handle.seek(self.start)
            text = _as_utf8(self.header + handle.read(self.stop - self.start))
        table = csv.read_csv(
            io.BytesIO(text),
            # One block: a row of any length, with any newline in it, lies within.
            read_options=csv.ReadOptions(block_size=len(text) + 1, use_threads=False),
            parse_options=csv.ParseOptions(newlines_in_values=True, invalid_row_handler=set_aside),
            convert_options=csv.ConvertOptions(
                include_columns=list(columns),
                column_types=dict.fromkeys(columns, pa.string()),
                strings_can_be_null=False,
            ),
        )
        return table, malformed


def _as_utf8(text: bytes) -> bytes:
    """UTF-8 as it is; a line that is not is read in the code page that Windows exports in.

    Line by line, so that a row's text does not hang on the part that it lies in.
    """
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return b"\n".join(_line_as_utf8(line) for line in text.split(b"\n"))
    return text


def _line_as_utf8(line: bytes) -> bytes:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace").encode()
    return line


def read_part(part: ParquetPart | CsvPart, columns: Sequence[str]) -> pd.DataFrame:
    """One part's rows as text: what is missing is "", what a typed file holds is printed."""
    try:
        if isinstance(part, CsvPart):
            table, malformed = part.read(columns)
        else:
            table, malformed = part.read(columns), []
        rows = pd.DataFrame({name: _as_text(table[name]) for name in columns}, dtype="str")
    except (pa.ArrowException, OSError) as fault:
        raise DataError(f"{part.address} cannot be read: {fault}: deliver it again") from fault
    rows[MALFORMED] = ""
    broken = pd.DataFrame({**dict.fromkeys(columns, ""), MALFORMED: malformed}, dtype="str")
    rows = pd.concat([rows, broken], ignore_index=True)
    rows[DELIVERY] = part.address
    return rows[[*columns, DELIVERY, MALFORMED]].astype("str")


def _as_text(column: pa.ChunkedArray) -> pd.Series:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    return column.cast(pa.string()).fill_null("").to_pandas().astype("str")


def _parquet_parts(address: str, columns: Sequence[str]) -> list[ParquetPart]:
    try:
        with fsspec.open(address) as handle:
            file = pq.ParquetFile(handle)
            _require_columns(address, columns, file.schema_arrow.names)
            sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    except (pa.ArrowException, OSError) as fault:
        raise DataError(
            f"{address} is no readable Parquet file ({fault}): deliver it again"
        ) from fault
    return [
        ParquetPart(address, group, offset, min(ROWS_PER_PART, size - offset))
        for group, size in enumerate(sizes)
        for offset in range(0, size, ROWS_PER_PART)
    ]


def _csv_parts(address: str, columns: Sequence[str]) -> list[CsvPart]:
    try:
        with fsspec.open(address) as handle:
            sample = handle.read(HEADER_BYTES)
            header = sample[: _first_row(sample)]
            names = csv.read_csv(io.BytesIO(_as_utf8(header.rstrip(b"\r\n") + b"\n"))).schema.names
            _require_columns(address, columns, names)
            cuts = list(_cuts(handle, len(header)))
    except (pa.ArrowException, OSError) as fault:
        raise DataError(f"{address} is no readable CSV file ({fault}): deliver it again") from fault
    return [CsvPart(address, header, start, stop) for start, stop in pairwise(cuts)]


def _cuts(handle: BinaryIO, start: int) -> Iterator[int]:
    """Where the file can be cut into parts, from ``start`` to its end.

    A newline within quotes ends no row, and whether one is can only be told from before it: so
    the quotes are counted through the whole file, once, which costs little beside parsing it.
    """
    yield start
    handle.seek(start)
    while block := handle.read(BYTES_PER_PART):
        start += len(block) if len(block) < BYTES_PER_PART else _whole_rows(block)
        yield start
        handle.seek(start)


def _first_row(block: bytes) -> int:
    """Length of the first row; of everything where no row ends."""
    at = block.find(b"\n")
    while at >= 0 and block.count(b'"', 0, at) % 2:
        at = block.find(b"\n", at + 1)
    return at + 1 or len(block)


def _whole_rows(block: bytes) -> int:
    """Length of the rows that end in a block that begins with one; of everything where none do."""
    last = at = block.rfind(b"\n")
    odd = block.count(b'"', 0, last) % 2 if last >= 0 else 0
    while at >= 0 and odd:
        before = block.rfind(b"\n", 0, at)
        odd ^= block.count(b'"', max(before, 0), at) % 2
        at = before
    # Where stray quotes leave no row's end, a newline is the best guess.
    return (at if at >= 0 else last) + 1 or len(block)


def _require_columns(address: str, wanted: Sequence[str], found: Sequence[str]) -> None:
    for column in wanted:
        if column not in found:
            raise DataError(
                f"{address} has no column {column!r}{nearest(column, found)} "
                "(source.columns says which to read)"
            )
