"""Open-data portals on this machine: each speaks its protocol over a table of rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from webserver import START, Asked, Clock, Reply

Row = dict[str, Any]


@dataclass
class Table:
    """Rows by an identifier that the portal gives out, with the time of their last change."""

    clock: Clock
    rows: dict[int, Row] = field(default_factory=dict)
    changed: dict[int, datetime] = field(default_factory=dict)
    at: datetime = START - timedelta(days=30)
    last: int = 0

    def insert(self, row: Row) -> int:
        self.last += 1
        self.update(self.last, row)
        return self.last

    def update(self, key: int, row: Row) -> None:
        self.rows[key], self.changed[key] = dict(row), self.clock.now
        self.at = self.clock.now

    def delete(self, key: int) -> None:
        del self.rows[key], self.changed[key]
        self.at = self.clock.now

    def sorted(self) -> list[tuple[int, Row]]:
        return sorted(self.rows.items())


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)


@dataclass
class Socrata:
    """SODA 2.1 as portals speak it: text everywhere, blank fields left out."""

    table: Table
    columns: tuple[str, ...]
    most: int = 10**9
    path: str = "/resource/abcd-1234"
    is_stale: Callable[[], bool] = lambda: False

    def __call__(self, asked: Asked) -> Reply:
        name = self.path.rsplit("/", 1)[-1]
        if asked.path == f"/api/views/{name}.json":
            names = [{"fieldName": name, "dataTypeName": "text"} for name in self.columns]
            names.append({"fieldName": ":@computed_region_x", "dataTypeName": "number"})
            body = {"id": name, "columns": names}
            return Reply({**body, "rowsUpdatedAt": int(self.table.at.timestamp())})
        if asked.path != f"{self.path}.json":
            return Reply({"code": "not_found", "error": True, "message": "Cannot find view"}, 404)
        wanted = asked.query["$select"].split(",")
        if wanted == ["count(*)"]:
            return Reply([{"count": str(len(self.table.rows))}])
        for name in wanted:
            if name not in (*self.columns, ":id", ":updated_at"):
                text = f"Query coordinator error: query.soql.no-such-column; No such column: {name}"
                body = {"message": text, "errorCode": "query.soql.no-such-column", "data": {}}
                return Reply(body, 400)
        assert asked.query["$order"] == ":id"
        rows = self._matching(asked.query.get("$where", ""))
        most = min(int(asked.query["$limit"]), self.most)
        stale = {"X-SODA2-Data-Out-Of-Date": "true" if self.is_stale() else "false"}
        kept = [{k: v for k, v in row.items() if k in wanted and v != ""} for row in rows[:most]]
        return Reply(kept, headers=stale)

    def _matching(self, where: str) -> list[Row]:
        since = re.search(r":updated_at >= '([^']+)'", where)
        after = re.search(r":id > '([^']+)'", where)
        rows = [
            {**row, ":id": f"row-{key:06d}", ":updated_at": f"{self.table.changed[key]:%FT%T.%f}Z"}
            for key, row in self.table.sorted()
        ]
        rows = [row for row in rows if not since or row[":updated_at"] >= since[1]]
        return [row for row in rows if not after or row[":id"] > after[1]]


@dataclass
class ArcGis:
    """A feature layer: typed attributes, refusals with status 200."""

    table: Table
    fields: Mapping[str, str]
    most: int = 10**9
    tracks_edits: bool = True
    says_edited: bool = True
    is_point: bool = True
    path: str = "/arcgis/rest/services/Crime/FeatureServer/0"
    knows_timestamps: bool = True

    def __call__(self, asked: Asked) -> Reply:
        if asked.path == self.path:
            return Reply(self._metadata())
        if asked.path != f"{self.path}/query":
            return self.refusal(400, "Invalid URL")
        where = asked.query["where"]
        if "returnCountOnly" in asked.query:
            return Reply({"count": len(self.table.rows)})
        since = re.search(r"EditDate >= TIMESTAMP '([^']+)'", where)
        after = re.search(r"OBJECTID > (\d+)", where)
        wanted = asked.query["outFields"].split(",")
        unknown = set(wanted) - {"OBJECTID", "EditDate", *self.fields}
        if unknown or (since and not (self.tracks_edits and self.knows_timestamps)):
            return self.refusal(400, "Failed to execute query.")
        assert asked.query["orderByFields"] == "OBJECTID ASC"
        keys = [
            key
            for key, _ in self.table.sorted()
            if (not since or self.table.changed[key] >= _utc(since[1]))
            and (not after or key > int(after[1]))
        ]
        most = min(int(asked.query.get("resultRecordCount", self.most)), self.most)
        features = [self._feature(key, wanted, asked) for key in keys[:most]]
        body = {"objectIdFieldName": "OBJECTID", "features": features}
        return Reply(body | ({"exceededTransferLimit": True} if len(keys) > most else {}))

    def _metadata(self) -> dict[str, Any]:
        fields = {"OBJECTID": "esriFieldTypeOID", **self.fields}
        fields |= {"EditDate": "esriFieldTypeDate"} if self.tracks_edits else {}
        body = {
            "currentVersion": 11.3,
            "id": 0,
            "name": "Crime",
            "type": "Feature Layer",
            "geometryType": "esriGeometryPoint" if self.is_point else None,
            "objectIdField": "OBJECTID",
            "maxRecordCount": min(self.most, 2000),
            "advancedQueryCapabilities": {"supportsPagination": True, "supportsOrderBy": True},
            "fields": [{"name": name, "type": kind} for name, kind in fields.items()],
        }
        if self.says_edited:
            body["editingInfo"] = {"lastEditDate": _milliseconds(self.table.at)}
        if self.tracks_edits:
            body["editFieldsInfo"] = {"editDateField": "EditDate"}
        return body

    def _feature(self, key: int, wanted: list[str], asked: Asked) -> dict[str, Any]:
        row = self.table.rows[key]
        values = {"OBJECTID": key, **row, "EditDate": _milliseconds(self.table.changed[key])}
        feature: dict[str, Any] = {"attributes": {name: values.get(name) for name in wanted}}
        if asked.query["returnGeometry"] == "true":
            assert asked.query["outSR"] == "4326"
            feature["geometry"] = {"x": row.get("_x", "NaN"), "y": row.get("_y", "NaN")}
        return feature

    @staticmethod
    def refusal(code: int, message: str) -> Reply:
        return Reply({"error": {"code": code, "message": message, "details": []}})


@dataclass
class Ckan:
    """A datastore: numbers as numbers, everything in an envelope."""

    table: Table
    columns: tuple[str, ...]
    most: int = 32_000
    base: str = "/api/3/action"
    resource: str = "0f3c2c1e-aaaa-bbbb-cccc-0123456789ab"

    @property
    def path(self) -> str:
        return f"{self.base}/datastore_search?resource_id={self.resource}"

    def __call__(self, asked: Asked) -> Reply:
        if self.resource not in asked.query.values():
            error = {"message": "Not found: Resource was not found.", "__type": "Not Found Error"}
            return Reply({"help": "", "error": error, "success": False}, 404)
        if asked.path == f"{self.base}/resource_show":
            changed = self.table.at.replace(tzinfo=None).isoformat()
            return self._envelope({"id": self.resource, "last_modified": changed})
        every = ["_id", *self.columns]
        fields = asked.query["fields"].split(",") if "fields" in asked.query else every
        offset, limit = int(asked.query.get("offset", 0)), int(asked.query["limit"])
        rows = [{"_id": key, **row} for key, row in self.table.sorted()]
        chosen = rows[offset : offset + min(limit, self.most)]
        records = [{name: row.get(name) for name in fields} for row in chosen]
        described = [{"id": name, "type": "text"} for name in ("_id", *self.columns)]
        body = {"fields": described, "records": records, "total": len(rows), "limit": limit}
        return self._envelope(body)

    @staticmethod
    def _envelope(result: dict[str, Any]) -> Reply:
        return Reply({"help": "", "success": True, "result": result})


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
