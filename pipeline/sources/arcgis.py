"""ArcGIS feature and map layers: pages by object id, and later only what was edited.

Where a layer tracks edits, later crawls ask for what was edited since. Where it does not, changes
cannot be asked for, and everything is read again whenever the layer says that it was edited (or,
where it does not even say that, once a day). What is deleted is only seen by a snapshot.

Dates come as milliseconds of UTC and are written as ISO 8601 with a ``Z``; some publishers store
the local clock there, for which ``date_formats: ["%Y-%m-%dT%H:%M:%SZ"]`` is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from pipeline.errors import ConfigError, DataError, HexcastError, MissingInputError
from pipeline.sources.answers import Answer, PassingError, shown
from pipeline.sources.pages import Look, Page, RestartError, Want, as_text, when
from pipeline.sources.web import Web

PLACE = ("geometry.x", "geometry.y")  # columns that a layer of points has besides its fields
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE, _OID = "esriFieldTypeDate", "esriFieldTypeOID"


class _QueryRefusedError(ConfigError):
    """The layer does not understand what it was asked."""


@dataclass(frozen=True)
class ArcGis:
    """One layer, by its address ``.../FeatureServer/0`` or ``.../MapServer/0``."""

    address: str
    web: Web
    overlap: ClassVar[timedelta] = timedelta(days=1)  # of edit times that may be of any time zone

    def look(self) -> Look:
        """When it was last edited, its fields, and how it can be asked."""
        body, at = self._ask(self.address.rstrip("/"), {})
        fields = {field["name"]: field["type"] for field in body.get("fields") or ()}
        key = body.get("objectIdField") or next((n for n, k in fields.items() if k == _OID), None)
        if not key:
            raise DataError(f"{shown(self.address)} has no object ids: deliver it as files")
        edited = body.get("editingInfo") or {}
        edited = edited.get("dataLastEditDate") or edited.get("lastEditDate")
        stamp, is_settled = when(edited and _time(edited), at)
        tracked = (body.get("editFieldsInfo") or {}).get("editDateField")
        places = PLACE if body.get("geometryType") == "esriGeometryPoint" else ()
        pages = (body.get("advancedQueryCapabilities") or {}).get("supportsPagination", True)
        about = {
            "key": key,
            "dates": [name for name, kind in fields.items() if kind == _DATE],
            "edited": tracked if tracked in fields else None,
            "most": str(body.get("maxRecordCount") or 1000) if pages else None,
        }
        changes = about["edited"] is not None
        return Look(stamp, is_settled, (*fields, *places), changes, at, about)

    def page(self, want: Want) -> Page:
        """Features after the object id that the cursor is."""
        about, since = want.look.about, want.since
        key, edited = about["key"], about["edited"]
        conditions = [f"{key} > {int(want.cursor)}"] if want.cursor is not None else []
        if since:
            conditions.append(f"{edited} >= TIMESTAMP '{since:%Y-%m-%d %H:%M:%S}'")
        fields = [name for name in want.columns if name not in PLACE]
        query = {
            "where": " AND ".join(conditions) or "1=1",
            "outFields": ",".join(dict.fromkeys([key, *filter(None, [edited]), *fields])),
            "orderByFields": f"{key} ASC",
            "returnGeometry": "true" if set(want.columns) & set(PLACE) else "false",
            "outSR": "4326",
        }
        query |= {"resultRecordCount": about["most"]} if about["most"] else {}
        try:
            body, _ = self._ask(f"{self.address.rstrip('/')}/query", query)
        except _QueryRefusedError:
            if not since:
                raise
            raise RestartError("the layer cannot be asked what was edited", whole=True) from None
        return self._read(want, body)

    def _read(self, want: Want, body: Mapping[str, Any]) -> Page:
        features = body.get("features")
        if not isinstance(features, list):
            raise DataError(f"{shown(self.address)} answers no features: check source.path")
        about, cursor, since = want.look.about, want.cursor, want.since
        key, edited = about["key"], about["edited"]
        if not features and body.get("exceededTransferLimit"):
            raise RestartError("the layer says that there is more, and gives none", whole=not since)
        ids = [int(feature["attributes"][key]) for feature in features]
        if ids != sorted(set(ids)) or (ids and cursor is not None and ids[0] <= int(cursor)):
            raise DataError(f"{shown(self.address)} gives rows in no order: deliver it as files")
        edits = [feature["attributes"].get(edited) for feature in features] if edited else []
        return Page(
            [_row(feature, want.columns, about["dates"]) for feature in features],
            [str(number) for number in ids],
            ids[-1] if ids else None,
            max(filter(None, map(_time, filter(None, edits))), default=None),
        )

    def count(self) -> int:
        """How many features there are."""
        query = {"where": "1=1", "returnCountOnly": "true"}
        return int(self._ask(f"{self.address.rstrip('/')}/query", query)[0].get("count") or 0)

    def _ask(self, address: str, query: dict[str, str]) -> tuple[dict[str, Any], datetime]:
        answer = self.web.json("arcgis", address, {**query, "f": "json"}, self._judge)
        return answer.body, answer.at

    def _judge(self, answer: Answer) -> None:
        """Refusals come with HTTP 200, and their code in the body."""
        body = answer.body
        error = body.get("error") if isinstance(body, dict) else {"message": "no answer of a layer"}
        if not error:
            return
        code, said = int(error.get("code") or 0), str(error.get("message") or "")
        said = " ".join([said, *map(str, error.get("details") or ())]).strip()
        if code == 429 or code >= 500:
            raise PassingError(f"the layer answers {code} ({said})")
        remedies: dict[int, tuple[type[HexcastError], str]] = {
            400: (_QueryRefusedError, "check source.path and source.columns"),
            404: (MissingInputError, "check source.path"),
            498: (DataError, "the token in ARCGIS_TOKEN is no longer valid: set a new one"),
            499: (DataError, "it needs a token: set ARCGIS_TOKEN and ARCGIS_TOKEN_HOST"),
        }
        kind, remedy = remedies.get(code, (DataError, "check source.path and ARCGIS_TOKEN"))
        raise kind(f"{shown(self.address)} is refused ({code} {said}): {remedy}")


def _row(feature: Mapping[str, Any], columns: Sequence[str], dates: Sequence[str]) -> list[str]:
    attributes, place = feature["attributes"], feature.get("geometry") or {}
    row = []
    for name in columns:
        value = place.get(name[-1]) if name in PLACE else attributes.get(name)
        if name in dates and value is not None and (time := _time(value)):
            value = time.isoformat().replace("+00:00", "Z")
        text = as_text(value)
        row.append("" if text == "NaN" else text)  # of a point that is empty
    return row


def _time(milliseconds: str) -> datetime | None:
    """The instant; None where there is none, as in the year 20204."""
    try:
        return _EPOCH + timedelta(milliseconds=float(milliseconds))
    except (OverflowError, ValueError):
        return None
