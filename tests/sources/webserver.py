"""A web server on this machine that notes what it was asked and can be told to misbehave."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from pipeline.sources.web import Web

START = datetime(2024, 5, 1, 6, tzinfo=UTC)


@dataclass
class Clock:
    """What the portal's clock shows; nothing but a test moves it."""

    now: datetime = START

    def wait(self, **time: float) -> None:
        self.now += timedelta(**time)


@dataclass(frozen=True)
class Asked:
    """A request as it came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """``cut``: the connection is closed after so many bytes of the body."""

    body: bytes | str | list[Any] | dict[str, Any] = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None

    @property
    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass
class Server:
    """``answer`` replies to requests; ``faults`` replace the replies to requests by number."""

    answer: Callable[[Asked], Reply]
    clock: Clock = field(default_factory=Clock)
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    faults: dict[int, Reply] = field(default_factory=dict)
    before: Callable[[int], None] = lambda number: None

    def reply(self, asked: Asked) -> Reply:
        number = len(self.asked)
        self.asked.append(asked)
        self.before(number)
        return self.faults[number] if number in self.faults else self.answer(asked)


@contextmanager
def serving(answer: Callable[[Asked], Reply], clock: Clock | None = None) -> Iterator[Server]:
    """A server at an address of its own, closed after."""
    server = Server(answer, clock or Clock())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or every answer takes 40 ms

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            self._send(server.reply(Asked(self.command, parts.path, query, dict(self.headers))))

        do_HEAD = do_GET  # noqa: N815 -- the names are the library's

        def _send(self, reply: Reply) -> None:
            body = reply.content
            headers = {"Date": format_datetime(server.clock.now, usegmt=True)}
            headers |= {"Content-Length": str(len(body)), **reply.headers}
            self.send_response_only(reply.status)
            for name, value in headers.items():
                if value:
                    self.send_header(name, value)
            with suppress(ConnectionError):
                self.end_headers()
            if self.command != "HEAD":
                with suppress(ConnectionError):  # the other side no longer waits
                    self.wfile.write(body[: reply.cut])
            self.close_connection = reply.cut is not None or "Content-Length" in reply.headers

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        server.url = f"http://127.0.0.1:{http.server_port}"
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


@dataclass
class Ticks:
    """A clock of ours that only sleeping moves on; ``slept``: for how long each time."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def web(self) -> Web:
        return Web(sleep=self.sleep, clock=lambda: self.now)


@pytest.fixture(name="ticks")
def the_ticks() -> Ticks:
    return Ticks()
