"""Secrets in addresses: refused in configurations, hidden in whatever is logged, kept or said.

An address stands in logs, in manifests and in every row that came from it, so that none may hold a
secret, wherever it came from. What is hidden here all the same is what others put into texts: the
signed address of a redirect, the address in an exception of a library.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from urllib.parse import unquote_plus, urlsplit

HIDDEN = "***"
# In names of parameters, compared by their letters and digits alone ("$$app_token" is apptoken).
_TELLING = re.compile(
    r"token|secret|passw|pwd|signature|credential|rlkey|(api|access|subscription)key"
)
# Secrets in an address, "code" those of Azure's functions; anywhere else just words.
_SHORT = ("key", "sig", "auth", "pass", "jwt", "code")
_USERINFO = re.compile(r"(?<=://)[^/\s\"'<>]*@")
_PARAMETER = re.compile(
    r"(?P<start>[?&;#]?)(?P<name>[\w$%.\-]{1,80})=(?P<value>[^&;\s\"'<>#]+)", re.ASCII
)
_HEADER = re.compile(
    r"(?i)\b(?P<name>(?:proxy-)?authorization|x-app-token|x-api-key|x-amz-security-token)"
    r"(?P<middle>[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic|token)\s+)?)[^\s\"',;]+"
)


def redact(text: str) -> str:
    """``text`` with user names and passwords in addresses, tokens, keys and signatures hidden."""
    text = _USERINFO.sub(f"{HIDDEN}@", text)
    text = _PARAMETER.sub(_hide, text)
    return _HEADER.sub(rf"\g<name>\g<middle>{HIDDEN}", text)


def require_no_secret(address: str) -> None:
    """Raise ValueError where an address holds a password, token, key or signature.

    A user name alone is none, except over HTTP, where a token may stand in its place.
    """
    userinfo = _USERINFO.search(address)
    is_web = address.startswith(("http://", "https://"))
    held = [is_web or ":" in userinfo[0]] if userinfo else []
    held += [_is_secret(match) for match in _PARAMETER.finditer(address) if match["start"]]
    if any(held):
        raise ValueError(
            f"{redact(address)}: an address stands in logs and records and may hold no secret: "
            "take it out; SOCRATA_APP_TOKEN, ARCGIS_TOKEN or CKAN_API_KEY of the environment can "
            "hold a token (docs/sources.md), ~/.netrc a name and password"
        )


def is_private(address: str) -> bool:
    """Whether what is sent there stays unseen on the way: over HTTPS, or within this machine."""
    parts = urlsplit(address)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(str(parts.hostname)).is_loopback
    except ValueError:
        return False


class Redacting(logging.Filter):
    """Hides secrets in every record that a handler sees, its exception included."""

    def filter(self, record: logging.LogRecord) -> bool:
        """True; the record's text is final then."""
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info:
            text = record.exc_text or logging.Formatter().formatException(record.exc_info)
            record.exc_text, record.exc_info = redact(text), None
        return True


def _hide(match: re.Match[str]) -> str:
    value = HIDDEN if _is_secret(match) else match["value"]
    return f"{match['start']}{match['name']}={value}"


def _is_secret(match: re.Match[str]) -> bool:
    """Whether the parameter's name says so; outside of an address short names are just words."""
    name = re.sub(r"[^a-z0-9]", "", unquote_plus(match["name"]).casefold())
    return bool(_TELLING.search(name)) or (bool(match["start"]) and name in _SHORT)
