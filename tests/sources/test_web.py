"""The HTTP client: patient with what passes, brief with what does not, silent about tokens."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime

import pytest
import requests
from webserver import (
    Asked,
    Reply,
    Server,
    Ticks,
    serving,
    the_ticks,  # noqa: F401 -- a fixture
)

from pipeline.errors import BusyError, ConfigError, DataError, MissingInputError
from pipeline.sources import web as web_module
from pipeline.sources.tokens import require_no_secret, token


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(lambda asked: Reply({"fine": 1.50})) as server:
        yield server


def ask(server: Server, ticks: Ticks, **query: str):
    return ticks.web().json("socrata", f"{server.url}/data", query)


def test_numbers_stay_the_text_that_was_sent(server, ticks):
    answer = ask(server, ticks)
    assert answer.body == {"fine": "1.5"}
    assert answer.at == server.clock.now


def test_it_says_who_asks(server, ticks):
    ask(server, ticks, a="b c")
    assert server.asked[0].headers["User-Agent"].startswith("hexcast/")
    assert server.asked[0].query == {"a": "b c"}


@pytest.mark.parametrize("status", [202, 408, 429, 500, 502, 503, 504, 520, 524, 530])
def test_what_passes_is_asked_again(server, ticks, status):
    server.faults[0] = Reply("busy", status)
    assert ask(server, ticks).body == {"fine": "1.5"}
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 405, 422])
def test_what_is_refused_is_not_asked_again(server, ticks, status):
    server.faults[0] = Reply({"message": "Not  like\nthat"}, status)
    with pytest.raises(DataError, match=f"HTTP {status}, Not like that"):
        ask(server, ticks)
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_there_is_missing(server, ticks, status):
    server.faults[0] = Reply("<html>", status)
    with pytest.raises(MissingInputError, match=f"HTTP {status}"):
        ask(server, ticks)


def test_it_gives_up_in_the_end(server, ticks):
    server.faults |= dict.fromkeys(range(20), Reply(b"", 503))
    with pytest.raises(BusyError, match=r"answers 503, 6 times running: try again later") as fault:
        ask(server, ticks)
    assert fault.value.exit_code == 75
    assert len(server.asked) == web_module.ATTEMPTS
    assert 0 < sum(ticks.slept) < 5 * 60


def test_the_pause_that_is_asked_for_is_kept(server, ticks):
    server.faults[0] = Reply(b"", 429, {"Retry-After": "77"})
    ask(server, ticks)
    assert max(ticks.slept) == 77


def test_the_pause_may_be_a_date(server, ticks):
    until = format_datetime(server.clock.now + timedelta(seconds=88), usegmt=True)
    server.faults[0] = Reply(b"", 503, {"Retry-After": until})
    ask(server, ticks)
    assert max(ticks.slept) == 88


@pytest.mark.parametrize("text", ["soon", "-3", "Mon, 01 Jan 2001 00:00:00 GMT"])
def test_a_pause_that_makes_no_sense_is_ours(server, ticks, text):
    server.faults[0] = Reply(b"", 429, {"Retry-After": text})
    ask(server, ticks)
    assert sum(ticks.slept) < 60


def test_no_pause_is_endless(server, ticks):
    server.faults[0] = Reply(b"", 429, {"Retry-After": "86400"})
    ask(server, ticks)
    assert max(ticks.slept) == web_module.LONGEST_WAIT_SECONDS


@pytest.mark.parametrize("cut", [0, 5])
def test_an_answer_that_is_cut_off_is_asked_for_again(server, ticks, cut):
    server.faults[0] = Reply({"a": "long body"}, cut=cut)
    assert ask(server, ticks).body == {"fine": "1.5"}


@pytest.mark.parametrize("body", ['[{"a": 1}, {"b', '{"a": ', ""])
def test_json_that_is_cut_off_is_asked_for_again(server, ticks, body):
    server.faults[0] = Reply(body)
    assert ask(server, ticks).body == {"fine": "1.5"}


def test_damaged_compression_is_asked_for_again(server, ticks):
    server.faults[0] = Reply(b"\x1f\x8bnonsense", headers={"Content-Encoding": "gzip"})
    assert ask(server, ticks).body == {"fine": "1.5"}


def test_a_server_that_hangs_up_is_asked_again(ticks):
    with serving(lambda asked: Reply()) as server:
        pass
    with pytest.raises(BusyError, match="no connection"):
        ask(server, ticks)


@pytest.mark.parametrize(
    ("said", "error", "text"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired", ConfigError, "certificate"),
        ("EOF occurred in violation of protocol", BusyError, "encrypted connection was cut off"),
    ],
)
def test_a_certificate_that_is_no_good_does_not_pass(server, ticks, said, error, text):
    web, tries = ticks.web(), []

    def refuse(*args: object, **options: object) -> None:
        tries.append(args)
        raise requests.exceptions.SSLError(said)

    web.session.request = refuse
    with pytest.raises(error, match=text):
        web.json("ckan", server.url, {})
    assert len(tries) == (1 if error is ConfigError else web_module.ATTEMPTS)


def test_a_server_that_does_not_answer_is_asked_again(server, ticks, monkeypatch):
    monkeypatch.setattr(web_module, "TIMEOUT_SECONDS", (1.0, 0.05))
    answered = threading.Event()
    server.before = lambda number: None if number else answered.wait(9) and None
    assert ask(server, ticks).body == {"fine": "1.5"}
    answered.set()
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("\n<!DOCTYPE html><title>Maintenance</title>", "a web page"),
        ("id,case\n1,2\n", "'id,case"),
    ],
)
def test_what_is_no_json_is_an_error_at_once(server, ticks, body, text):
    server.faults[0] = Reply(body)
    with pytest.raises(DataError, match=f"answers {text}"):
        ask(server, ticks)
    assert len(server.asked) == 1


def test_requests_to_a_host_are_paced(server, ticks):
    web = ticks.web()
    for _ in range(3):
        web.json("ckan", server.url, {})
    assert ticks.slept == [0.5, 0.5]
    ticks.now += 10
    web.json("ckan", server.url, {})
    assert len(ticks.slept) == 2


@pytest.mark.parametrize(
    ("limit", "most", "error", "text"),
    [
        ("MOST_REQUESTS", 1, BusyError, "over 1 requests.*goes on where it stopped"),
        ("MOST_BYTES", 20, BusyError, "over 20 bytes in one fetch.*goes on where it stopped"),
        ("MOST_BYTES", 1, DataError, "over 1 bytes in one answer"),
        ("MOST_SECONDS", 1, BusyError, "goes on where it stopped"),
    ],
)
def test_a_fetch_has_limits(server, ticks, monkeypatch, limit, most, error, text):
    monkeypatch.setattr(web_module, limit, most)
    web = ticks.web()
    with pytest.raises(error, match=text):
        [web.json("ckan", server.url, {}) for _ in range(4)]


def test_a_circle_of_redirects_ends(server, ticks):
    server.answer = lambda asked: Reply(b"", 302, {"Location": "/again"})
    with pytest.raises(DataError, match="leads round in circles"):
        ask(server, ticks)


def test_an_address_that_is_none(ticks):
    with pytest.raises(ConfigError, match="InvalidURL"):
        ticks.web().json("ckan", "https://", {})


def test_a_token_stays_with_the_host_that_it_is_for(server, ticks, monkeypatch):
    monkeypatch.setenv("SOCRATA_APP_TOKEN", "a-secret")
    with serving(lambda asked: Reply({})) as other:
        there = other.url.replace("127.0.0.1", "localhost")
        server.answer = lambda asked: Reply(b"", 302, {"Location": f"{there}/x"})
        ask(server, ticks)
    assert server.asked[0].headers["X-App-Token"] == "a-secret"
    assert "X-App-Token" not in other.asked[0].headers


def test_a_token_is_not_sent_where_others_can_read_it(monkeypatch):
    monkeypatch.setenv("SOCRATA_APP_TOKEN", "a-secret")
    assert token("socrata", "http://data.example.org/resource/abcd-1234") == {}
    assert token("socrata", "http://10.0.0.1/resource/abcd-1234") == {}
    assert token("socrata", "https://data.example.org/") == {"X-App-Token": "a-secret"}
    monkeypatch.setenv("SOCRATA_APP_TOKEN", "  ")
    assert token("socrata", "https://data.example.org/") == {}


def test_a_key_goes_to_the_host_that_is_named_beside_it_alone(monkeypatch, caplog):
    monkeypatch.setenv("CKAN_API_KEY", "a-secret")
    address = "https://data.example.org/api/3/action/datastore_search?resource_id=1"
    assert token("ckan", address) == {}
    assert "CKAN_API_KEY_HOST is not set; set it to data.example.org" in caplog.text
    monkeypatch.setenv("CKAN_API_KEY_HOST", "Data.Example.org")
    assert token("ckan", address) == {"Authorization": "a-secret"}
    caplog.clear()
    for _ in range(2):
        assert token("ckan", "https://elsewhere.example.net/api/3/action/") == {}
    assert len(caplog.records) == 1
    assert "CKAN_API_KEY is not sent to elsewhere.example.net" in caplog.text
    assert "secret" not in caplog.text
    monkeypatch.setenv("ARCGIS_TOKEN", "a-secret")
    assert token("arcgis", "https://data.example.org/FeatureServer/0") == {}


def test_a_token_with_a_line_break_is_not_shown(server, ticks, monkeypatch):
    monkeypatch.setenv("SOCRATA_APP_TOKEN", "a-secret\nand more")
    with pytest.raises(ConfigError, match="line break") as fault:
        ask(server, ticks)
    assert fault.value.__suppress_context__
    assert "a-secret" not in str(fault.value)


def test_tokens_are_in_no_log(server, ticks, monkeypatch, caplog):
    monkeypatch.setenv("SOCRATA_APP_TOKEN", "a-secret")
    caplog.set_level(logging.DEBUG)
    server.faults |= dict.fromkeys(range(20), Reply(b"", 503))
    with pytest.raises(BusyError) as fault:
        ask(server, ticks)
    assert "asked again in" in caplog.text
    assert "secret" not in caplog.text + str(fault.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://me:password@data.example.org/resource/abcd-1234",
        "https://data.example.org/resource/abcd-1234.csv?$$app_token=a-secret",
        "https://gis.example.org/FeatureServer/0?token=a-secret",
        "https://x.s3.amazonaws.com/a.csv?X-Amz-Signature=a-secret",
    ],
)
def test_secrets_in_addresses_are_refused(address):
    with pytest.raises(ConfigError, match="take it out") as fault:
        require_no_secret(address)
    assert "a-secret" not in str(fault.value)
    assert ":password" not in str(fault.value)


def test_what_take_makes_of_an_answer_is_part_of_a_try(server, ticks):
    def take(response: requests.Response) -> int:
        if len(server.asked) < 3:
            raise requests.exceptions.ChunkedEncodingError
        return response.status_code

    assert ticks.web().ask(server.url, take) == 200
    assert [asked.method for asked in server.asked] == ["GET"] * 3
    assert isinstance(server.asked[0], Asked)
