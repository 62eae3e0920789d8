"""Socrata's open data (SODA 2.1): pages by row identifier, and later only rows that changed.

A row that changes keeps its ``:id`` and gets a new ``:updated_at``. Reading in the order of ``:id``
nothing can slip from a page that is to come into one that is past; what changes or appears behind
the cursor has a time after the crawl began, from which the next crawl reads. What is deleted is
only seen by a snapshot.

SODA 3 (``/api/v3/views/ID/query.json``) wants a token for every query and has the same system
fields; 2.1 answers without one, and portals go on serving it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from pipeline.errors import DataError
from pipeline.sources.answers import Answer, PassingError, shown
from pipeline.sources.pages import Look, Page, Want, as_text, when
from pipeline.sources.web import Web

PAGE_ROWS = 50_000
_ADDRESS = re.compile(r"(https?://[^/]+)/resource/(\w{4}-\w{4})")


@dataclass(frozen=True)
class Socrata:
    """One dataset, by its address ``https://HOST/resource/abcd-1234``."""

    address: str
    web: Web
    overlap: ClassVar[timedelta] = timedelta(hours=1)

    def look(self) -> Look:
        """When its rows last changed, and its columns by the names that queries use."""
        host, name = self._place
        answer = self.web.json("socrata", f"{host}/api/views/{name}.json", {})
        body = answer.body
        if not isinstance(body, dict) or not isinstance(body.get("columns"), list):
            raise DataError(f"{shown(self.address)} is no Socrata dataset: check source.path")
        names = (column["fieldName"] for column in body["columns"])
        seconds = body.get("rowsUpdatedAt") or body.get("viewLastModified")
        stamp, is_settled = when(seconds and datetime.fromtimestamp(int(seconds), UTC), answer.at)
        columns = tuple(name for name in names if not name.startswith(":"))
        return Look(stamp, is_settled, columns, says_changes=True, at=answer.at)

    def page(self, want: Want) -> Page:
        """Rows after the ``:id`` that the cursor is. Blank fields are left out by the service."""
        since, conditions = want.since, []
        if since:
            conditions.append(f":updated_at >= '{since:%Y-%m-%dT%H:%M:%S.%f}Z'")
        if want.cursor is not None:
            quoted = str(want.cursor).replace("'", "''")
            conditions.append(f":id > '{quoted}'")
        query = {"$select": ",".join([*want.columns, ":id", ":updated_at"])}
        query |= {"$where": " AND ".join(conditions)} if conditions else {}
        query |= {"$order": ":id", "$limit": str(PAGE_ROWS)}
        rows = self._query(query)
        if any(":id" not in row or ":updated_at" not in row for row in rows):
            raise DataError(f"{shown(self.address)} has no :id or :updated_at: deliver it as files")
        return Page(
            [[as_text(row.get(column)) for column in want.columns] for row in rows],
            [row[":id"] for row in rows],
            rows[-1][":id"] if rows else None,
            max((datetime.fromisoformat(row[":updated_at"]) for row in rows), default=None),
        )

    def count(self) -> int:
        """How many rows there are."""
        return int(self._query({"$select": "count(*)"})[0]["count"])

    def _query(self, query: dict[str, str]) -> list[dict[str, Any]]:
        host, name = self._place
        body = self.web.json("socrata", f"{host}/resource/{name}.json", query, self._judge).body
        return list(body)

    def _judge(self, answer: Answer) -> None:
        """Answers come from copies that may lag behind, which only a header tells."""
        if answer.headers.get("X-SODA2-Data-Out-Of-Date", "").lower() == "true":
            raise PassingError("the answer is out of date, the portal is still being updated")
        if not isinstance(answer.body, list):
            said = answer.body.get("message") if isinstance(answer.body, dict) else "no list"
            raise DataError(f"{shown(self.address)} answers no rows ({said}): check source.path")

    @property
    def _place(self) -> tuple[str, str]:
        found = _ADDRESS.match(self.address)
        if not found:
            raise DataError(
                f"{shown(self.address)} is no address of a Socrata dataset: write it as "
                "https://HOST/resource/abcd-1234"
            )
        return found[1], found[2]
