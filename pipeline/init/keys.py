"""The key of an incident: the columns whose texts tell rows apart, and whether rows are revisions.

Rows that repeat a key and everything else that is mapped are merged and do no harm; rows that
repeat the key alone are conflicts, of which all but one would be lost. A number that the export
gives its rows may change from one export to the next: the number of a case is better.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.ingest.clocks import joined
from pipeline.init.clocks import Clock
from pipeline.init.columns import filled
from pipeline.init.formats import parse
from pipeline.init.names import BLANKS, says, words

_IDS = (
    "id ids key number no num nr case incident report complaint ccn rin dr cad guid uuid globalid "
    "reference ref folio expediente event caseno rms instanceid"
).split()
_ROW_IDS = "objectid fid rowid ogc gid cartodb index globalid oid gml unnamed globalunique".split()
_NOT_IDS = (
    "address street block location description desc url link lat lon x y coord geo zip date time "
    "year month day hour name text category type class statute district beat zone ward tract"
).split()
_PARTS = (
    "code seq sequence count ext extension number no id suffix offense offence crime charge nibrs "
    "ucr class type"
).split()
UNIQUE, CONFLICTS = 0.003, 0.02
_MOST = 8
Codes = NDArray[np.int64]
_REVISED, _FEW = 0.6, 0.001


@dataclass(frozen=True)
class Keys:
    """``key``: alternatives, each one or more columns; ``repeated``: share of rows that repeat it.

    ``revised``: the time that orders rows of one key, where they are revisions.
    """

    key: tuple[tuple[str, ...], ...]
    why: str
    repeated: float = 0.0
    revised: Clock | None = None
    doubt: str = ""

    @property
    def value(self) -> list[str | list[str]]:
        """As a configuration names it."""
        return [part[0] if len(part) == 1 else list(part) for part in self.key]


def key_candidates(counts: Mapping[str, pd.Series], taken: Sequence[str]) -> list[str]:
    """Columns that could number incidents: mostly distinct texts, the likelier names first."""
    found = {
        name: worth
        for name, texts in counts.items()
        if name not in taken and (worth := _likeness(name, filled(texts))) > 0
    }
    return sorted(found, key=lambda name: -found[name])[:_MOST]


def _likeness(name: str, texts: pd.Series) -> float:
    """How much a column looks like a number of incidents; 0 where it does not."""
    if texts.empty:
        return 0.0
    distinct = len(texts) / texts.sum()
    said = [word for word in words(name) if word in _IDS]
    if distinct < (0.3 if said else 0.95) or len(texts) < 5:
        return 0.0
    some = pd.Series(texts.index[:300], dtype="str")
    if some.str.contains(r"\d\d?:\d\d").mean() > 0.5:
        return 0.0
    if (
        some.str.contains(r"\s\S+\s").mean() > 0.5
        or some.str.contains(r"[/:].*[/:]|\.\d{4}").mean() > 0.5
    ):
        return 0.0
    if any(word in _NOT_IDS for word in words(name)) and not said:
        return 0.0
    return float(1.0 + distinct + 0.3 * len(said) - 1.8 * is_row_number(name))


def is_row_number(name: str) -> bool:
    """Whether the name is one that programs give to the rows of a table."""
    plain = re.sub(r"[^a-z]", "", name.lower())
    return plain in ("rowid", "rownumber", "row", "index", "") or says(name, *_ROW_IDS)


def find_keys(
    whole: pd.DataFrame,
    candidates: Sequence[str],
    mapped: Sequence[str],
    revised: Sequence[Clock],
    more: Callable[[], pd.DataFrame],
) -> Keys:
    """The key of a table.

    ``whole``: the ``candidates`` in all rows (or in very many), stripped text. ``more``: the same
    with ``mapped`` (when, what and where) and the columns of ``revised``, read where it is needed.
    """
    codes = {name: coded(whole[name]) for name in candidates}
    shares = {name: _repeats(codes[name]) for name in candidates}
    natural = [name for name in candidates if not is_row_number(name)]
    unique = [n for n in natural if shares[n] <= UNIQUE and (codes[n] >= 0).mean() > 0.3]
    if unique:
        return _with_alternatives(unique, {name: codes[name] for name in natural})
    everything = more()
    for name in natural:
        for clock in revised:
            share = _revisions(everything, name, clock)
            if share >= _REVISED and shares[name] > 0:
                why = f"{shares[name]:.1%} of the rows repeat it, {share:.0%} of those as revisions"
                return Keys(((name,),), why, shares[name], clock)
    if found := _combined(everything, natural, mapped):
        return found
    numbered = [name for name in candidates if shares[name] <= UNIQUE and (codes[name] >= 0).all()]
    if numbered:
        doubt = (
            f"{numbered[0]} numbers the rows of an export: should the next export number them "
            "otherwise, every incident comes in again; name a number of the case if there is one"
        )
        return Keys(((numbered[0],),), "tells all rows apart", shares[numbered[0]], doubt=doubt)
    return _without(everything, mapped)


def coded(texts: pd.Series) -> Codes:
    """(row,) a number for every distinct text, -1 for blanks."""
    codes, unique = pd.factorize(texts)
    blank = np.flatnonzero(pd.Series(unique, dtype="str").str.casefold().isin(BLANKS))
    return np.where(np.isin(codes, blank), -1, codes).astype(np.int64)


def _repeats(codes: Codes) -> float:
    """Share of the rows that repeat an earlier one, of those that are not blank."""
    known = codes[codes >= 0]
    return 1 - float((np.bincount(known) > 0).sum()) / len(known) if len(known) else 1.0


def _with_alternatives(unique: list[str], codes: Mapping[str, Codes]) -> Keys:
    """The best column that is unique; with the one that is filled where it is blank, if better."""
    filled = {name: float((codes[name] >= 0).mean()) for name in unique}
    best = max(unique, key=lambda name: round(filled[name], 2))  # the first of the best
    share = _repeats(codes[best])
    why = f"unique but for {share:.2%} of the rows" if share > 0.00005 else "unique"
    alone = Keys(((best,),), why, share)
    chains = [chain for name in unique if (chain := _chain(name, codes)) is not None]
    chain = min(chains, key=lambda keys: keys.repeated, default=None)
    is_better = chain is not None and chain.repeated < 0.8 * share * filled[best]
    if chain is not None and (filled[best] < 1 - _FEW or is_better):
        return chain
    return alone


def _chain(first: str, codes: Mapping[str, Codes]) -> Keys | None:
    """A column and, where it is blank, the one that is filled there; None where none is."""
    rest = codes[first] < 0
    if rest.mean() <= _FEW:
        return None
    for name, others in codes.items():
        there = rest & (others >= 0)
        if name != first and there.sum() > 0.9 * rest.sum():
            if _repeats(others[there]) > CONFLICTS:
                continue
            both = np.where(
                rest, np.where(there, others + codes[first].max() + 1, -1), codes[first]
            )
            why = f"{first} is blank in {rest.mean():.1%} of the rows: there {name} counts"
            return Keys(((first,), (name,)), why, _repeats(both))
    return None


def _revisions(whole: pd.DataFrame, name: str, clock: Clock) -> float:
    """Share of the keys that repeat whose rows were updated at different times.

    Where only later versions name a time, the first one without is another time, too.
    """
    keys = whole[name]
    several = whole[keys.duplicated(keep=False) & ~keys.str.casefold().isin(BLANKS)]
    if len(several) < 10:
        return 0.0
    times = parse(joined(several, clock.columns), clock.reading.formats)
    if times.notna().mean() < 0.3:
        return 0.0
    pairs = pd.DataFrame({"key": several[name], "time": times}).drop_duplicates()
    return float((pairs["key"].value_counts() > 1).mean())


def _combined(whole: pd.DataFrame, natural: list[str], mapped: Sequence[str]) -> Keys | None:
    """The number of a case with as few other columns as tell its rows apart."""
    for name in natural:
        if whole[name].str.casefold().isin(BLANKS).mean() > 0.02:
            continue
        known = list(dict.fromkeys([name, *mapped]))
        distinct = whole[known].drop_duplicates()
        merged = 1 - len(distinct) / len(whole)
        others = [n for n in whole.columns if n != name and (n in mapped or is_part_name(n))]
        for parts in [(), *((n,) for n in others), *combinations(others, 2)]:
            conflicts = float(distinct.duplicated([name, *parts]).mean())
            if conflicts <= CONFLICTS:
                several = f", {merged:.1%} of the rows repeat all that is read and are merged"
                why = f"tells incidents apart{several if merged > 0.001 else ''}"
                doubt = (
                    f"{conflicts:.1%} of the rows repeat the key and say something else: all but "
                    "one of each are quarantined"
                )
                return Keys(
                    ((name, *parts),), why, conflicts, doubt=doubt if conflicts > UNIQUE else ""
                )
    return None


def is_part_name(name: str) -> bool:
    """Whether a column is called as one that tells the offences of one case apart."""
    return any(word in _PARTS for word in words(name))


def _without(whole: pd.DataFrame, mapped: Sequence[str]) -> Keys:
    """No column tells rows apart: everything that says when, where and what does."""
    share = float(whole.duplicated(list(mapped)).mean())
    doubt = (
        "no column numbers the incidents: time, kind and place together are the key; "
        f"{share:.1%} of the rows are alike in all of them and count once"
    )
    return Keys((tuple(mapped),), "time, kind and place", share, doubt=doubt)
