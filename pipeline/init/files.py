"""The files that a newcomer points at: which there are, what they are, how a configuration names
them.
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from glob import has_magic
from itertools import takewhile
from pathlib import Path

import fsspec

from pipeline.errors import DataError, MissingInputError
from pipeline.sources.csv_parts import HEADER_BYTES
from pipeline.sources.formats import PACKED
from pipeline.sources.sniff import SNIFFED_BYTES, is_parquet, no_table

_TEXT, _TABLE = (".csv", ".tsv", ".txt", ".dat"), (".parquet", ".pq", ".parq")
_DELIMITERS = ",;\t|"
_MOST_NAMED = 50  # files that a configuration names one by one


@dataclass(frozen=True)
class Files:
    """``addresses``: the files to look at; ``paths``: what a configuration names them by."""

    addresses: tuple[str, ...]
    paths: tuple[str, ...]
    name: str


def find_files(source: Sequence[str]) -> Files:
    """The files behind paths, patterns, folders and addresses, in the order of their names.

    Raises MissingInputError where there is none.
    """
    addresses: list[str] = []
    paths: list[str] = []
    for text in source:
        found, path = _behind(text)
        addresses += found
        paths += path
    return Files(
        tuple(dict.fromkeys(addresses)), tuple(dict.fromkeys(paths)), short_name(source[0])
    )


def _behind(text: str) -> tuple[list[str], list[str]]:
    if "://" in text and not text.startswith("file://"):
        return [text], [text]
    path = Path(text.removeprefix("file://")).expanduser().absolute()
    if path.is_dir():
        return _in_folder(path)
    if path.is_file():
        return [str(path)], [str(path)]
    if has_magic(text):
        filesystem, pattern = fsspec.core.url_to_fs(str(path))
        found = sorted(name for name in filesystem.glob(pattern) if Path(name).is_file())
        if found:
            return found, [str(path)] if "*" in text else _named(found)
    near = [p.name for p in path.parent.iterdir()][:8] if path.parent.is_dir() else []
    beside = f"; beside it: {', '.join(sorted(near))}" if near else ""
    raise MissingInputError(f"no file at {text}: check the path{beside}")


def _named(found: list[str]) -> list[str]:
    if len(found) > _MOST_NAMED:
        raise MissingInputError(
            f"{len(found)} files behind a pattern without *: write it with * in place of ? and []"
        )
    return found


def _in_folder(folder: Path) -> tuple[list[str], list[str]]:
    """The data files of a folder and those below, all of the kind that holds the most."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not _is_hidden(p, folder)]
    kinds = Counter[str]()
    for path in files:
        if kind := _kind(path):
            kinds[kind] += path.stat().st_size
    if not kinds:
        found = ", ".join(path.name for path in files[:5]) or "nothing"
        raise MissingInputError(f"{folder} holds no CSV or Parquet files ({found}): name the file")
    best = kinds.most_common(1)[0][0]
    wanted = [str(path) for path in files if _kind(path) == best]
    return wanted, patterns_of(wanted, [str(path) for path in files])


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)


def _kind(path: Path) -> str | None:
    """Text or Parquet; a packed file is what its name says within, else text."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    inner = [suffix for suffix in suffixes if suffix not in PACKED]
    last = inner[-1] if inner else ""
    if last in _TABLE:
        return "parquet"
    is_text = last in _TEXT or (suffixes and suffixes[-1] in PACKED)
    return "csv" if is_text else None


def patterns_of(wanted: Sequence[str], others: Iterable[str]) -> list[str]:
    """Patterns that name ``wanted`` and none of the ``others``; the files where there is none."""
    if len(wanted) == 1:
        return list(wanted)
    barred = set(others) - set(wanted)
    folder = os.path.commonpath([str(Path(name).parent) for name in wanted])
    deep = any(str(Path(name).parent) != folder for name in wanted)
    suffixes = sorted({"".join(Path(name).suffixes[-1:]) for name in wanted})
    names = sorted(Path(name).name for name in wanted)
    same = takewhile(lambda pair: pair[0] == pair[1], zip(names[0], names[-1], strict=False))
    start = "".join(first for first, _ in same)
    for stem in ("", re.sub(r"[^\W_]*$", "", start), start):
        patterns = [f"{folder}/{'**/' if deep else ''}{stem}*{suffix}" for suffix in suffixes]
        filesystem = fsspec.filesystem("file")
        matched = {name for pattern in patterns for name in filesystem.glob(pattern)}
        if set(wanted) <= matched and not matched & barred:
            return patterns
    return list(wanted)


def short_name(text: str) -> str:
    """A short name from that of a file, folder or address."""
    last = re.split(r"[?#]", text)[0].rstrip("/").rsplit("/", 1)[-1]
    endings = "|".join(re.escape(suffix) for suffix in (*_TEXT, *_TABLE, *PACKED, ".json"))
    base = re.sub(rf"({endings})+$", "", last.lower())
    plain = re.sub(r"[^a-z0-9]+", "-", base).strip("-")
    return plain or "city"


def require_table(path: str, shown: str) -> bool:
    """Whether the local file is Parquet (else text). Raises DataError where it is no table."""
    with Path(path).open("rb") as handle:
        start = handle.read(SNIFFED_BYTES)
    if fault := no_table(start):
        raise DataError(f"{shown} is {fault[0]}, which is not read: {fault[1]}")
    return is_parquet(start)


def find_delimiter(path: str) -> str:
    """The character that parts the fields of a text file, by how evenly it parts its first rows."""
    with Path(path).open("rb") as handle:
        text = handle.read(HEADER_BYTES).decode("utf-8-sig", errors="replace")
    lines = text.splitlines(keepends=True)
    lines = lines[:-1] if len(text) >= HEADER_BYTES - 4 and len(lines) > 1 else lines

    def evenness(delimiter: str) -> tuple[float, int]:
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if row][:200]
        widths = Counter(map(len, rows))
        width = len(rows[0]) if rows else 0
        return (widths[width] / max(1, len(rows)) if width > 1 else 0.0), width

    csv.field_size_limit(2**31 - 1)
    found = {delimiter: evenness(delimiter) for delimiter in _DELIMITERS}
    good = {key: value for key, value in found.items() if value[0] > 0.8} or found
    return max(good, key=lambda key: (good[key][1] > 1, good[key][1]))


def require_header(names: Sequence[str], shown: str) -> None:
    """Raise DataError where the first row is no row of names."""
    filled = [name for name in names if name.strip()]
    data = [name for name in filled if re.fullmatch(r"[-+]?[\d.,:/\- ]+", name.strip())]
    if len(data) > 0.3 * max(1, len(filled)) and len(data) > 1:
        raise DataError(
            f"{shown} begins with data ({', '.join(data[:3])}) and not with the names of its "
            "columns: put a line with their names on top"
        )
    if len(filled) < 3:
        raise DataError(
            f"{shown} begins with {', '.join(filled) or 'a blank line'}, which are no names of "
            "columns: delete the lines above them"
        )
