"""Files from elsewhere: whole or not at all, unpacked, and nothing but data."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import boto3
import pandas as pd
import pyarrow as pa
import pytest
from conftest import make_config
from moto.server import ThreadedMotoServer
from portals import Asked, Clock, Reply, Server, Ticks, serving

from pipeline.errors import BusyError, ConfigError, DataError, EmptyDeliveryError, MissingInputError
from pipeline.sources import unpack, web
from pipeline.sources.files import FileSource
from pipeline.sources.landing import describe, forget, land

TEXT = "CASE,FROM,OFFENSE,LAT,LON\n" + "".join(f"{i},2024-04-01,theft,1,2\n" for i in range(400))
CSV = TEXT.encode()


@dataclass
class Files:
    """A web server of one file. ``ranges``: whether it gives parts; ``says``: its validators."""

    clock: Clock
    body: bytes = CSV
    etag: str = '"v1"'
    modified: str = ""
    has_head: bool = True
    ranges: bool = True
    has_length: bool = True
    knows_if_range: bool = True

    def __call__(self, asked: Asked) -> Reply:
        if asked.path.startswith("/missing"):
            return Reply("gone", 404)
        if asked.method == "HEAD" and not self.has_head:
            return Reply(b"", 405)
        headers = {"ETag": self.etag, "Last-Modified": self.modified}
        wanted, known = asked.headers.get("Range"), asked.headers.get("If-Range")
        is_same = known in (None, self.etag, self.modified) or not self.knows_if_range
        if not (wanted and self.ranges and is_same):
            return Reply(self.body, headers=headers | ({} if self.has_length else CHUNKED))
        start, _, stop = wanted.removeprefix("bytes=").partition("-")
        if int(start) >= len(self.body):
            return Reply(b"", 416, {**headers, "Content-Range": f"bytes */{len(self.body)}"})
        part = self.body[int(start) : int(stop) + 1 if stop else None]
        end = int(start) + len(part) - 1
        span = f"bytes {start}-{end}/{len(self.body)}"
        return Reply(part, 206, {**headers, "Content-Range": span})


CHUNKED = {"Content-Length": ""}


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "CHUNK_BYTES", 500)


@pytest.fixture
def files() -> Files:
    return Files(Clock())


@pytest.fixture
def server(files: Files) -> Iterator[Server]:
    with serving(files, files.clock) as server:
        yield server


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


def zipped(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return packed.getvalue()


def zstd(body: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(body, asbytes=True))


def local(folder: Path, name: str, body: bytes) -> str:
    path = folder / name
    path.write_bytes(body)
    return str(path)


# Describing


def test_size_and_stamp_come_without_the_file(server, ticks):
    assert describe(f"{server.url}/a.csv", ticks.web()) == (len(CSV), '"v1"')
    assert [asked.method for asked in server.asked] == ["HEAD"]


def test_where_head_is_refused_a_byte_is_asked_for(server, files, ticks):
    files.has_head = False
    assert describe(f"{server.url}/a.csv", ticks.web()) == (len(CSV), '"v1"')
    assert server.asked[-1].headers["Range"] == "bytes=0-0"
    files.ranges = False
    assert describe(f"{server.url}/a.csv", ticks.web()) == (len(CSV), '"v1"')


def test_a_change_changes_the_stamp(server, files, ticks):
    files.etag, files.modified = "", "Wed, 01 May 2024 05:00:00 GMT"
    size, stamp = describe(f"{server.url}/a.csv", ticks.web())
    assert size == len(CSV)
    assert describe(f"{server.url}/a.csv", ticks.web()) == (size, stamp)
    files.modified = "Wed, 01 May 2024 05:59:59 GMT"
    _, unsettled = describe(f"{server.url}/a.csv", ticks.web())
    files.clock.wait(minutes=2)
    _, settled = describe(f"{server.url}/a.csv", ticks.web())
    assert len({stamp, unsettled, settled}) == 3


def test_without_validators_the_stamp_is_the_day(server, files, ticks):
    files.etag = ""
    _, stamp = describe(f"{server.url}/a.csv", ticks.web())
    files.clock.wait(hours=3)
    assert describe(f"{server.url}/a.csv", ticks.web())[1] == stamp
    files.clock.wait(hours=24)
    assert describe(f"{server.url}/a.csv", ticks.web())[1] != stamp


def test_a_size_that_the_server_does_not_say_is_0(server, files, ticks):
    files.has_length = files.ranges = False
    assert describe(f"{server.url}/a.csv", ticks.web())[0] == 0


def test_nothing_there(server, ticks, landing):
    with pytest.raises(MissingInputError, match="there is nothing"):
        describe(f"{server.url}/missing.csv", ticks.web())
    with pytest.raises(MissingInputError, match="there is nothing"):
        land(f"{server.url}/missing.csv", 1, landing, ticks.web())


def test_a_secret_in_the_address_is_refused(server, ticks):
    with pytest.raises(ConfigError, match="take it out"):
        describe(f"{server.url}/a.csv?token=x", ticks.web())
    assert not server.asked


# Bringing


def test_a_file_is_brought_once_a_version(server, ticks, landing):
    address = f"{server.url}/a.csv"
    (path,) = land(address, 1, landing, ticks.web())
    assert path.read_bytes() == CSV
    assert path.suffix == ".csv"
    assert land(address, 1, landing, ticks.web()) == [path]
    assert len(server.asked) == 1
    (other,) = land(address, 2, landing, ticks.web())
    assert other.exists()
    assert not path.exists()
    assert len(server.asked) == 2


def test_what_is_landed_can_be_forgotten(server, ticks, landing):
    one, two = f"{server.url}/a.csv", f"{server.url}/b.csv"
    land(one, 1, landing, ticks.web())
    (kept,) = land(two, 1, landing, ticks.web())
    forget([one], landing)
    assert [path for path in landing.rglob("*") if path.is_file()] == [kept]
    forget([one, "never.csv"], landing)


def test_a_download_that_is_cut_off_is_gone_on_with(server, files, ticks, landing):
    server.faults[0] = Reply(CSV, headers={"ETag": '"v1"'}, cut=1000)
    (path,) = land(f"{server.url}/a.csv", 1, landing, ticks.web())
    assert path.read_bytes() == CSV
    assert server.asked[1].headers["Range"] == "bytes=1000-"
    assert server.asked[1].headers["If-Range"] == '"v1"'
    assert len(server.asked) == 2


def test_a_download_that_was_killed_is_gone_on_with(server, ticks, landing):
    server.faults |= {n: Reply(b"", 503) for n in range(1, 9)}
    server.faults[0] = Reply(CSV, headers={"ETag": '"v1"'}, cut=2000)
    with pytest.raises(BusyError):
        land(f"{server.url}/a.csv", 1, landing, ticks.web())
    assert not [path for path in landing.iterdir() if path.suffix != ".part"]
    server.faults.clear()
    (path,) = land(f"{server.url}/a.csv", 1, landing, ticks.web())
    assert path.read_bytes() == CSV
    assert server.asked[-1].headers["Range"] == "bytes=2000-"


@pytest.mark.parametrize("knows_if_range", [True, False])
def test_a_file_that_changes_meanwhile_is_not_pieced_together(
    server, files, ticks, landing, knows_if_range
):
    files.knows_if_range = knows_if_range
    server.faults[0] = Reply(CSV, headers={"ETag": '"v1"'}, cut=1000)
    files.etag, files.body = '"v2"', CSV.replace(b"theft", b"fraud")
    (path,) = land(f"{server.url}/a.csv", 1, landing, ticks.web())
    assert path.read_bytes() == files.body


def test_a_file_that_shrank_meanwhile_is_brought_anew(server, files, ticks, landing):
    files.knows_if_range = False
    server.faults[0] = Reply(CSV, headers={"ETag": '"v1"'}, cut=1000)
    files.body = CSV[:500]
    (path,) = land(f"{server.url}/a.csv", 1, landing, ticks.web())
    assert path.read_bytes() == CSV[:500]


def test_a_server_without_parts_or_validators_begins_anew(server, files, ticks, landing):
    files.ranges, files.etag = False, ""
    server.faults[0] = Reply(CSV, cut=1000)
    (path,) = land(f"{server.url}/a.csv", 1, landing, ticks.web())
    assert path.read_bytes() == CSV
    assert "Range" not in server.asked[1].headers


def test_a_download_that_stays_cut_off_is_put_off(server, ticks, landing):
    server.faults |= {n: Reply(CSV, cut=10) for n in range(9)}
    with pytest.raises(BusyError, match="cut off, 6 times running"):
        land(f"{server.url}/a.csv", 1, landing, ticks.web())


def test_killed_while_unpacking_it_is_not_fetched_again(server, files, ticks, landing, monkeypatch):
    files.body = gzip.compress(CSV)

    def die(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(unpack, "_named", die)
        with pytest.raises(KeyboardInterrupt):
            land(f"{server.url}/a.csv.gz", 1, landing, ticks.web())
    (path,) = land(f"{server.url}/a.csv.gz", 1, landing, ticks.web())
    assert path.read_bytes() == CSV
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"\n<!DOCTYPE html><html>Down for maintenance</html>", "is a web page, not data"),
        (b'{"error": "quota"}', "is JSON"),
        (b"%PDF-1.7 ...", "neither CSV"),
        ("CASE\n1\n".encode("utf-16"), "neither CSV"),
        (b"PK\x03\x04 torn", "cannot be unpacked"),
        (gzip.compress(CSV)[:100], "cannot be unpacked"),
        (gzip.compress(b"<html>Down</html>"), "is a web page"),
        (zipped({"notes.docx": b"x"}), "holds no .csv, .tsv, .txt, .parquet file"),
    ],
)
def test_what_is_no_data_is_an_error_and_not_kept(server, files, ticks, landing, body, text):
    files.body = body
    address = f"{server.url}/a.csv"
    with pytest.raises(DataError, match=text) as fault:
        land(address, 1, landing, ticks.web())
    assert str(fault.value).startswith(address)
    files.body = CSV
    (path,) = land(address, 1, landing, ticks.web())
    assert path.read_bytes() == CSV


# Unpacking


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


# Through the source


def config_of(tmp_path: Path, path: str):
    columns = {"occurred_until": None, "reported_at": None, "district": None}
    return make_config(tmp_path, columns=columns, source={"path": path})


def rows_of(source: FileSource, landing: Path) -> pd.DataFrame:
    parts = source.fetch(source.deliveries(), landing)
    return pd.concat([part.read(source.source.columns.names) for part in parts])


def test_a_file_source_reads_what_is_landed(server, files, tmp_path, landing):
    files.body = zipped({"a/one.csv": CSV, "b/two.csv": CSV})
    source = FileSource(config_of(tmp_path, f"{server.url}/all.zip").source)
    rows = rows_of(source, landing)
    assert len(rows) == 800
    assert set(rows["_delivery"]) == {f"{server.url}/all.zip"}
    source.release(source.deliveries(), landing)
    assert not list(landing.iterdir())


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    client = boto3.client("s3")
    client.create_bucket(Bucket="city")
    yield client
    client.close()
    server.stop()


def test_a_bucket_is_read_like_any_other_place(bucket, tmp_path, landing):
    bucket.put_object(Bucket="city", Key="in/2024-04.csv.gz", Body=gzip.compress(CSV))
    bucket.put_object(Bucket="city", Key="in/2024-05.csv", Body=CSV)
    source = FileSource(config_of(tmp_path, "s3://city/in/*").source)
    assert len(rows_of(source, landing)) == 800
    first = source.deliveries()
    assert [d.address for d in first] == ["s3://city/in/2024-04.csv.gz", "s3://city/in/2024-05.csv"]
    with pytest.raises(MissingInputError, match="no file at"):
        land("s3://city/in/none.csv", 1, landing)


def test_two_days_of_a_file_without_validators(server, files, tmp_path, landing):
    files.etag = ""
    source = FileSource(config_of(tmp_path, f"{server.url}/a.csv").source)
    (first,) = source.deliveries()
    files.clock.now += timedelta(days=1)
    (second,) = source.deliveries()
    assert first.version != second.version


@pytest.mark.parametrize("body", [CSV, b""])
def test_a_file_of_unknown_size_is_read(server, files, tmp_path, landing, body):
    files.has_length = files.ranges = False
    files.body = body
    source = FileSource(config_of(tmp_path, f"{server.url}/export?format=csv").source)
    assert source.deliveries()[0].size == 0
    if body:
        assert len(rows_of(source, landing)) == 400
    else:
        with pytest.raises(EmptyDeliveryError):
            rows_of(source, landing)
