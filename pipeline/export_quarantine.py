"""The quarantine as a CSV file that a spreadsheet can open without being told what to do."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError, MissingInputError
from pipeline.store import Store
from pipeline.tables import open_rows

COLUMNS = ("ingested_at", "reason", "id", "delivery", "row")
BATCH = 10_000  # rows in memory
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def neutral(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe goes before what starts one.

    Numbers stay numbers. Source: OWASP, "CSV Injection".
    """
    if _NUMBER.fullmatch(cell):
        return cell
    starts = cell.startswith(_FORMULA) or cell.lstrip().startswith(_FORMULA)
    return f"'{cell}" if starts else cell


def export_quarantine(store: Store, out: Path) -> int:
    """Write all rows in quarantine to the CSV file ``out``; returns how many. UTF-8, with a header.

    The file appears whole or not at all. Raises MissingInputError where nothing was ever put in
    quarantine, and ConfigError where ``out`` is there already or cannot be written.
    """
    if out.exists():  # it may be the configuration, named twice
        raise ConfigError(f"{out} is there already: give another path, or delete it")
    rows = _rows(store)
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            count = 0
            for row in rows:
                writer.writerow(row)
                count += 1
        temporary.replace(out)
    except OSError as fault:
        raise ConfigError(f"{out} cannot be written ({fault}): name a file in a folder") from fault
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _rows(store: Store) -> Iterator[list[str]]:
    dataset: Any = open_rows(store.quarantine, "ingested_at")
    if dataset is None:
        raise MissingInputError(
            f"{store.root} holds nothing in quarantine: there is no file to make"
        )
    return _cells(dataset)


def _cells(dataset: Any) -> Iterator[list[str]]:
    for batch in dataset.to_batches(columns=list(COLUMNS), batch_size=BATCH):
        columns = [_texts(batch.column(name).to_pylist()) for name in COLUMNS]
        yield from (list(row) for row in zip(*columns, strict=True))


def _texts(values: list[Any]) -> list[str]:
    return [neutral(_text(value)) for value in values]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)
