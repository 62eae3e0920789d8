"""Rows of one key, in the order in which they became known: revisions, duplicates, conflicts.

Every revision carries what it replaces (``was_*``), so that a reader of the arrivals alone can
take the old incident out and put the new one in, without looking at history.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.clean import UTC_TIME

REPLACED = {"was_occurred_at": UTC_TIME, "was_cell": "Int64", "was_group": "str"}
DUPLICATE_KEY = "duplicate key"
ORDER = ["id", "known_at", "revised", "delivery", "content"]


@dataclass(frozen=True)
class Settled:
    """``kept``: revisions for silver; ``conflicts``: rows for quarantine; ``merged``: a count."""

    kept: pd.DataFrame
    conflicts: pd.DataFrame
    merged: int


def settle(rows: pd.DataFrame, previous: pd.DataFrame) -> Settled:
    """Merge duplicates and number revisions. Works on any set of whole keys.

    ``rows``: clean incidents (columns of CLEAN) of one ingestion. ``previous``: earlier silver
    revisions of their keys. A row equal to one that its key has had is merged. A row that names
    its revision time is a revision, and so is one of a delivery that no longer holds what stood
    before that delivery. Any other is a conflict: the first known row stands, so that what
    becomes known later cannot change what was known before.
    """
    rows = rows.sort_values(ORDER, kind="stable", ignore_index=True)
    new = rows[~_is_repeated(rows, previous)]
    several = new["id"].duplicated(keep=False) | new["id"].isin(previous["id"])
    single, rest = _first_revisions(new[~several]), new[several]
    merged = len(rows) - len(new)
    if rest.empty:
        return Settled(single, rest, merged)
    repeats = rows[rows["id"].isin(rest["id"])]
    delivered = set(zip(repeats["id"], repeats["content"], repeats["delivery"], strict=True))
    earlier = previous[previous["id"].isin(rest["id"])]
    before = {key: _History.of(group) for key, group in earlier.groupby("id")}
    kept: list[dict[str, Any]] = []
    conflicts: list[object] = []
    for key, group in rest.groupby("id", sort=False):
        history = before.get(str(key)) or _History(None, -1)
        for index, row in zip(group.index, group.to_dict("records"), strict=True):
            if history.is_revised_by(row, delivered):
                kept.append(history.revise(row))
            else:
                conflicts.append(index)
    settled = pd.concat([single, _typed(kept, single)], ignore_index=True)
    return Settled(settled, rest.loc[conflicts].assign(reason=DUPLICATE_KEY), merged)


def _is_repeated(rows: pd.DataFrame, previous: pd.DataFrame) -> pd.Series:
    """Rows that their key has had, whether earlier or in this delivery."""
    pair = ["id", "content"]
    had = pd.MultiIndex.from_frame(previous[pair].drop_duplicates())
    return rows.duplicated(pair) | pd.MultiIndex.from_frame(rows[pair]).isin(had)


class _History:
    """What is known of one key so far."""

    def __init__(self, last: dict[str, Any] | None, revision: int) -> None:
        self.last = last
        self.revision = revision
        self.is_earlier_ingestion = last is not None

    @classmethod
    def of(cls, revisions: pd.DataFrame) -> _History:
        last = revisions.sort_values("revision").iloc[-1].to_dict()
        return cls(last, int(last["revision"]))

    def is_revised_by(self, row: dict[str, Any], delivered: set[tuple[Any, ...]]) -> bool:
        """``delivered``: (id, content, delivery) of all that came in this time."""
        if self.last is None or row["revised"]:
            return True
        still_there = (row["id"], self.last["content"], row["delivery"]) in delivered
        return self.is_earlier_ingestion and not still_there

    def revise(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row as this key's next revision."""
        last, self.revision = self.last, self.revision + 1
        replaced = last if last is not None and not last["retracted"] else {}
        row |= {f"was_{name}": replaced.get(name) for name in ("occurred_at", "cell", "group")}
        row["revision"] = self.revision
        if last is not None:  # never known before what it replaces
            row["known_at"] = max(row["known_at"], last["known_at"])
        self.last = row
        return row


def _first_revisions(rows: pd.DataFrame) -> pd.DataFrame:
    replaced = {name: pd.Series(index=rows.index, dtype=kind) for name, kind in REPLACED.items()}
    return rows.assign(revision=0, **replaced)


def _typed(records: list[dict[str, Any]], like: pd.DataFrame) -> pd.DataFrame:
    """Records in the dtypes of ``like``; times are built as such, since none can be cast."""
    columns = {
        name: pd.Series([record[name] for record in records], dtype=kind)
        for name, kind in like.dtypes.items()
    }
    return pd.DataFrame(columns)
