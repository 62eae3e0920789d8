"""A night after another against a portal, with what bronze would have taken over from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from portals import ArcGis, Ckan, Socrata, Table
from webserver import Server, Ticks

from pipeline.sources.config import Source
from pipeline.sources.services import ServiceSource
from pipeline.sources.source import DELIVERY, Delivery, Part
from pipeline.sources.web import Web

COLUMNS = {"key": ["case"], "occurred_at": "at", "category": "kind"}
PLACE = {"latitude": "lat", "longitude": "lon"}
NAMES = ("case", "at", "kind", "lat", "lon", "note")


def make_source(path: str | list[str], **changes: Any) -> Source:
    """Five required columns; ``note`` is one that may be missing."""
    columns = {**COLUMNS, **PLACE, "district": "note"}
    values = {"path": path, "columns": columns, "start": "2024-01-01"}
    return Source.model_validate(values | changes)


def make_portal(kind: str, table: Table) -> Any:
    """A portal of a kind over a table of the columns of NAMES."""
    if kind == "socrata":
        return Socrata(table, NAMES)
    if kind == "ckan":
        return Ckan(table, NAMES)
    fields = dict.fromkeys(NAMES, "esriFieldTypeString")
    return ArcGis(table, fields, most=3, tracks_edits=kind == "tracked")


def row(case: object, note: str = "", **values: str) -> dict[str, str]:
    """An incident as a portal holds it."""
    plain = {"at": "2024-04-01T10:00:00.000", "kind": "theft", "lat": "39.74", "lon": "-104.98"}
    return {"case": str(case), **plain, "note": note, **values}


def cases(rows: pd.DataFrame) -> list[str]:
    """The keys of the rows that came, in order."""
    return sorted(rows["case"], key=int)


class Killed(BaseException):
    """The process is no more."""


def killing(server: Server, begin: int, number: int | None) -> Callable[[Web], Web]:
    """What makes a client die once it has made so many requests since ``begin``; None: never."""

    def wrap(web: Web) -> Web:
        request = web.session.request

        def die(*args: Any, **options: Any) -> Any:
            if number is not None and len(server.asked) - begin >= number:
                raise Killed
            return request(*args, **options)

        web.session.request = die
        return web

    return wrap


@dataclass
class Nights:
    """``held``: rows by their key as they were landed last; ``taken``: versions taken over."""

    source: Source
    landing: Path
    ticks: Ticks = field(default_factory=Ticks)
    held: dict[str, dict[str, str]] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    wrap: Callable[[Web], Web] = lambda web: web

    def service(self) -> ServiceSource:
        return ServiceSource(self.source, lambda: self.wrap(self.ticks.web()))

    def new(self) -> list[Delivery]:
        found = self.service().deliveries()
        if self.source.delivers == "snapshot":
            return found if {d.address: d.version for d in found} != self.taken else []
        return [d for d in found if self.taken.get(d.address) != d.version]

    def fetch(self, deliveries: list[Delivery]) -> pd.DataFrame:
        return self.read(self.service().fetch(deliveries, self.landing))

    def read(self, parts: list[Part]) -> pd.DataFrame:
        names = self.source.columns.names
        return pd.concat([part.read(names) for part in parts], ignore_index=True)

    def night(self, release: bool = True) -> pd.DataFrame | None:
        """What a night brings; None where nothing is new. Unless released, as if killed then."""
        deliveries = self.new()
        if not deliveries:
            return None
        rows = self.fetch(deliveries)
        # Two forms of a row in one night would contradict each other.
        assert not rows.duplicated(["case", DELIVERY]).any()
        names = list(self.source.columns.names)
        brought = {values["case"]: values for values in rows[names].to_dict("records")}
        self.held = brought if self.source.delivers == "snapshot" else self.held | brought
        self.taken |= {delivery.address: delivery.version for delivery in deliveries}
        if release:
            self.service().release(deliveries, self.landing)
        return rows


@pytest.fixture(name="nights")
def the_nights(server: Server, portal: Any, tmp_path: Path) -> Nights:
    """Nights against the portal of the test file, on its server."""
    return Nights(make_source(f"{server.url}{portal.path}"), tmp_path / "landing")
