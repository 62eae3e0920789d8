"""What is landed is unpacked, within bounds, and nothing but data comes out."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from webfile import (
    CSV,
    the_files,  # noqa: F401 -- a fixture
    the_landing,  # noqa: F401 -- a fixture
    the_server,  # noqa: F401 -- a fixture
    zipped,
)
from webserver import the_ticks  # noqa: F401 -- a fixture

from pipeline.errors import DataError
from pipeline.sources import unpack
from pipeline.sources.landing import land


def zstd(body: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(body, asbytes=True))


def local(folder: Path, name: str, body: bytes) -> str:
    path = folder / name
    path.write_bytes(body)
    return str(path)


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.csv.gz", gzip.compress),
        ("a.CSV.GZ", gzip.compress),
        ("a.csv.bz2", bz2.compress),
        ("a.csv.xz", lzma.compress),
        ("a.csv.zst", zstd),
        ("download", gzip.compress),
        ("a.csv.gz", lambda body: gzip.compress(body[:99]) + gzip.compress(body[99:])),
        ("a.gz", lambda body: body),
    ],
)
def test_compressed_files_are_unpacked_whatever_they_are_called(tmp_path, landing, name, pack):
    path = local(tmp_path, name, pack(CSV))
    (found,) = land(path, 1, landing)
    assert found.read_bytes() == CSV
    assert found.suffix.lower() == ".csv"
    assert Path(path).exists()


def test_members_of_a_zip_are_taken_wherever_they_lie(tmp_path, landing):
    members = {"2024/01/street.csv": b"a\n1\n", "2024/02/street.csv": b"a\n2\n"}
    others = {"__MACOSX/street.csv": b"x", ".hidden.csv": b"x", "read.me": b"x"}
    evil = {"../../evil.csv": b"a\n3\n", "/root/evil.csv": b"a\n4\n", "empty.csv": b""}
    path = local(tmp_path, "a.zip", zipped(members | others | evil))
    found = land(path, 1, landing)
    assert [file.read_bytes() for file in found] == [b"a\n1\n", b"a\n2\n", b"a\n3\n", b"a\n4\n"]
    assert all(file.resolve().is_relative_to(landing.resolve()) for file in found)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "landing"]


def test_members_of_a_zip_can_be_chosen(server, files, ticks, landing):
    names = ("2024-01/met-street.csv", "2024-01/met-outcomes.csv", "2024-01/kent-street.csv")
    files.body = zipped(dict.fromkeys(names, b"a\n1\n"))
    found = land(f"{server.url}/latest.zip#*/met-street.csv", 1, landing, ticks.web())
    assert [path.name for path in found] == ["00000-met-street.csv"]
    assert server.asked[0].path == "/latest.zip"
    with pytest.raises(DataError, match=r"file that is called \*yard\*"):
        land(f"{server.url}/latest.zip#*yard*", 1, landing, ticks.web())


def test_a_parquet_file_is_known_by_its_content(server, files, ticks, landing):
    table = io.BytesIO()
    pd.DataFrame({"a": ["1"]}).to_parquet(table)
    files.body = table.getvalue()
    (path,) = land(f"{server.url}/export?format=parquet", 1, landing, ticks.web())
    assert path.suffix == ".parquet"


def test_an_empty_file_is_left_out(server, files, ticks, landing):
    files.body = b""
    assert land(f"{server.url}/a.csv", 1, landing, ticks.web()) == []


@pytest.mark.parametrize("pack", [gzip.compress, lambda body: zipped({"a.csv": body})])
def test_a_bomb_is_not_unpacked(tmp_path, landing, monkeypatch, pack):
    monkeypatch.setattr(unpack, "MOST_BYTES", 1000)
    with pytest.raises(DataError, match="unpacks to more than"):
        land(local(tmp_path, "a.zip", pack(b"0" * 1001)), 1, landing)
    assert not list(landing.iterdir())


def test_too_many_members_are_not_unpacked(tmp_path, landing, monkeypatch):
    monkeypatch.setattr(unpack, "MOST_MEMBERS", 2)
    packed = zipped({f"{number}.csv": b"a" for number in range(3)})
    with pytest.raises(DataError, match="more than 2 files"):
        land(local(tmp_path, "a.zip", packed), 1, landing)


def test_an_encrypted_zip_is_refused(tmp_path, landing):
    packed = bytearray(zipped({"a.csv": b"a\n1\n"}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(mark) + at] |= 1
    with pytest.raises(DataError, match="encrypted"):
        land(local(tmp_path, "a.zip", bytes(packed)), 1, landing)


def test_a_full_disk_is_not_blamed_on_the_file(tmp_path, landing, monkeypatch):
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(unpack, "_copy", full)
    with pytest.raises(OSError, match="No space left"):
        land(local(tmp_path, "a.csv.gz", gzip.compress(CSV)), 1, landing)
