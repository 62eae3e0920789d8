"""Files from elsewhere are described without being brought, and brought whole or not at all."""

from __future__ import annotations

import gzip

import pytest
from webfile import (
    CSV,
    the_files,  # noqa: F401 -- a fixture
    the_landing,  # noqa: F401 -- a fixture
    the_server,  # noqa: F401 -- a fixture
    zipped,
)
from webserver import (
    Reply,
    the_ticks,  # noqa: F401 -- a fixture
)

from pipeline.errors import BusyError, ConfigError, DataError, MissingInputError
from pipeline.sources import unpack
from pipeline.sources.landing import describe, forget, land

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


def test_what_is_landed_is_on_the_disk_before_it_has_its_name(server, ticks, landing, monkeypatch):
    synced = []
    monkeypatch.setattr(
        "pipeline.sources.landing.sync", lambda path: synced.append((path.name, path.exists()))
    )
    (path,) = land(f"{server.url}/a.csv", 1, landing, ticks.web())
    names = [name for name, _ in synced]
    assert names.index("body") < names.index(path.name) < names.index("files")
    assert all(was_there for _, was_there in synced)


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
        (b"\n<!DOCTYPE html><html>Down for maintenance</html>", "is a web page or XML"),
        (b'{"error": "quota"}', "is JSON"),
        (b"%PDF-1.7 ...", "is a PDF document"),
        ("CASE\n1\n".encode("utf-16"), "is text in UTF-16"),
        ("CASE\n1\n".encode("utf-16-le"), "neither text nor Parquet"),
        (b"PK\x03\x04 torn", "cannot be unpacked"),
        (gzip.compress(CSV, mtime=0)[:100], "cannot be unpacked"),
        (gzip.compress(b"<html>Down</html>", mtime=0), "is a web page"),
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
