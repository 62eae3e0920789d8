"""A first mapping of source categories to groups, from the table that is shipped.

The table (configs/categories.csv) is read from top to bottom: the first pattern found in a
category, in plain small letters, says its group. What patrols bring about goes to its own group
whatever the table says, as in pipeline.groups.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from pipeline.groups import OTHER, POLICE_INITIATED, is_police_initiated, normalize

TABLE = Path(__file__).parents[2] / "configs" / "categories.csv"
VIOLENT, PROPERTY, NOT_CRIMINAL = "violent", "property", "not_criminal"
GROUPS = (VIOLENT, PROPERTY, POLICE_INITIATED, NOT_CRIMINAL)
MIN_INCIDENTS = 200  # of a target, below which it gets no model


@cache
def _table() -> tuple[tuple[re.Pattern[str], str], ...]:
    with TABLE.open(encoding="utf-8", newline="") as handle:
        return tuple((re.compile(row["pattern"]), row["group"]) for row in csv.DictReader(handle))


@cache
def group_of(category: str) -> str | None:
    """The group of a category; None where the table does not know it."""
    if is_police_initiated(category):
        return POLICE_INITIATED
    letters = unicodedata.normalize("NFKD", category).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9&]+", " ", normalize(letters)).strip()
    return next((group for pattern, group in _table() if pattern.search(plain)), None)


def known_share(counts: pd.Series) -> float:
    """Share of the rows whose category the table knows. ``counts``: rows by category."""
    total = counts.sum()
    known = [text for text in counts.index if group_of(str(text)) is not None]
    return float(counts[known].sum() / total) if total else 0.0


@dataclass(frozen=True)
class Sorted:
    """Categories by group, the most frequent first; ``unknown``: those that no pattern knows.

    Category spellings that differ in case, blanks and dashes only are one, in the most frequent
    spelling. ``rows``: rows by category.
    """

    groups: Mapping[str, tuple[str, ...]]
    other: tuple[str, ...]
    unknown: tuple[str, ...]
    rows: Mapping[str, int]

    def count(self, group: str) -> int:
        """Rows of a group."""
        names = self.other + self.unknown if group == OTHER else self.groups.get(group, ())
        return sum(self.rows[name] for name in names)

    @property
    def targets(self) -> dict[str, tuple[str, ...]]:
        """Sums of groups that hold enough incidents to be forecast."""
        single = [g for g in (VIOLENT, PROPERTY) if self.count(g) >= MIN_INCIDENTS]
        parts = [g for g in (VIOLENT, PROPERTY) if self.groups.get(g)]
        return {"all": (*parts, OTHER), **{group: (group,) for group in single}}


def sort_categories(counts: pd.Series) -> Sorted:
    """Every category of a column into its group. ``counts``: rows by category, stripped text."""
    spelled: dict[str, str] = {}
    rows: dict[str, int] = {}
    for text, count in counts.sort_values(ascending=False, kind="stable").items():
        name = spelled.setdefault(normalize(str(text)), str(text))
        rows[name] = rows.get(name, 0) + int(count)
    names = sorted((name for name in rows if name), key=lambda name: -rows[name])
    found = {name: group_of(name) for name in names}
    return Sorted(
        {group: tuple(n for n in names if found[n] == group) for group in GROUPS},
        tuple(n for n in names if found[n] == OTHER),
        tuple(n for n in names if found[n] is None),
        rows,
    )
