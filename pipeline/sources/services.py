"""Incidents from services that answer queries: Socrata, ArcGIS and CKAN, and files beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from pipeline.errors import BusyError, ConfigError, DataError, EmptyDeliveryError
from pipeline.privacy import is_person_column
from pipeline.sources.arcgis import ArcGis
from pipeline.sources.ckan import Ckan
from pipeline.sources.config import Source
from pipeline.sources.crawl import crawl, release
from pipeline.sources.crawl_state import Asked
from pipeline.sources.files import FileSource, find_columns, plan_file
from pipeline.sources.formats import format_of
from pipeline.sources.landing import name_of
from pipeline.sources.pages import Look, RestartError, Service, Want
from pipeline.sources.socrata import Socrata
from pipeline.sources.source import Delivery, Part
from pipeline.sources.tokens import require_no_secret
from pipeline.sources.web import Web

_KINDS: dict[str, type[Socrata | ArcGis | Ckan]] = {
    "socrata": Socrata,
    "arcgis": ArcGis,
    "ckan": Ckan,
}
_SAMPLE_PAGES = 20


@dataclass(frozen=True)
class ServiceSource:
    """Several services and files, each a delivery of its own. ``web``: a client for each fetch."""

    source: Source
    web: Callable[[], Web] = field(default=Web)

    def deliveries(self) -> list[Delivery]:
        """In the order of source.path; asks each service for its description."""
        web = self.web()
        found: list[Delivery] = []
        for address in self.source.path:
            if self._is_service(address):
                require_no_secret(address)
                look = self._service(address, web).look()
                found.append(Delivery(address, 0, self._version(look)))
            else:
                found += self._files(address).deliveries()
        return found

    def check(self, deliveries: Sequence[Delivery]) -> None:
        """Looks at the columns that services and files have. Raises ConfigError or DataError."""
        web = self.web()
        for delivery in deliveries:
            if self._is_service(delivery.address):
                self._columns(delivery.address, self._service(delivery.address, web).look())
            else:
                self._files(delivery.address).check([delivery])

    def fetch(self, deliveries: Sequence[Delivery], landing: Path) -> list[Part]:
        """Parts of what is new, see IncidentSource. Nothing new is an error, as in a file."""
        web = self.web()
        parts = [part for delivery in deliveries for part in self._parts(delivery, landing, web)]
        if not parts:
            names = ", ".join(delivery.address for delivery in deliveries[:3])
            raise EmptyDeliveryError(
                f"{names}: changed, but holds no row that is new: run again when it does"
            )
        return parts

    def release(self, deliveries: Sequence[Delivery], landing: Path) -> None:
        """Moves the watermarks of the services on and forgets what was landed."""
        for delivery in deliveries:
            if self._is_service(delivery.address):
                kind = _KINDS[format_of(self.source, delivery.address)]
                release(landing / name_of(delivery.address), kind.overlap)
            else:
                self._files(delivery.address).release([delivery], landing)

    def _parts(self, delivery: Delivery, landing: Path, web: Web) -> list[Part]:
        address = delivery.address
        if not self._is_service(address):
            with suppress(EmptyDeliveryError):  # there may be rows elsewhere
                return self._files(address).fetch([delivery], landing)
            return []
        asked = Asked(delivery.version, self._reading, self.source.delivers == "snapshot")
        paths = crawl(
            self._service(address, web),
            landing / name_of(address),
            asked,
            lambda look: self._columns(address, look),
        )
        return [part for path in paths for part in plan_file(self.source, address, str(path))]

    def _columns(self, address: str, look: Look) -> list[str]:
        """The service's names of the mapped columns that it has."""
        try:
            found = list(find_columns(self.source, address, look.names))
        except DataError as fault:
            raise ConfigError(str(fault)) from None
        return list(dict.fromkeys(name for name in found if name is not None))

    def _is_service(self, address: str) -> bool:
        return format_of(self.source, address) in _KINDS

    def _service(self, address: str, web: Web) -> Service:
        return _KINDS[format_of(self.source, address)](address, web)

    def _files(self, address: str) -> FileSource:
        return FileSource(self.source.model_copy(update={"path": (address,)}))

    @property
    def _reading(self) -> str:
        """Names what is asked for and how it is read: a service read another way is read anew."""
        text = json.dumps([self.source.columns.names, self.source.reading])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def _version(self, look: Look) -> int:
        text = f"{look.stamp}|{look.is_settled}|{self._reading}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


@dataclass(frozen=True)
class Sample:
    """``rows``: from a service's beginning, every column as text; ``total``: how many it has.

    ``persons``: columns about persons, by their names, which are not asked for.
    """

    rows: pd.DataFrame
    total: int
    persons: tuple[str, ...]


def sample_rows(address: str, most: int, web: Web | None = None) -> Sample:
    """About ``most`` rows. Raises BusyError, DataError, MissingInputError, ConfigError."""
    require_no_secret(address)
    kind = format_of(Source.model_construct(format=None), address)
    service = _KINDS[kind](address, web or Web())
    look = service.look()
    persons = tuple(name for name in look.names if is_person_column(name))
    want = Want(look, [name for name in look.names if name not in persons])
    rows: list[Sequence[str]] = []
    for _ in range(_SAMPLE_PAGES):
        try:
            page = service.page(want)
        except RestartError as fault:
            raise BusyError(f"{address}: {fault}: try again later") from None
        rows += page.rows
        if page.cursor is None or len(rows) >= most:
            break
        want = replace(want, cursor=page.cursor)
    frame = pd.DataFrame(rows, columns=list(want.columns), dtype="str")
    return Sample(frame, service.count(), persons)
