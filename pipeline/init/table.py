"""A sample of a source as text: rows from its beginning, its middle and its end, every column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DataError, EmptyDeliveryError
from pipeline.init.drift import match_headers
from pipeline.init.files import (
    Files,
    find_delimiter,
    find_files,
    patterns_of,
    require_header,
    require_table,
    short_name,
)
from pipeline.privacy import is_person_column
from pipeline.sources.config import Format, Source
from pipeline.sources.csv_parts import CsvPart, plan_csv
from pipeline.sources.formats import PACKED, format_of
from pipeline.sources.landing import land
from pipeline.sources.parquet_parts import ParquetPart, plan_parquet
from pipeline.sources.source import DELIVERY, MALFORMED

ROWS = 200_000
_READ_WHOLE = 96 * 2**20  # bytes up to which all is read
_SPOTS = 16  # parts read of what is larger
_MOST_PARTS = 240  # of many small files
_MOST_PIECES, _MOST_ROWS = 1000, 10_000_000  # of columns that are read as a whole
_MOST_FILES = 3000  # whose headers are looked at
_ROWS_OF_HEADER = 2000
Rows = CsvPart | ParquetPart


@dataclass(frozen=True)
class Piece:
    """A part of a file's rows; ``found``: the table's names of columns and the file's own."""

    address: str
    rows: Rows
    found: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """What a source holds.

    ``rows``: at most ROWS rows as delivered, all text, with DELIVERY and MALFORMED; ``names``:
    columns, in their order; ``persons``: further ones about persons, which are never read;
    ``total``: about how many rows there are in all; ``renamed``: names of columns in some files,
    and what they are called in the others; ``notes``: in words.
    """

    rows: pd.DataFrame
    names: tuple[str, ...]
    name: str
    paths: tuple[str, ...]
    total: int
    format: Format | None = None
    delimiter: str = ","
    renamed: Mapping[str, str] = field(default_factory=dict)
    pieces: tuple[Piece, ...] = ()
    files: int = 1
    notes: tuple[str, ...] = ()
    persons: tuple[str, ...] = ()

    def whole(self, names: Sequence[str]) -> pd.DataFrame:
        """The columns in all rows, stripped; in evenly spread parts where there are very many."""
        if not self.pieces:
            return stripped(self.rows[list(names)])
        most = _MOST_PIECES
        if self.total > _MOST_ROWS:
            most = min(most, len(self.pieces) * _MOST_ROWS // self.total)
        return stripped(_read(_spread(self.pieces, most), names)[list(names)])


def stripped(rows: pd.DataFrame) -> pd.DataFrame:
    """Texts without blanks at their ends, as the cleaner looks at them."""
    return rows.apply(lambda column: column.str.strip())


@contextmanager
def open_table(source: Sequence[str]) -> Iterator[Table]:
    """A sample of a source; what is remote or packed is unpacked for as long as it is open.

    Raises DataError, MissingInputError.
    """
    formats = {format_of(Source.model_construct(format=None), text) for text in source}
    if services := formats - {"csv", "parquet"}:
        yield _of_service(source, services)
        return
    with TemporaryDirectory(prefix="hexcast-init-") as folder:
        yield _of_files(find_files(source), Path(folder))


def _of_service(source: Sequence[str], services: set[Format]) -> Table:
    from pipeline.sources.services import sample_rows  # needs an HTTP client, which files do not

    if len(source) > 1:
        raise DataError(f"{len(source)} addresses of services: give one")
    sample = sample_rows(source[0], ROWS)
    return Table(
        rows=sample.rows.astype("str").assign(**{DELIVERY: source[0], MALFORMED: ""}),
        names=tuple(str(name) for name in sample.rows.columns),
        name=short_name(source[0]),
        paths=tuple(source),
        total=sample.total,
        format=services.pop(),
        persons=sample.persons,
    )


def _of_files(files: Files, folder: Path) -> Table:
    plain = [pair for address in files.addresses for pair in _local(address, folder)]
    if not plain:
        raise EmptyDeliveryError(f"{files.addresses[0]} is empty: deliver it again")
    is_parquet = require_table(plain[0][1], plain[0][0])
    delimiter = "," if is_parquet else find_delimiter(plain[-1][1])
    step = max(1, len(plain) // _MOST_FILES)
    looked = [_look(address, path, is_parquet, delimiter) for address, path in plain[::step]]
    looked = [file for file in looked if file.parts]
    if not looked:
        raise EmptyDeliveryError(f"{files.addresses[0]} holds no rows: deliver it again")
    sizes = [sum(part.size for part in file.parts) for file in looked]
    drift = match_headers([file.names for file in looked], sizes, lambda n: _some(looked[n]))
    pieces = tuple(
        Piece(file.address, part, found)
        for file, found in zip(looked, drift.found, strict=True)
        if found is not None
        for part in file.parts
    )
    rows, share = _sample(pieces, drift.names)
    used = {piece.address for piece in pieces}
    left_out = {file.address for file in looked} - used
    return Table(
        rows=rows,
        names=drift.names,
        name=files.name,
        paths=_paths(files, left_out),
        total=_total(pieces, len(rows) / share) * step,
        format=_format(files.addresses[0], is_parquet),
        delimiter=delimiter,
        renamed=drift.renamed,
        pieces=pieces,
        files=len(files.addresses),
        notes=drift.notes,
        persons=tuple(dict.fromkeys(name for file in looked for name in file.persons)),
    )


@dataclass(frozen=True)
class _File:
    """A plain file: its address, its columns, those about persons apart, the parts of its rows."""

    address: str
    names: tuple[str, ...]
    persons: tuple[str, ...]
    parts: tuple[Rows, ...]


def _file(address: str, names: Sequence[str], parts: Iterable[Rows]) -> _File:
    persons = tuple(name for name in names if is_person_column(name))
    return _File(address, tuple(n for n in names if n not in persons), persons, tuple(parts))


def _local(address: str, folder: Path) -> list[tuple[str, str]]:
    """Address and local path of every plain file behind an address."""
    if "://" in address or address.lower().endswith(PACKED):
        return [(address, str(path)) for path in land(address, 0, folder)]
    return [(address, address)] if Path(address).stat().st_size else []


def _look(address: str, path: str, is_parquet: bool, delimiter: str) -> _File:
    if require_table(path, address) != is_parquet:
        raise DataError(f"{address} is not of the same kind as the first file: give one kind")
    if is_parquet:
        _, groups = plan_parquet(path)
        schema = pq.read_schema(path)
        plain = [field.name for field in schema if not _is_opaque(field.type)]
        return _file(address, plain, _by_group(groups))
    names, parts = plan_csv(path, delimiter)
    require_header(names, address)
    return _file(address, names, (part for part in parts if part.size))


def _is_opaque(kind: pa.DataType) -> bool:
    """Whether a column holds geometries, lists and the like, which are no text."""
    return bool(
        pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    )


def _by_group(parts: Sequence[ParquetPart]) -> Iterator[ParquetPart]:
    """One part for every row group: reading any rows of it reads all."""
    for group, of_group in groupby(parts, key=lambda part: part.row_group):
        several = list(of_group)
        rows, size = (sum(getattr(p, name) for p in several) for name in ("rows", "size"))
        yield ParquetPart(several[0].path, group, 0, rows, size)


def _paths(files: Files, left_out: set[str]) -> tuple[str, ...]:
    if not left_out:
        return files.paths
    wanted = [address for address in files.addresses if address not in left_out]
    return tuple(patterns_of(wanted, files.addresses))


def _format(address: str, is_parquet: bool) -> Format | None:
    """What to say of the format, where the name does not tell it."""
    actual: Format = "parquet" if is_parquet else "csv"
    told = format_of(Source.model_construct(format=None), address)
    return None if told == actual else actual


def _some(file: _File) -> pd.DataFrame:
    """A few rows of a file, under its own names."""
    names = [name for name in dict.fromkeys(file.names) if name.strip()]
    piece = Piece(file.address, file.parts[0], {name: name for name in names})
    return stripped(_read([piece], names)[:_ROWS_OF_HEADER])


def _sample(pieces: Sequence[Piece], names: Sequence[str]) -> tuple[pd.DataFrame, float]:
    """Rows from all over the pieces, and about what share of all rows they are."""
    size = sum(piece.rows.size for piece in pieces)
    most = _MOST_PARTS if size <= _READ_WHOLE or len(pieces) > _MOST_PARTS else _SPOTS
    chosen = _spread(pieces, most)
    known = sum(p.rows.rows for p in chosen if isinstance(p.rows, ParquetPart))
    thin = max(1, -(-known // ROWS))
    rows = _read(chosen, names, thin)
    every = max(1, -(-len(rows) // ROWS))
    kept = rows.iloc[::every].reset_index(drop=True)
    read = sum(piece.rows.size for piece in chosen) / max(1, size)
    return kept, read * len(kept) / max(1, len(rows) * thin)


def _spread(pieces: Sequence[Piece], most: int) -> list[Piece]:
    """At most so many of the pieces, the first and the last among them."""
    most = max(1, min(most, len(pieces)))
    places = {round(i * (len(pieces) - 1) / max(1, most - 1)) for i in range(most)}
    return [pieces[place] for place in sorted(places)]


def _total(pieces: Sequence[Piece], estimate: float) -> int:
    known = [piece.rows.rows for piece in pieces if isinstance(piece.rows, ParquetPart)]
    return sum(known) if known else round(estimate)


def _read(pieces: Sequence[Piece], names: Sequence[str], every: int = 1) -> pd.DataFrame:
    """Columns of the pieces as text, every so many rows; a column that a file lacks is blank."""
    tables = []
    for piece in pieces:
        there = [name for name in names if name in piece.found]
        table, _ = piece.rows.read([piece.found[name] for name in there])
        table = table.rename_columns(there)
        if every > 1:
            table = table.take(pa.array(range(0, table.num_rows, every)))
        blank = pa.array([""] * table.num_rows, pa.string())
        for name in names:
            if name not in piece.found:
                table = table.append_column(name, blank)
        address = pa.array([piece.address] * table.num_rows, pa.string())
        tables.append(table.select(list(names)).append_column(DELIVERY, address))
    rows: pd.DataFrame = pa.concat_tables(tables).to_pandas().astype("str")
    return rows.assign(**{MALFORMED: ""})
