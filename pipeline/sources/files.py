"""Incidents from CSV or Parquet files, here or elsewhere."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec

from pipeline.errors import (
    BusyError,
    ConfigError,
    DataError,
    EmptyDeliveryError,
    MissingInputError,
)
from pipeline.paths import nearest
from pipeline.redact import redact
from pipeline.sources.config import Source
from pipeline.sources.csv_parts import CsvPart, csv_names, plan_csv
from pipeline.sources.formats import PACKED, format_of
from pipeline.sources.parquet_parts import ParquetPart, plan_parquet
from pipeline.sources.source import Delivery, Part


@dataclass(frozen=True)
class FileSource:
    """CSV or Parquet files behind paths, patterns or fsspec addresses."""

    source: Source

    def deliveries(self) -> list[Delivery]:
        """Files in the order of their names. Raises MissingInputError when there is none."""
        return [delivery for path in self.source.path for delivery in self._behind(path)]

    def _behind(self, path: str) -> list[Delivery]:
        if path.startswith(("http://", "https://")):
            from pipeline.sources.landing import (
                describe,  # needs an HTTP client, which files do not
            )

            size, stamp = describe(path)
            return [Delivery(path, size, self._version(size, stamp))]
        found = _found(path)
        if not found:
            raise MissingInputError(
                f"source.path: no file at {path}: check the path, or deliver it"
            )
        prefix = path.split("://")[0] + "://" if "://" in path else ""
        return [
            Delivery(
                name if "://" in name else prefix + name,
                int(info["size"]),
                self._version(int(info["size"]), _stamp(info)),
            )
            for name, info in sorted(found.items())
        ]

    def _version(self, size: int, stamp: str) -> int:
        text = f"{size}|{stamp}|{self.source.reading}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")

    def check(self, deliveries: Sequence[Delivery]) -> None:
        """Looks at the headers of plain local files; those to be brought are looked at then."""
        for delivery in deliveries:
            if delivery.size and not _must_land(delivery.address):
                names = _names(self.source, delivery.address)
                list(find_columns(self.source, delivery.address, names))

    def fetch(self, deliveries: Sequence[Delivery], landing: Path) -> list[Part]:
        """Parts of the files' rows, see IncidentSource."""
        parts = [
            part
            for delivery in deliveries
            if delivery.size or _must_land(delivery.address)
            for path in self._local(delivery, landing)
            for part in plan_file(self.source, delivery.address, path)
        ]
        if not parts:
            names = ", ".join(delivery.address for delivery in deliveries[:3])
            raise EmptyDeliveryError(
                f"{names} is empty, it holds no rows: deliver it again, or correct source.path"
            )
        return parts

    def release(self, deliveries: Sequence[Delivery], landing: Path) -> None:
        """Forgets the landed copies."""
        if any(_must_land(delivery.address) for delivery in deliveries):
            from pipeline.sources.landing import forget

            forget([delivery.address for delivery in deliveries], landing)

    def _local(self, delivery: Delivery, landing: Path) -> list[str]:
        if not _must_land(delivery.address):
            return [delivery.address]
        from pipeline.sources.landing import land

        return [str(path) for path in land(delivery.address, delivery.version, landing)]


def _stamp(info: Mapping[str, Any]) -> str:
    return str(info.get("mtime") or info.get("LastModified") or info.get("ETag") or "")


def _must_land(address: str) -> bool:
    is_remote = "://" in address and not address.startswith("file://")
    return is_remote or address.lower().endswith(PACKED)


def _found(path: str) -> dict[str, dict[str, Any]]:
    """Files behind a path or pattern, by name. Raises BusyError, ConfigError."""
    try:
        filesystem, pattern = fsspec.core.url_to_fs(path)
        found = filesystem.glob(pattern, detail=True) if re.search(r"[*?[]", pattern) else {}
        found = {name: info for name, info in found.items() if info["type"] == "file"}
        if not found and filesystem.isfile(pattern):
            found = {pattern: filesystem.info(pattern)}
    except ImportError as fault:
        raise ConfigError(
            f"source.path: {path} needs more ({fault}): install hexcast[s3]"
        ) from None
    except Exception as fault:  # what a bucket's client raises has no type of its own
        if "://" not in path:
            raise
        raise BusyError(
            f"source.path: {path} cannot be reached ({redact(str(fault))}): check network and "
            "credentials, then run again"
        ) from None
    return found


def _names(source: Source, path: str) -> list[str]:
    if format_of(source, path) == "csv":
        return csv_names(path, source.delimiter)
    return plan_parquet(path)[0]


def plan_file(source: Source, address: str, path: str) -> list[Part]:
    """The parts of one file of the delivery at ``address``. Raises DataError, see find_columns."""
    parts: Sequence[ParquetPart | CsvPart]
    if format_of(source, path) == "csv":
        names, parts = plan_csv(path, source.delimiter)
    else:
        names, parts = plan_parquet(path)
    found = tuple(find_columns(source, path, names))
    return [Part(address, rows, found) for rows in parts]


def find_columns(source: Source, path: str, names: Sequence[str]) -> Iterator[str | None]:
    """The file's own name of every mapped column; None for an optional one that it lacks.

    Raises DataError where a required column is missing, or two could be meant.
    """
    columns, plain = source.columns, [_plain(name) for name in names]
    for column in columns.names:
        old = [before for before, now in source.renamed.items() if now == column]
        exact = [name for name in (column, *old) if name in names]
        alike = [name for name, form in zip(names, plain, strict=True) if form == _plain(column)]
        found = exact[:1] or alike
        if len(found) > 1:
            raise DataError(f"{path}: columns {found} could both be {column!r}: name the right one")
        if not found and column in columns.required:
            raise DataError(
                f"{path} has no column {column!r}{nearest(column, names)} "
                "(source.columns says which to read, source.renamed what else they are called)"
            )
        yield found[0] if found else None


def _plain(name: str) -> str:
    return re.sub(r"[\s_.\-\ufeff]+", "", name).casefold()
