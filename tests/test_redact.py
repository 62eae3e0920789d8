"""Secrets in addresses: hidden in every text, and refused in a configuration."""

from __future__ import annotations

import io
import json
import logging

import pytest

from pipeline.log import LOGGER, JsonLines
from pipeline.redact import Redacting, redact, require_no_secret

SECRET = "s3cr3t-Valu3"
HELD = [
    f"https://user:{SECRET}@city.example/feed.csv",
    f"https://{SECRET}@city.example/feed.csv",
    f"https://us:er:{SECRET}%40x@city.example/feed.csv",
    f"https://user:p@{SECRET}@city.example/feed.csv",
    f"https://user:p?{SECRET}@city.example/feed.csv",
    f"ftp://user:{SECRET}@city.example/feed.csv",
    f"https://city.example/resource/abcd-1234?$$app_token={SECRET}",
    f"https://city.example/resource/abcd-1234?%24%24app_token={SECRET}&$limit=5",
    f"https://city.example/feed.csv?year=2024&access_key={SECRET}",
    f"https://city.example/feed.csv?token={SECRET}",
    f"https://city.example/feed.csv?sv=2022&sig={SECRET}%3D&se=2030",
    f"https://city.example/feed.csv?KEY={SECRET}",
    f"https://city.example/scl/fi/feed.csv?rlkey={SECRET}&dl=1",
    f"https://city.example/api/feed?code={SECRET}",
    f"https://city.example/feed.csv#access_token={SECRET}",
    f"https://city.example/feed.csv#part&sig={SECRET}",
    f"https://b.s3.amazonaws.com/f.csv?X-Amz-Credential={SECRET}&X-Amz-Signature={SECRET}",
    f"https://city.example/f.csv?client_secret={SECRET}&password={SECRET}&api-key={SECRET}",
]
HARMLESS = [
    "https://city.example/api/3/action/datastore_search?resource_id=12ab-34cd",
    "https://city.example/sql?q=SELECT token FROM signs WHERE key=5&format=csv",
    "https://city.example/FeatureServer/0",
    "https://city.example/archive.zip#*-street.csv",
    "s3://bucket/feeds/incidents-2024@noon.csv",
    "sftp://reader@city.example/feed.csv",
    "C-2024=17 monkeys=3 keyboard=yes",
]


@pytest.mark.parametrize("address", HELD)
def test_a_secret_is_hidden_wherever_it_stands(address: str) -> None:
    for text in (address, f"no answer from '{address}': try again", json.dumps({"a": [address]})):
        shown = redact(text)
        assert SECRET not in shown
        assert "***" in shown
        assert redact(shown) == shown
    assert ("city.example" in redact(address)) == ("city.example" in address)


@pytest.mark.parametrize("address", HELD)
def test_an_address_with_a_secret_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(ValueError, match="may hold no secret: take it out") as fault:
        require_no_secret(address)
    assert SECRET not in str(fault.value)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("address", HARMLESS)
def test_what_is_no_secret_stays(address: str) -> None:
    require_no_secret(address)
    if "sftp" not in address:  # a user name is hidden, though it may be said
        assert redact(address) == address


def test_a_local_path_is_no_address() -> None:
    path = "/data/token=5/incidents-?.csv"
    require_no_secret(path)
    assert redact(path) != path, "a text is hidden on suspicion, a path is not refused on it"


def test_what_stands_beside_a_secret_stays() -> None:
    text = redact(f"https://user:{SECRET}@city.example/a.csv?year=2024&token={SECRET}#part and on")
    assert text == "https://***@city.example/a.csv?year=2024&token=***#part and on"


@pytest.mark.parametrize(
    "text",
    [
        f"{{'X-App-Token': '{SECRET}', 'Accept': 'text/csv'}}",
        f"Authorization: Bearer {SECRET}",
        f'"authorization": "Basic {SECRET}"',
        f"access_token={SECRET} was refused",
    ],
)
def test_headers_and_bare_values_are_hidden_too(text: str) -> None:
    assert SECRET not in redact(text)


@pytest.mark.parametrize("form", [logging.Formatter("%(message)s"), JsonLines()])
def test_nothing_that_is_logged_holds_a_secret(form: logging.Formatter) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(form)
    handler.addFilter(Redacting())
    logger = LOGGER.getChild("test")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        logger.warning("fetched %s in %d s", f"https://a.example/x?token={SECRET}", 3)
        logger.warning("100% of it")
        try:
            raise OSError(f"no answer from https://user:{SECRET}@a.example/x")
        except OSError:
            logger.exception("lost https://a.example/x?sig=%s", SECRET)
    finally:
        logger.removeHandler(handler)
    text = stream.getvalue()
    assert SECRET not in text
    assert "fetched https://a.example/x?token=*** in 3 s" in text
    assert "100% of it" in text
    assert "OSError: no answer from https://***@a.example/x" in text
