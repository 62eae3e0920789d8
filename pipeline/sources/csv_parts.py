"""CSV files cut into parts of whole rows, so that workers can read one file together."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

import fsspec
import pyarrow as pa
from pyarrow import csv

from pipeline.errors import DataError
from pipeline.sources.encoding import decoded

BYTES_PER_PART = 2**25
HEADER_BYTES = 2**16


@dataclass(frozen=True)
class CsvPart:
    """Bytes ``[start, stop)`` of a file, whole rows, below its header line."""

    path: str
    header: bytes
    start: int
    stop: int
    delimiter: str = ","

    @property
    def size(self) -> int:
        """Bytes to read."""
        return self.stop - self.start

    def read(self, columns: Sequence[str]) -> tuple[pa.Table, list[str]]:
        """The rows, and the text of those with the wrong number of fields."""
        malformed: list[str] = []

        def set_aside(row: csv.InvalidRow) -> str:
            malformed.append(row.text)
            return "skip"

        with fsspec.open(self.path) as handle:
            handle.seek(self.start)
            text = _as_utf8(self.header + handle.read(self.stop - self.start))
        table = csv.read_csv(
            io.BytesIO(text),
            # One block: a row of any length, with any newline in it, lies within.
            read_options=csv.ReadOptions(block_size=len(text) + 1, use_threads=False),
            parse_options=csv.ParseOptions(
                delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=set_aside
            ),
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
        return b"\n".join(decoded(line).encode() for line in text.split(b"\n"))
    return text


def csv_names(path: str, delimiter: str = ",") -> list[str]:
    """The column names of a CSV file. Raises DataError where it cannot be read."""
    with _readable(path), fsspec.open(path) as handle:
        return _names(_header(handle), delimiter)


def plan_csv(path: str, delimiter: str = ",") -> tuple[list[str], list[CsvPart]]:
    """The column names of a CSV file and its parts. Raises DataError where it cannot be read."""
    with _readable(path), fsspec.open(path) as handle:
        header = _header(handle)
        names = _names(header, delimiter)
        cuts = list(_cuts(handle, len(header)))
    return names, [CsvPart(path, header, at, end, delimiter) for at, end in pairwise(cuts)]


@contextmanager
def _readable(path: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as fault:
        raise DataError(f"{path} is no readable CSV file ({fault}): deliver it again") from fault


def _header(handle: BinaryIO) -> bytes:
    sample = handle.read(HEADER_BYTES)
    return sample[: _first_row(sample)]


def _names(header: bytes, delimiter: str) -> list[str]:
    text = io.BytesIO(_as_utf8(header.rstrip(b"\r\n") + b"\n"))
    names: list[str] = csv.read_csv(
        text, parse_options=csv.ParseOptions(delimiter=delimiter)
    ).schema.names
    return names


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
