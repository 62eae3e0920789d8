"""Source categories to disjoint offence groups: the cube's category axis."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

OTHER = "other"
POLICE_INITIATED = "police_initiated"
RESERVED = (OTHER, POLICE_INITIATED)

# Offences that are recorded mainly because police were there: their map is a map of patrols.
_POLICE_INITIATED_PATTERN = re.compile(
    r".*\b(drugs?|narcotics?|prostitution|vice|gambling|liquor law|concealed carry|"
    r"traffic (stop|violation)|interference with (a )?public officer|loitering|vagrancy)\b.*"
)


def normalize(category: str) -> str:
    """The form in which categories are compared: case folded, blanks and dashes made one space."""
    return re.sub(r"[\s_\-]+", " ", category).strip().casefold()


def is_police_initiated(category: str) -> bool:
    """Whether the category's name is one of those recorded because police were there."""
    return _POLICE_INITIATED_PATTERN.fullmatch(normalize(category)) is not None


@dataclass(frozen=True)
class Grouping:
    """Which group a category belongs to: by name, then by pattern, else ``other``.

    A category that police presence brings about goes to ``police_initiated`` unless a group or
    ``allowed`` names it: a pattern alone is no name, for it may catch more than was meant.
    ``names`` is the order of the cube's category axis.
    """

    names: tuple[str, ...]
    by_name: Mapping[str, str]
    by_pattern: tuple[tuple[re.Pattern[str], str], ...]
    allowed: frozenset[str]

    def group_of(self, category: str) -> str:
        """Group of one category."""
        key = normalize(category)
        if key in self.by_name:
            return self.by_name[key]
        if is_police_initiated(category) and key not in self.allowed:
            return POLICE_INITIATED
        for pattern, group in self.by_pattern:
            if pattern.fullmatch(category.strip()):
                return group
        return OTHER

    def classify(self, categories: pd.Series) -> pd.Series:
        """Group of every category, text to text."""
        groups = {category: self.group_of(category) for category in categories.unique()}
        return categories.map(groups).astype("str")


def make_grouping(
    groups: Mapping[str, tuple[Iterable[str], Iterable[str]]], allowed: Iterable[str]
) -> Grouping:
    """From group -> (category names, patterns). Raises ValueError on a contradiction."""
    by_name: dict[str, str] = {}
    by_pattern: list[tuple[re.Pattern[str], str]] = []
    for group, (names, patterns) in groups.items():
        for name in names:
            if by_name.setdefault(normalize(name), group) != group:
                other = by_name[normalize(name)]
                raise ValueError(f"category {name!r} stands in {other} and in {group}: keep one")
        by_pattern += [(_compiled(pattern), group) for pattern in patterns]
    axis = (*[group for group in groups if group not in RESERVED], *RESERVED)
    return Grouping(axis, by_name, tuple(by_pattern), frozenset(map(normalize, allowed)))


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as fault:
        raise ValueError(f"pattern {pattern!r} is no regular expression: {fault}") from fault
