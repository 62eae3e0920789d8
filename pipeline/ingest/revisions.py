"""Rows of one key, in the order in which they became known: revisions, duplicates, conflicts.

Every revision carries what it replaces (``was_*``), so that a reader of the arrivals alone can
take the old incident out and put the new one in, without looking at history.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.ingest.bronze import ABSENT, AGAIN, ROW
from pipeline.ingest.clean import UTC_TIME
from pipeline.ingest.key_tables import DUPLICATE_KEY, ELSEWHERE

REPLACED = {"was_occurred_at": UTC_TIME, "was_cell": "Int64", "was_group": "str"}
ORDER = ["id", "known_at", "revised_at", "retracted", "delivery", "content"]
Speakers = defaultdict[tuple[str, int], set[str]]  # (id, content) -> deliveries that say so
# What a row that takes its incident back may lack: the incident tells where and what it was.
NOT_NEEDED = ("no coordinates", "unreadable coordinates", "coordinates near 0", "no category")
EARLIER = "before the start"
NO_CONTENT = 0  # of an incident that its source no longer delivers: a row that comes back is news


@dataclass(frozen=True)
class Settled:
    """``kept``: revisions for silver; ``refused``: rows for quarantine; ``merged``: a count.

    ``absent``: how many of those kept are incidents that their source no longer delivers.
    """

    kept: pd.DataFrame
    refused: pd.DataFrame
    merged: int
    absent: int


def settle(
    rows: pd.DataFrame,
    previous: pd.DataFrame,
    is_snapshot: bool = False,
    first_at: pd.Timestamp | None = None,
) -> Settled:
    """Merge duplicates and number revisions. Works on any set of whole keys.

    ``rows``: cleaned rows (columns of CLEAN) of one ingestion. ``previous``: the newest revision
    of those of their keys that silver knows (columns of keys.LATEST). A row equal to that, or
    older by its revision time, is merged. A row that names its revision time is a revision, and so
    is one that takes an incident back, or one of a delivery that no longer says what was known
    before; of several deliveries at once the last by name is the newest, unless they are the files
    of one snapshot. Any other is a conflict: the first known row stands, so that what becomes known
    later cannot change what was known before. An incident that moves out of the city is taken back.

    ``first_at``: when the first ingestion is, in which rows were known when they were reported; but
    nobody knows when a later delivery of it corrected an earlier one, so that is known from then.
    """
    rows = _taken_back(rows, previous, is_snapshot)
    good = rows[(rows["reason"] == "") & (rows["said"] != AGAIN)]
    good = good.sort_values(ORDER, kind="stable", na_position="first", ignore_index=True)
    new = good[~_is_repeated(good, previous)]
    several = new["id"].duplicated(keep=False) | new["id"].isin(previous["id"])
    single, rest = _first_revisions(new[~several]), new[several]
    kept, conflicts, outdated = _settle_by_key(rest, rows, previous, is_snapshot, first_at)
    settled = pd.concat([single, _typed(kept, single)], ignore_index=True)
    refused = pd.concat(
        [rows[rows["reason"] != ""], rest.loc[conflicts].assign(reason=DUPLICATE_KEY)]
    )
    merged = len(good) - len(new) + outdated
    return Settled(settled, refused, merged, int((settled["said"] == ABSENT).sum()))


def _taken_back(rows: pd.DataFrame, previous: pd.DataFrame, is_snapshot: bool) -> pd.DataFrame:
    """Incidents that were known and are now elsewhere, or no longer delivered, as retractions.

    So are rows that take an incident back without saying where, or what, it was.
    """
    absent = rows["said"] == ABSENT
    moved = rows["reason"].isin([*ELSEWHERE, EARLIER]) & rows["id"].isin(previous["id"])
    bare = rows["retracted"] & rows["reason"].isin(NOT_NEEDED)
    if not (absent | moved | bare).any():
        return rows
    rows = rows.copy()
    before = previous if not bare.any() else pd.concat([previous, rows[_is_sound(rows)]])
    last = before.drop_duplicates("id").set_index("id")
    bare &= rows["id"].isin(last.index)
    gone = absent | bare | (moved & ~_stands_beside(rows, is_snapshot))
    for name in ("cell", "group"):
        there = absent | bare
        rows.loc[there, name] = last[name].reindex(rows.loc[there, "id"]).to_numpy()
    then = last["occurred_at"].reindex(rows.loc[absent, "id"]).to_numpy()
    rows.loc[absent, "occurred_at"] = rows.loc[absent, "occurred_from"] = then
    rows.loc[absent, "content"] = NO_CONTENT
    rows.loc[gone, "retracted"] = True
    rows.loc[gone, "reason"] = ""
    return rows


def _is_sound(rows: pd.DataFrame) -> pd.Series:
    return (rows["said"] == ROW) & (rows["reason"] == "") & ~rows["retracted"]


def _stands_beside(rows: pd.DataFrame, is_snapshot: bool) -> pd.Series:
    """Rows whose key the same delivery, or any file of a snapshot, also has in the city."""
    pairs = pd.MultiIndex.from_frame(rows[["id"] if is_snapshot else ["id", "delivery"]])
    return pd.Series(pairs.isin(pairs[_is_sound(rows) | (rows["said"] == AGAIN)]), index=rows.index)


def _is_repeated(rows: pd.DataFrame, previous: pd.DataFrame) -> pd.Series:
    """Rows that their key has had, whether in this ingestion or as its newest revision."""
    pair = ["id", "content"]
    had = pd.MultiIndex.from_frame(previous[pair])
    return rows.duplicated(pair) | pd.MultiIndex.from_frame(rows[pair]).isin(had)


def _settle_by_key(
    rest: pd.DataFrame,
    rows: pd.DataFrame,
    previous: pd.DataFrame,
    is_snapshot: bool,
    first_at: pd.Timestamp | None,
) -> tuple[list[dict[str, Any]], list[object], int]:
    """Revisions, the index of the conflicts, and how many rows were outdated on arrival."""
    kept: list[dict[str, Any]] = []
    conflicts: list[object] = []
    outdated = 0
    if rest.empty:
        return kept, conflicts, outdated
    said = rows[rows["id"].isin(rest["id"])]
    told = said[said["said"] == ROW]
    speakers: Speakers = defaultdict(set)
    for key, content, source in zip(told["id"], told["content"], told["delivery"], strict=True):
        speakers[key, content].add(source)
    again = said[said["said"] == AGAIN]
    before = {str(row["id"]): row for row in previous.to_dict("records")}
    for key, source in zip(again["id"], again["delivery"], strict=True):
        if key in before:
            speakers[key, before[key]["content"]].add(source)
    for key, group in rest.groupby("id", sort=False):
        history = _History(before.get(str(key)), is_snapshot, first_at)
        for index, row in zip(group.index, group.to_dict("records"), strict=True):
            if history.outdates(row):
                outdated += 1
            elif (news := history.news_of(row, speakers)) is not None:
                kept.append(history.revise(row | news))
            else:
                conflicts.append(index)
    return kept, conflicts, outdated


class _History:
    """What is known of one key so far."""

    def __init__(
        self, last: dict[str, Any] | None, is_snapshot: bool, first_at: pd.Timestamp | None
    ) -> None:
        self.last, self.is_snapshot, self.first_at = last, is_snapshot, first_at
        self.revision = -1 if last is None else int(last["revision"])
        self.is_earlier_ingestion = last is not None

    def outdates(self, row: dict[str, Any]) -> bool:
        """Whether the row is an older revision than what is known, by the source's own times."""
        if self.last is None or pd.isna(self.last["revised_at"]):
            return False
        if pd.isna(row["revised_at"]):  # never revised: the first version, in a later delivery
            return self.is_earlier_ingestion and not row["retracted"]
        return bool(row["revised_at"] < self.last["revised_at"])

    def news_of(self, row: dict[str, Any], speakers: Speakers) -> dict[str, Any] | None:
        """What is to be changed in a row that revises; None where it conflicts with what stands."""
        if self.last is None or row["retracted"] or not pd.isna(row["revised_at"]):
            return {}
        of_old, of_new = (speakers[row["id"], said["content"]] for said in (self.last, row))
        news = of_new - of_old
        if not news:
            return None
        if self.is_earlier_ingestion:  # of equal rows, the one of a delivery that does not say both
            return {"delivery": min(news)}
        if self.is_snapshot or max(news) < max(of_old, default=""):
            return None
        known = row["known_at"] if self.first_at is None else max(row["known_at"], self.first_at)
        return {"delivery": min(news), "known_at": known}

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
