"""The quality of past deliveries: one small file an ingestion, named by its instant.

```
root/quality/2024/20240615T120000.000000Z.json   what was taken in
root/quality/refused.json                        the last delivery that was not, until one is
```
Reading the newest costs the same in the tenth year as in the first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from pipeline.log import LOGGER
from pipeline.quality.record import QualityRecord

READ = 400  # a year of nights, or two weeks of hourly deliveries
_NAME = "%Y%m%dT%H%M%S.%fZ"
_REFUSED = "refused.json"


def folder_of(root: str) -> Path:
    """Where the records of the store at ``root`` lie."""
    return Path(root) / "quality"


def read_past(root: str, before: datetime | None = None, count: int = READ) -> list[QualityRecord]:
    """The newest ``count`` records made before an instant, oldest first.

    One that cannot be read is left out, and logged: a comparison is not worth a night.
    """
    found = islice(_newest_first(folder_of(root), before), count)
    return list(found)[::-1]


def _newest_first(folder: Path, before: datetime | None) -> Iterator[QualityRecord]:
    limit = _file_name(before) if before else "9"
    for year in sorted(folder.glob("[0-9]*"), reverse=True):
        for path in sorted(year.glob("*.json"), reverse=True):
            if path.name < limit and (record := _read(path)):
                yield record


def _read(path: Path) -> QualityRecord | None:
    try:
        return QualityRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        LOGGER.warning("%s cannot be read: it is left out of the comparison", path)
        return None


def save(root: str, record: QualityRecord) -> Path:
    """Keep the record of a delivery that was taken in; whole or not at all."""
    folder = folder_of(root)
    name = _file_name(record.made_at)
    path = _write(folder / name[:4] / name, record)
    (folder / _REFUSED).unlink(missing_ok=True)
    return path


def save_refused(root: str, record: QualityRecord) -> Path:
    """Keep the record of a delivery that was not taken in, in place of the last such."""
    return _write(folder_of(root) / _REFUSED, record)


def read_refused(root: str) -> QualityRecord | None:
    """The delivery that was refused last, unless one was taken in since."""
    path = folder_of(root) / _REFUSED
    return _read(path) if path.exists() else None


def _file_name(instant: datetime) -> str:
    return f"{instant.astimezone(UTC).strftime(_NAME)}.json"


def _write(path: Path, record: QualityRecord) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(record.model_dump_json())
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return path
