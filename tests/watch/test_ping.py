"""Who waits for a night is told over HTTP; whatever fails is one warning that keeps the address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from configurations import parse, refusal
from pydantic import SecretStr

from pipeline.log import LOGGER
from pipeline.watch.config import WatchConfig
from pipeline.watch.ping import TRIES, ping

SECRET = "0000-1111"


@dataclass
class Listener:
    """``address`` to be told; ``heard``: paths and bodies; ``answers``: codes, 200 after them."""

    address: str = ""
    heard: list[tuple[str, str]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            found.heard.append((self.path, body))
            self.send_response(found.answers.pop(0) if found.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        found.address = f"http://127.0.0.1:{server.server_port}/{SECRET}"
        yield found
        server.shutdown()
        thread.join()


@pytest.fixture
def logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.LogCaptureFixture]:
    """What is logged, in which the address never stands."""
    monkeypatch.setattr(LOGGER, "propagate", True)
    yield caplog
    assert SECRET not in caplog.text


def watch(address: str) -> WatchConfig:
    return WatchConfig(ping=SecretStr(address))


def test_it_is_told_what_happens(listener: Listener, logged: pytest.LogCaptureFixture) -> None:
    for address in (listener.address, f"{listener.address}/?tag=a"):
        for word, body in (("start", ""), ("66", "why"), ("", "done")):
            ping(watch(address), word, body)
    paths = [f"/{SECRET}/start", f"/{SECRET}/66", f"/{SECRET}"]
    paths += [f"{path}?tag=a" for path in paths]
    assert listener.heard == list(zip(paths, ["", "why", "done"] * 2, strict=True))
    ping(WatchConfig(), "start")
    assert len(listener.heard) == 6


def test_it_is_tried_twice(listener: Listener, logged: pytest.LogCaptureFixture) -> None:
    listener.answers = [500]
    ping(watch(listener.address), "start")
    assert len(listener.heard) == TRIES
    assert not logged.messages


def test_a_refusal_is_one_warning(listener: Listener, logged: pytest.LogCaptureFixture) -> None:
    listener.answers = [404] * TRIES
    ping(watch(listener.address), "start")
    assert logged.messages == ["watch.ping: nobody could be told of the night: HTTP 404"]


def test_nobody_there_is_one_warning_without_the_address(
    logged: pytest.LogCaptureFixture,
) -> None:
    ping(watch(f"http://127.0.0.1:9/{SECRET}"), "start")
    assert logged.messages == ["watch.ping: nobody could be told of the night: ConnectionError"]


def test_a_variable_may_hold_the_address(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, logged: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NIGHT_PING", listener.address)
    ping(watch("${NIGHT_PING}"), "start")
    assert listener.heard == [(f"/{SECRET}/start", "")]
    monkeypatch.setenv("NIGHT_PING", f"http://far.example/{SECRET}")
    ping(watch("${NIGHT_PING}"), "start")
    monkeypatch.delenv("NIGHT_PING")
    ping(watch("${NIGHT_PING}"), "start")
    assert logged.messages == [
        "watch.ping: NIGHT_PING holds no https:// address: nobody is told of the night",
        "watch.ping: NIGHT_PING is not set: nobody is told of the night",
    ]


@pytest.mark.parametrize("value", [f"http://far.example/{SECRET}", f"ftp://a/{SECRET}", SECRET])
def test_an_address_that_others_could_read_is_refused_unsaid(value: str) -> None:
    for changes in ({"watch.ping": value}, {"watch": value}):
        message = refusal(changes)
        assert message.startswith("/city/here.yaml: watch")
        assert SECRET not in message


def test_who_watches_decides_no_forecast() -> None:
    quiet, watched = parse(), parse({"watch.ping": f"https://far.example/{SECRET}"})
    for name in ("fingerprint", "model_fingerprint", "store_fingerprint"):
        assert getattr(quiet, name) == getattr(watched, name)
    assert SECRET not in repr(watched)
    assert SECRET not in watched.model_dump_json()
