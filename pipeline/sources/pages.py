"""What a service is asked and answers: its description, and pages of rows, kept as files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.sources.parquet_parts import UNREADABLE
from pipeline.sources.whole import write_whole

SETTLED = timedelta(seconds=60)  # a time in whole seconds tells changes apart from then on
ROW = "_service_row"  # the service's own identifier of a row


@dataclass(frozen=True)
class Look:
    """A service as it stands: what is said of it, without any row.

    ``stamp`` changes whenever its content may have; ``is_settled``: not within the same second any
    more. ``names``: its columns. ``says_changes``: whether it can be asked what changed since.
    ``about``: what its kind needs to know to read pages. ``at``: its clock.
    """

    stamp: str
    is_settled: bool
    names: tuple[str, ...]
    says_changes: bool
    at: datetime
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """Rows as text, in the order of the columns asked for, and their identifiers.

    ``cursor``: where the next page begins, as JSON; None where there is none. ``newest``: when the
    last of these rows changed, where the service says so.
    """

    rows: Sequence[Sequence[str]]
    ids: Sequence[str]
    cursor: Any
    newest: datetime | None = None


@dataclass(frozen=True)
class Want:
    """What a page is asked for: ``columns`` of what changed at or after ``since``, or of all.

    ``cursor``: of the page before, None for the first.
    """

    look: Look
    columns: Sequence[str]
    since: datetime | None = None
    cursor: Any = None


class Service(Protocol):
    """A kind of service at one address. ``overlap``: how much is read again, for clocks and
    commits that lag behind.
    """

    overlap: ClassVar[timedelta]

    def look(self) -> Look:
        """What the service says of itself."""

    def page(self, want: Want) -> Page:
        """One page. Raises RestartError, and errors as Web.json."""

    def count(self) -> int:
        """How many rows there are, of which a crawl for everything has to bring as many."""


class RestartError(Exception):
    """The crawl cannot go on and has to begin again. ``whole``: with everything."""

    def __init__(self, text: str, whole: bool = False) -> None:
        super().__init__(text)
        self.whole = whole


def write_page(path: Path, page: Page, columns: Sequence[str]) -> None:
    """The rows as a file that is there whole, or not at all."""
    values = [*zip(*page.rows, strict=True), page.ids]
    table = pa.table([pa.array(column, pa.string()) for column in values], [*columns, ROW])
    _write_table(path, table)


def is_readable(path: Path) -> bool:
    """Whether a page's file is there, and whole to its end."""
    try:
        pq.read_metadata(path)
    except UNREADABLE:
        return False
    return True


def drop_older_forms(legs: Sequence[Sequence[Path]]) -> None:
    """Of a row that several legs of a crawl hold the last stands: a fetch says each thing once."""
    later = pa.array([], pa.string())
    for paths in reversed(legs):
        _drop(paths, later)
        if paths is not legs[0]:
            ids = [pq.read_table(path, columns=[ROW])[ROW] for path in paths]
            later = pa.concat_arrays([later, *[chunk for column in ids for chunk in column.chunks]])


def _drop(paths: Sequence[Path], ids: pa.Array) -> None:
    for path in paths if len(ids) else []:
        table = pq.read_table(path)
        kept = table.filter(pc.invert(pc.is_in(table[ROW], ids)))
        if kept.num_rows < table.num_rows:
            _write_table(path, kept)


def _write_table(path: Path, table: pa.Table) -> None:
    write_whole(path, lambda file: pq.write_table(table, file))


def when(changed: datetime | None, at: datetime) -> tuple[str, bool]:
    """A stamp of the time of the last change, and whether it is settled.

    Where a service does not say when it changed the stamp is the day: it is read once a day.
    """
    if not changed:
        return f"{at:%Y-%m-%d}", True
    return changed.isoformat(), at - changed > SETTLED


def as_text(value: Any) -> str:
    """A field of JSON as it would be printed; what is missing is ""."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
