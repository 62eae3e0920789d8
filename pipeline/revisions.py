"""Rows of one key, in the order in which they became known: revisions, duplicates, conflicts.

Every revision carries what it replaces (``was_*``), so that a reader of the arrivals alone can
take the old incident out and put the new one in, without looking at history.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from pipeline.clean import UTC_TIME

REPLACED = {"was_occurred_at": UTC_TIME, "was_cell": "Int64", "was_group": "str"}
DUPLICATE_KEY = "duplicate key"


@dataclass(frozen=True)
class Settled:
    """``kept``: revisions for silver; ``conflicts``: rows for quarantine; ``merged``: a count."""

    kept: pd.DataFrame
    conflicts: pd.DataFrame
    merged: int


def settle(rows: pd.DataFrame, previous: pd.DataFrame) -> Settled:
    """Merge duplicates and number revisions. Works on any set of whole keys.

    ``rows``: clean incidents (columns of CLEAN). ``previous``: earlier silver revisions of their
    keys. A row equal to one that its key has had is merged. A row of a later delivery, or one that
    names its revision time, is a revision. Any other is a conflict: the first known row stands,
    so that what becomes known later cannot change what was known before.
    """
    order = ["id", "known_at", "revised", "content"]
    rows = rows.sort_values(order, kind="stable", ignore_index=True)
    several = rows["id"].duplicated(keep=False) | rows["id"].isin(previous["id"])
    single = _first_revisions(rows[~several])
    if not several.any():
        return Settled(single, rows[several], 0)
    before = {key: _History.of(group) for key, group in previous.groupby("id")}
    kept: list[dict[str, object]] = []
    conflicts: list[object] = []
    merged = 0
    for key, group in rows[several].groupby("id", sort=False):
        history = before.get(str(key)) or _History(set(), None, -1)
        for index, row in zip(group.index, group.to_dict("records"), strict=True):
            if row["content"] in history.contents:
                merged += 1
            elif history.last is None or row["revised"] or history.is_earlier_delivery:
                kept.append(history.revise(row))
            else:
                conflicts.append(index)
    settled = pd.concat([single, _typed(kept, single)], ignore_index=True)
    refused = rows.loc[conflicts].assign(reason=DUPLICATE_KEY)
    return Settled(settled, refused, merged)


class _History:
    """What is known of one key so far."""

    def __init__(
        self, contents: set[object], last: dict[str, object] | None, revision: int
    ) -> None:
        self.contents = contents
        self.last = last
        self.revision = revision
        self.is_earlier_delivery = last is not None

    @classmethod
    def of(cls, revisions: pd.DataFrame) -> _History:
        ordered = revisions.sort_values("revision")
        last = ordered.iloc[-1].to_dict()
        return cls(set(ordered["content"]), last, int(last["revision"]))

    def revise(self, row: dict[str, object]) -> dict[str, object]:
        """The row as this key's next revision."""
        last, self.revision = self.last, self.revision + 1
        replaced = last if last is not None and not last["retracted"] else {}
        row |= {f"was_{name}": replaced.get(name) for name in ("occurred_at", "cell", "group")}
        row["revision"] = self.revision
        if last is not None:  # never known before what it replaces
            row["known_at"] = max(row["known_at"], last["known_at"])  # type: ignore[type-var]
        self.last = row
        self.contents.add(row["content"])
        return row


def _first_revisions(rows: pd.DataFrame) -> pd.DataFrame:
    replaced = {name: pd.Series(index=rows.index, dtype=kind) for name, kind in REPLACED.items()}
    return rows.assign(revision=0, **replaced)


def _typed(records: list[dict[str, object]], like: pd.DataFrame) -> pd.DataFrame:
    """Records in the dtypes of ``like``; times are built as such, since none can be cast."""
    columns = {
        name: pd.Series([record[name] for record in records], dtype=kind)
        for name, kind in like.dtypes.items()
    }
    return pd.DataFrame(columns)
