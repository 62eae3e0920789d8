"""Tokens of services: from the environment, into headers, and nowhere else."""

from __future__ import annotations

import ipaddress
import os
from importlib.metadata import version
from urllib.parse import urlsplit

import requests

from pipeline import redact
from pipeline.errors import ConfigError

TOKENS = {  # of a kind of service: the header, its value, the variable that holds the token
    "socrata": ("X-App-Token", "{}", "SOCRATA_APP_TOKEN"),
    "arcgis": ("X-Esri-Authorization", "Bearer {}", "ARCGIS_TOKEN"),
    "ckan": ("Authorization", "{}", "CKAN_API_KEY"),
}


def token(kind: str, address: str) -> dict[str, str]:
    """The header that holds the token of a kind of service, where the environment has one.

    It is sent over HTTPS, or within this machine.
    """
    header, form, variable = TOKENS[kind]
    value = os.environ.get(variable, "").strip()
    return {header: form.format(value)} if value and _is_private(address) else {}


def _is_private(address: str) -> bool:
    parts = urlsplit(address)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(str(parts.hostname)).is_loopback
    except ValueError:
        return False


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
