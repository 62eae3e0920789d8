"""How what lies behind an address is to be read."""

from __future__ import annotations

import re

from pipeline.sources.config import Format, Source

_SERVICES = {
    "socrata": r"/resource/\w{4}-\w{4}(\.\w+)?$",
    "arcgis": r"/(Feature|Map)Server/\d+/?$",
    "ckan": r"/api/3/action/datastore_search\?",
}


def format_of(source: Source, address: str) -> Format:
    """How an address is to be read: as the configuration says, else as its name tells."""
    if source.format:
        return source.format
    for name, pattern in _SERVICES.items():
        if "://" in address and re.search(pattern, address):
            return name  # type: ignore[return-value]
    is_text = re.search(r"\.(csv|tsv|txt)\b|format=csv", address.rsplit("/", 1)[-1].lower())
    return "csv" if is_text else "parquet"
