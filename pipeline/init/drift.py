"""Columns that are called otherwise in some files: which belong together, told by name and content.

A column that a header lacks and one that it has beyond the others are the same where their names
or their texts are alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pipeline.init.names import plain, words

Names = tuple[str, ...]
_LEAST_ALIKE = 0.5
_LEAST_SHARED = 0.4  # of a header's columns, below which it is another kind of file
_MOST_HEADERS = 40
_SYNONYMS = (
    {"offense", "offence", "crime", "incident", "type", "category", "kind", "delito", "charge"},
    {"lat", "latitude", "latitud", "y", "northing"},
    {"lon", "long", "lng", "longitude", "longitud", "x", "easting"},
    {"district", "precinct", "beat", "division", "sector", "area", "zone"},
    {"number", "no", "num", "id", "case", "report", "key", "ref", "nr"},
    {"occurred", "occ", "occurrence", "occur", "from", "start", "begin", "incident", "offense"},
    {"reported", "report", "rpt", "rptd", "entered", "received"},
    {"updated", "modified", "changed", "edited", "revised"},
)


@dataclass(frozen=True)
class Drift:
    """``names``: columns of all files together; ``found``: for every header given, the names of
    the columns that it has and what it calls them, None for another kind of file; ``renamed``: old
    names and what the others call the column.
    """

    names: Names
    found: tuple[Mapping[str, str] | None, ...]
    renamed: Mapping[str, str]
    notes: tuple[str, ...] = ()


def match_headers(
    headers: Sequence[Names], weights: Sequence[int], some: Callable[[int], pd.DataFrame]
) -> Drift:
    """Match the columns of files. ``some``: rows (stripped text) of the file of that place.

    The header of the most bytes (``weights``) stands; others are matched to it, larger ones first.
    """
    distinct: dict[Names, list[int]] = {}
    for place, header in enumerate(headers):
        distinct.setdefault(tuple(dict.fromkeys(filter(str.strip, header))), []).append(place)
    ranked = sorted(distinct, key=lambda names: -sum(weights[p] for p in distinct[names]))
    names = list(ranked[0])
    samples = {0: some(distinct[ranked[0]][0])} if len(ranked) > 1 else {}
    found: list[Mapping[str, str] | None] = [None] * len(headers)
    renamed: dict[str, str] = {}
    for header in ranked:
        known = {plain(name): name for name in header} | {name: name for name in header}
        spelled = {name: known.get(name) or known.get(plain(name)) for name in names}
        there = {name: own for name, own in spelled.items() if own is not None}
        there |= {renamed[old]: old for old in header if renamed.get(old) in names}
        extra = [name for name in header if name not in there.values()]
        missing = [name for name in names if name not in there]
        if len(there) < _LEAST_SHARED * min(len(header), len(ranked[0])):
            extra, there, missing = list(header), {}, list(names)
        if extra and missing and samples and len(distinct) <= _MOST_HEADERS:
            pairs = _pair(samples[0], missing, some(distinct[header][0]), extra)
            renamed |= {old: new for new, old in pairs.items() if plain(old) != plain(new)}
            there |= pairs
        if len(there) < _LEAST_SHARED * min(len(header), len(ranked[0])):
            continue
        news = [name for name in header if name not in there.values()]
        names += news
        there |= {name: name for name in news}
        for place in distinct[header]:
            found[place] = there
    return Drift(tuple(names), tuple(found), renamed, _notes(distinct, found, renamed))


def _notes(
    distinct: Mapping[Names, list[int]],
    found: Sequence[Mapping[str, str] | None],
    renamed: Mapping[str, str],
) -> tuple[str, ...]:
    notes = []
    if len(distinct) > 1:
        notes.append(f"the files have {len(distinct)} different headers")
    if renamed:
        notes.append(
            "columns were renamed: " + ", ".join(f"{o} -> {n}" for o, n in renamed.items())
        )
    if gone := sum(there is None for there in found):
        notes.append(f"{gone} files are of another kind and left out")
    return tuple(notes)


def _pair(
    rows: pd.DataFrame, missing: Sequence[str], others: pd.DataFrame, extra: Sequence[str]
) -> dict[str, str]:
    """Missing column -> the extra one that is the same."""
    scores: NDArray[np.float64] = np.array(
        [[_alike(rows[a], others[b]) for b in extra] for a in missing]
    )
    ours, theirs = linear_sum_assignment(-scores)
    return {
        missing[i]: extra[j]
        for i, j in zip(ours, theirs, strict=True)
        if scores[i, j] >= _LEAST_ALIKE
    }


def _alike(a: pd.Series, b: pd.Series) -> float:
    """How much two columns seem the same: 0 to 1."""
    return 0.45 * _names_alike(str(a.name), str(b.name)) + 0.55 * _texts_alike(a, b)


def _names_alike(a: str, b: str) -> float:
    ours, theirs = words(a), words(b)
    by_letters = SequenceMatcher(None, " ".join(ours), " ".join(theirs)).ratio()
    same = [any(x == y or _synonyms(x, y) for y in theirs) for x in ours]
    same += [any(x == y or _synonyms(x, y) for y in ours) for x in theirs]
    return max(by_letters, float(np.mean(same)) if same else 0.0)


def _synonyms(a: str, b: str) -> bool:
    return any(a in group and b in group for group in _SYNONYMS)


def _texts_alike(a: pd.Series, b: pd.Series) -> float:
    """What two columns have in common: their texts where those are few, else their shapes."""
    a, b = a[a != ""], b[b != ""]
    if a.empty or b.empty:
        return 0.5 if a.empty and b.empty else 0.2
    if a.nunique() <= 300 and b.nunique() <= 300:
        by_text = _overlap(a.str.casefold(), b.str.casefold())
        return max(by_text, 0.6 * _overlap(_shapes(a), _shapes(b)))
    shapes = _overlap(_shapes(a), _shapes(b))
    x, y = pd.to_numeric(a, errors="coerce").dropna(), pd.to_numeric(b, errors="coerce").dropna()
    if len(x) > 0.8 * len(a) and len(y) > 0.8 * len(b):
        return 0.3 * shapes + 0.7 * _ranges(x, y)
    return shapes


def _shapes(texts: pd.Series) -> pd.Series:
    some = texts.iloc[:: max(1, len(texts) // 500)]
    return some.str.replace(r"\d+", "9", regex=True).str.replace(r"[^\W\d_]+", "a", regex=True)


def _overlap(a: pd.Series, b: pd.Series) -> float:
    ours, theirs = Counter(a), Counter(b)
    return sum(min(ours[key] / len(a), theirs[key] / len(b)) for key in ours.keys() & theirs.keys())


def _ranges(x: pd.Series, y: pd.Series) -> float:
    """How much of the ranges of most numbers is common."""
    (a, b), (c, d) = (values.quantile([0.05, 0.95]) for values in (x, y))
    whole = max(b, d) - min(a, c)
    return float(max(0.0, min(b, d) - max(a, c)) / whole) if whole > 0 else float(a == c)
