"""The source that a configuration describes."""

from __future__ import annotations

from pipeline.sources.config import Source
from pipeline.sources.files import FileSource
from pipeline.sources.formats import format_of
from pipeline.sources.source import IncidentSource


def make_source(source: Source) -> IncidentSource:
    """The source that a configuration describes."""
    kinds = {format_of(source, address) for address in source.path}
    services = kinds - {"csv", "parquet"}
    if not services:
        return FileSource(source)
    from pipeline.sources.services import ServiceSource  # needs an HTTP client, which files do not

    return ServiceSource(source)
