"""What was brought, made into plain data files: uncompressed, and looked at before use."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import shutil
import zipfile
import zlib
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from pipeline.errors import DataError
from pipeline.sources.formats import PACKED
from pipeline.sources.sniff import SNIFFED_BYTES, is_parquet, no_table

MOST_BYTES = 2**36  # of one delivery, unpacked
MOST_MEMBERS = 10_000
_DATA = (".csv", ".tsv", ".txt", ".parquet")
_COPY_BYTES = 2**20
_ZIP = b"PK\x03\x04", b"PK\x05\x06"
_OPENERS: tuple[tuple[bytes, Callable[[Path], Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
    (b"\x28\xb5\x2f\xfd", lambda path: pa.CompressedInputStream(str(path), "zstd")),
)
_DAMAGE = (
    OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError,
    RuntimeError, pa.ArrowException,
)  # fmt: skip


def unpack(packed: Path, into: Path, name: str, pattern: str = "*", owned: bool = True) -> None:
    """Put the data files that ``packed`` is, or holds, into the new folder ``into``.

    ``name``: what an uncompressed file is called, whose content decides what it ends in. Of a zip
    the members that match ``pattern`` are taken. ``owned``: the file may be moved. Raises
    DataError where it is damaged, holds no data, or holds more than MOST_BYTES.
    """
    into.mkdir(parents=True)
    with packed.open("rb") as handle:
        start = handle.read(6)
    opener = next((opener for magic, opener in _OPENERS if start.startswith(magic)), None)
    try:
        if start.startswith(_ZIP):
            _unzip(packed, into, name, pattern)
        elif opener:
            with opener(packed) as stream:
                _copy(stream, into / "file", MOST_BYTES)
            _named(into / "file", name)
        else:
            (os.replace if owned else shutil.copyfile)(packed, into / "file")
            _named(into / "file", name)
    except _DAMAGE as fault:
        if isinstance(fault, OSError) and fault.errno:  # of this machine, as a full disk is
            raise
        raise DataError(f"{name} cannot be unpacked ({fault}): deliver it again") from fault


def _unzip(packed: Path, into: Path, name: str, pattern: str) -> None:
    with zipfile.ZipFile(packed) as archive:
        members = [member for member in archive.infolist() if _is_data(member, pattern)]
        if not members:
            found = ", ".join(archive.namelist()[:5]) or "nothing"
            raise DataError(
                f"{name} holds no {', '.join(_DATA)} file that is called {pattern} ({found}): "
                "correct source.path"
            )
        rest = MOST_BYTES
        if len(members) > MOST_MEMBERS or sum(member.file_size for member in members) > rest:
            raise DataError(
                f"{name} unpacks to more than {MOST_MEMBERS} files or {MOST_BYTES} bytes: deliver "
                "it in parts"
            )
        for number, member in enumerate(members):
            file = into / f"{number:05d}"
            with archive.open(member) as stream:  # reads no more than the size that was declared
                rest -= _copy(stream, file, rest)
            _named(file, f"{number:05d}-{Path(member.filename).name}")


def _is_data(member: zipfile.ZipInfo, pattern: str) -> bool:
    path = Path(member.filename)
    hidden = path.name.startswith(".") or "__MACOSX" in path.parts
    is_data = path.suffix.lower() in _DATA and fnmatch(member.filename, pattern)
    return is_data and not hidden and not member.is_dir()


def _copy(stream: IO[bytes], file: Path, most: int) -> int:
    size = 0
    with file.open("wb") as handle:
        while piece := stream.read(_COPY_BYTES):
            size += len(piece)
            if size > most:
                raise DataError(f"it unpacks to more than {MOST_BYTES} bytes: deliver it in parts")
            handle.write(piece)
    return size


def _named(file: Path, name: str) -> None:
    """Give a file the name that tells how to read it; an empty one goes."""
    with file.open("rb") as handle:
        start = handle.read(SNIFFED_BYTES)
    if not start:
        file.unlink()
        return
    kind = _kind(start, name)
    plain = safe(name[: -len(Path(name).suffix)] if name.lower().endswith(PACKED) else name)
    is_named = Path(plain).suffix.lower() in (_DATA if kind == ".csv" else (kind,))
    file.replace(file.with_name(plain if is_named else plain + kind))


def _kind(start: bytes, name: str) -> str:
    """What a file's first bytes say that it is. Raises DataError where they are no data."""
    if fault := no_table(start):
        raise DataError(f"{name} is {fault[0]}, which is not read: {fault[1]}")
    return ".parquet" if is_parquet(start) else ".csv"


def safe(name: str) -> str:
    """A name that is one on every file system; the end of a long one."""
    return re.sub(r"[^\w.-]+", "-", name)[-80:].lstrip(".-") or "data"
