"""A file on a web server of its own, which gives it whole or in parts, or not at all."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from webserver import Asked, Clock, Reply, Server, serving

from pipeline.sources import web

TEXT = "CASE,FROM,OFFENSE,LAT,LON\n" + "".join(f"{i},2024-04-01,theft,1,2\n" for i in range(400))
CSV = TEXT.encode()
CHUNKED = {"Content-Length": ""}


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


@pytest.fixture(name="files")
def the_files() -> Files:
    return Files(Clock())


@pytest.fixture(name="server")
def the_server(files: Files, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Which is read in small pieces."""
    monkeypatch.setattr(web, "CHUNK_BYTES", 500)
    with serving(files, files.clock) as server:
        yield server


@pytest.fixture(name="landing")
def the_landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


def zipped(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return packed.getvalue()
