"""How what lies behind an address is to be read."""

from __future__ import annotations

import re

from pipeline.errors import ConfigError
from pipeline.redact import redact
from pipeline.sources.config import Format, Source

PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst")
_SERVICES = {
    "socrata": r"/resource/\w{4}-\w{4}(\.\w+)?$",
    "arcgis": r"/(Feature|Map)Server/\d+/?$",
    "ckan": r"/api/3/action/datastore_search\?",
}
_HOST, _ID = r"(?P<host>https?://[^/?#]+)", r"(?P<id>(?=[\d-]*[a-z])[a-z0-9]{4}-[a-z0-9]{4})"
_ANSWER = "{host}/resource/{id}"
_RESOURCE = "{host}{base}/api/3/action/datastore_search?resource_id={id}"
_BROWSED = (  # what stands in a browser while one looks at a data set, and what is meant
    (rf"{_HOST}/resource/{_ID}(\.\w+)?[?#].*", "a query of a Socrata dataset", _ANSWER),
    (
        rf"{_HOST}/(?!api/)([^?#]+/)?{_ID}(/(about_data|about|data|data_preview|explore)\b.*)?"
        r"/?([?#].*)?",
        "the page of a Socrata dataset",
        _ANSWER,
    ),
    (
        r"(?P<layer>https?://[^?#]+/(Feature|Map)Server/\d+)(/query/?)?/?([?#].*)?",
        "a query of an ArcGIS layer",
        "{layer}",
    ),
    (
        r"(?P<all>https?://[^?#]+/(Feature|Map)Server)/?([?#].*)?",
        "an ArcGIS service of several layers",
        "{all}/0, or with the number of another layer",
    ),
    (
        rf"{_HOST}(?P<base>[^?#]*)/dataset/[^/?#]+/resource/(?P<id>[0-9a-f-]{{36}})/?([?#].*)?",
        "the page of a CKAN resource",
        _RESOURCE,
    ),
)


def format_of(source: Source, address: str) -> Format:
    """How an address is to be read: as the configuration says, else as its name tells.

    Raises ConfigError where it is an address to look at, or of a part of what a service has.
    """
    if source.format:
        return source.format
    for name, pattern in _SERVICES.items():
        if "://" in address and re.search(pattern, address):
            return name  # type: ignore[return-value]
    _require_data(address)
    is_text = re.search(r"\.(csv|tsv|txt)\b|format=csv", address.rsplit("/", 1)[-1].lower())
    return "csv" if is_text else "parquet"


def _require_data(address: str) -> None:
    for pattern, what, form in _BROWSED:
        if found := re.fullmatch(pattern, address, re.IGNORECASE):
            meant = form.format(**found.groupdict())
            raise ConfigError(
                f"source.path: {redact(address)} is {what}: write it as {meant}; if a file lies "
                "there that is meant as it is, say source.format"
            )
