"""Where incidents come from: files that a path or a pattern names, as text, mapped columns only."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.csv_parts import CsvPart, plan_csv
from pipeline.errors import DataError, EmptyDeliveryError, MissingInputError
from pipeline.paths import nearest
from pipeline.source_config import Source

if TYPE_CHECKING:
    import dask.dataframe as dd


DELIVERY = "_delivery"  # the address that a row came from
MALFORMED = "_malformed"  # the text of a CSV row that has the wrong number of fields, else ""
ROWS_PER_PART = 200_000


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
        """The rows of the files as a Dask dataframe of text.

        Raises DataError, and EmptyDeliveryError where none of them holds a row.
        """
        filled = [delivery.address for delivery in deliveries if delivery.size]
        parts = [part for address in filled for part in self._parts(address)]
        if not parts:
            names = ", ".join(delivery.address for delivery in deliveries[:3])
            raise EmptyDeliveryError(
                f"{names} is empty, it holds no rows: deliver it again, or correct source.path"
            )
        columns = self.source.columns.names
        meta = pd.DataFrame(
            {name: pd.Series(dtype="str") for name in (*columns, DELIVERY, MALFORMED)}
        )
        import dask.dataframe as dd  # takes a second, and most nights read nothing

        rows: dd.DataFrame = dd.from_map(read_part, parts, columns=columns, meta=meta)
        return rows

    def _parts(self, address: str) -> list[ParquetPart | CsvPart]:
        is_csv = self.source.format == "csv" or (
            self.source.format is None and ".csv" in address.rsplit("/", 1)[-1].lower()
        )
        names, parts = plan_csv(address) if is_csv else _plan_parquet(address)
        _require_columns(address, self.source.columns.names, names)
        return list(parts)


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


def _plan_parquet(address: str) -> tuple[list[str], list[ParquetPart]]:
    try:
        with fsspec.open(address) as handle:
            file = pq.ParquetFile(handle)
            names = list(file.schema_arrow.names)
            sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    except (pa.ArrowException, OSError) as fault:
        raise DataError(
            f"{address} is no readable Parquet file ({fault}): deliver it again"
        ) from fault
    return names, [
        ParquetPart(address, group, offset, min(ROWS_PER_PART, size - offset))
        for group, size in enumerate(sizes)
        for offset in range(0, size, ROWS_PER_PART)
    ]


def _require_columns(address: str, wanted: Sequence[str], found: Sequence[str]) -> None:
    for column in wanted:
        if column not in found:
            raise DataError(
                f"{address} has no column {column!r}{nearest(column, found)} "
                "(source.columns says which to read)"
            )
