"""CKAN's datastore: everything, in the order of ``_id``, whenever the resource changed.

It can neither be asked what changed nor, without SQL (which many portals switch off), for rows
after an identifier. Pages are cut by their offset, and each begins with the last row of the one
before: where that is not so the table was changed underneath, and the crawl begins again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from pipeline.errors import DataError
from pipeline.sources.answers import Answer, shown
from pipeline.sources.pages import Look, Page, RestartError, Want, as_text, when
from pipeline.sources.web import Web

PAGE_ROWS = 32_000  # what CKAN allows unless a portal sets another limit


@dataclass(frozen=True)
class Ckan:
    """One resource, by its address ``.../api/3/action/datastore_search?resource_id=...``."""

    address: str
    web: Web
    overlap: ClassVar[timedelta] = timedelta(0)

    def look(self) -> Look:
        """When the resource last changed, how many rows it has, and its fields."""
        resource, _ = self._ask("resource_show", {"id": self._resource})
        table, at = self._ask("datastore_search", {"resource_id": self._resource, "limit": "0"})
        changed = resource.get("last_modified") or resource.get("metadata_modified")
        stamp, is_settled = when(changed and _utc(changed), at)
        names = tuple(field["id"] for field in table["fields"] if field["id"] != "_id")
        return Look(f"{stamp} {table.get('total')}", is_settled, names, says_changes=False, at=at)

    def page(self, want: Want) -> Page:
        """Rows after the cursor: how many were read, and the ``_id`` of the last of them."""
        read, last = want.cursor or (0, None)
        query = {"resource_id": self._resource, "sort": "_id", "limit": str(PAGE_ROWS)}
        query |= {"offset": str(max(read - 1, 0))}
        if not any("," in column for column in want.columns):
            query["fields"] = ",".join(["_id", *want.columns])
        table, _ = self._ask("datastore_search", query)
        rows = table["records"]
        ids = [int(row["_id"]) for row in rows]
        if read and ids[:1] != [last]:
            raise RestartError("the service changes while it is being read")
        if ids != sorted(set(ids)):
            raise DataError(f"{shown(self.address)} gives rows in no order: deliver it as files")
        rows, ids = rows[1:] if read else rows, ids[1:] if read else ids
        read += len(ids)
        if not ids and read < int(table.get("total") or 0):
            raise RestartError("the service changes while it is being read")
        return Page(
            [[as_text(row.get(column)) for column in want.columns] for row in rows],
            [str(number) for number in ids],
            [read, ids[-1]] if ids else None,
        )

    def count(self) -> int:
        """How many rows there are."""
        table, _ = self._ask("datastore_search", {"resource_id": self._resource, "limit": "0"})
        return int(table.get("total") or 0)

    def _ask(self, action: str, query: dict[str, str]) -> tuple[dict[str, Any], datetime]:
        base = self.address.split("/api/3/action/")[0]
        answer = self.web.json("ckan", f"{base}/api/3/action/{action}", query, self._judge)
        return answer.body["result"], answer.at

    def _judge(self, answer: Answer) -> None:
        body = answer.body
        if isinstance(body, dict) and body.get("success") is True and "result" in body:
            return
        error = body.get("error") if isinstance(body, dict) else "no answer of CKAN"
        said = error.get("message") or error.get("__type") if isinstance(error, dict) else error
        raise DataError(
            f"{shown(self.address)} is refused ({said}): check source.path, and CKAN_API_KEY with "
            "CKAN_API_KEY_HOST"
        )

    @property
    def _resource(self) -> str:
        found = parse_qs(urlsplit(self.address).query).get("resource_id")
        if not found or "/api/3/action/" not in self.address:
            raise DataError(
                f"{shown(self.address)} is no address of a CKAN resource: write it as "
                "https://HOST/api/3/action/datastore_search?resource_id=..."
            )
        return found[0]


def _utc(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
