"""Tokens of services: from the environment, into headers, and nowhere else.

A key of ArcGIS or CKAN can be that of a person who may write. It goes to the one host that the
environment names beside it, whatever addresses a configuration holds.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.metadata import version
from urllib.parse import urlsplit

import requests

from pipeline import redact
from pipeline.errors import ConfigError
from pipeline.log import LOGGER

TOKENS = {  # of a kind of service: the header, its value, the variable that holds the token
    "socrata": ("X-App-Token", "{}", "SOCRATA_APP_TOKEN"),
    "arcgis": ("X-Esri-Authorization", "Bearer {}", "ARCGIS_TOKEN"),
    "ckan": ("Authorization", "{}", "CKAN_API_KEY"),
}
UNBOUND = ("socrata",)  # its token says which program asks, and opens nothing


def token(kind: str, address: str) -> dict[str, str]:
    """The header that holds the token of a kind of service, where the environment has one.

    It is sent over HTTPS, or within this machine, and to the host that <variable>_HOST names;
    without that, or to others, nothing is sent, which is said once.
    """
    header, form, variable = TOKENS[kind]
    value = os.environ.get(variable, "").strip()
    if not value or not redact.is_private(address):
        return {}
    if kind not in UNBOUND and not _is_for(variable, str(urlsplit(address).hostname)):
        return {}
    return {header: form.format(value)}


def _is_for(variable: str, host: str) -> bool:
    named = os.environ.get(f"{variable}_HOST", "").strip().lower()
    if named != host:
        _say_unsent(variable, host, named)
    return named == host


@cache
def _say_unsent(variable: str, host: str, named: str) -> None:
    why = f"{variable}_HOST is {named}" if named else f"{variable}_HOST is not set"
    LOGGER.warning(
        "%s is not sent to %s: %s; set it to %s if the token is for it", variable, host, why, host
    )


def require_no_secret(address: str) -> None:
    """Raise ConfigError where an address holds a secret: it stands in records for all to see."""
    try:
        redact.require_no_secret(address)
    except ValueError as fault:
        raise ConfigError(f"source.path: {fault}") from None


class _Session(requests.Session):
    """Leaves the tokens behind where a server sends us on to another host."""

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        super().rebuild_auth(prepared_request, response)
        before, after = str(response.request.url), str(prepared_request.url)
        if self.should_strip_auth(before, after):
            for header, _, _ in TOKENS.values():
                prepared_request.headers.pop(header, None)


def make_session() -> requests.Session:
    """Connections that say who asks."""
    session = _Session()
    session.headers["User-Agent"] = f"hexcast/{version('hexcast')}"
    return session
