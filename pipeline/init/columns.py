"""What a table's other columns are: the category, the district, the arrest, what takes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from pipeline.errors import DataError
from pipeline.groups import normalize
from pipeline.init.groups import group_of, known_share
from pipeline.init.names import BLANKS, says, words

_NAMED = (
    "crime crim$ crm$ offen incident ucr nibrs delito delict misdaad infraction straftat ofns "
    "call event charge primary category categor group type text kind law"
).split()
_STRONG = "category categor group primary parent general type text".split()
_CODES = "code cd id ky iucr fbi".split()
_ELSE = (  # what other columns of texts are about
    "district beat precinct sector zone neigh ward division area borough boro city state street "
    "address location premis place weapon day month shift dispo status outcome clear resolut "
    "method juris agency unit priority source zip council park station hate gang domestic method "
    "name method open report$ region county cnn mocode watch"
).split()
_DISTRICTS = (
    "police district|district|precinct|pct|division|dst|area name|area|sector|borough|boro|comuna|"
    "alcaldia|zone|npa|ward|beat|neighborhood|neighbourhood|neighborho|barrio|community|psa"
).split("|")
_YES_NO = frozenset("true false t f y n yes no 0 1 si s arrested".split()) | BLANKS
_STATUS = "status dispo outcome clear resolut result finding closure stat$".split()
_TAKEN_BACK = (
    "unfound",
    "no crime",
    "not a crime",
    "cancel",
    "void",
    "retract",
    "withdrawn",
    "baseless",
    "false report",
    "false alarm",
    "expunge",
    "deleted",
    "duplicate",
)
_SIGNS = "count sign num$ number qty quantity adj amount".split()
MOST_CATEGORIES, _MOST_STATES = 1500, 80


@dataclass(frozen=True)
class Chosen:
    """A column, and why."""

    name: str
    why: str
    doubt: str = ""


def filled(counts: pd.Series) -> pd.Series:
    """The counts of a column's texts without blanks."""
    return counts[~counts.index.str.casefold().isin(BLANKS)]


def find_category(counts: Mapping[str, pd.Series]) -> Chosen:
    """The column of the offence, the coarser one of several. Raises DataError where there is none.

    ``counts``: how often each column has each text.
    """
    worth = {name: value for name in counts if (value := _worth(name, counts[name])) > 0}
    if not worth:
        raise DataError(_no_category(counts))
    best = max(worth, key=lambda name: worth[name])
    texts = filled(counts[best])
    known = known_share(texts)
    kinds = len({normalize(text) for text in texts.index})
    rivals = [name for name in sorted(worth, key=lambda n: -worth[n]) if name != best]
    beside = f"; finer or coarser: {', '.join(rivals[:3])}" if rivals else ""
    why = f"{kinds} kinds, {known:.0%} of the rows of a known one{beside}"
    doubt = "" if known > 0.5 else f"few texts of {best} are names of offences that are known"
    return Chosen(best, why, doubt)


def _no_category(counts: Mapping[str, pd.Series]) -> str:
    flags = [name for name in counts if group_of(name) and set(counts[name].index) <= _YES_NO]
    if len(flags) > 2:
        return (
            f"the kinds of offences stand in columns of their own ({', '.join(flags[:4])}): add "
            "one column that names the kind of each incident"
        )
    return (
        f"no column holds kinds of offences; there are {', '.join(list(counts)[:30])}: add one "
        "that says what each incident was, as in theft or assault"
    )


def _worth(name: str, counts: pd.Series) -> float:
    """How well a column serves as the category: what its texts are, its name, how many kinds."""
    if len(counts) > 2 * MOST_CATEGORIES:
        return 0.0
    texts, rows = filled(counts), counts.sum()
    if not 1 <= len(texts) <= MOST_CATEGORIES or not rows or texts.sum() < 0.5 * rows:
        return 0.0
    kinds = len({normalize(text) for text in texts.index})
    known = known_share(texts)
    if kinds == 1 and known < 1:
        return 0.0
    named = 0.6 * says(name, *_NAMED[:13]) + 0.5 * says(name, *_STRONG) + 0.2 * says(name, *_NAMED)
    named -= 1.0 * says(name, *_ELSE) * (known < 0.8) + 0.6 * any(w in _CODES for w in words(name))
    worth = 4 * known + named + _fineness(kinds) - 3 * (1 - texts.sum() / rows)
    return worth if known > 0.25 or (named >= 0.6 and kinds > 2 and not _is_code(texts)) else 0.0


def _fineness(kinds: int) -> float:
    """What a number of kinds is worth: some five to eighty tell enough and repeat enough."""
    steps = ((3, -1.0), (5, 0.2), (7, 0.7), (80, 1.0), (200, 0.5), (500, 0.1))
    return next((value for most, value in steps if kinds <= most), -0.5)


def _is_code(texts: pd.Series) -> bool:
    return bool((texts.index.str.contains(r"[A-Za-z]{3}")).mean() < 0.5)


def find_district(counts: Mapping[str, pd.Series], taken: Sequence[str]) -> Chosen | None:
    """The column of the police's own areas, the largest ones first."""
    free = [name for name in counts if name not in taken]
    for wanted in _DISTRICTS:
        for name in free:
            if f" {wanted} " not in f" {' '.join(words(name))} " or len(counts[name]) > 400:
                continue
            texts = filled(counts[name])
            if len(texts) >= 2:
                share = texts.sum() / max(1, counts[name].sum())
                if share > 0.1 and not says(name, "council", "superv", "school", "fire", "transit"):
                    return Chosen(name, f"{len(texts)} areas, {share:.0%} of the rows")
    return None


def find_arrest(counts: Mapping[str, pd.Series], taken: Sequence[str]) -> Chosen | None:
    """A column of yes and no that says whether somebody was arrested."""
    for name in counts:
        if name in taken or not says(name, "arrest") or len(counts[name]) > 6:
            continue
        texts = filled(counts[name])
        if len(texts) and set(texts.index.str.casefold()) <= _YES_NO:
            return Chosen(name, f"says {' or '.join(map(str, texts.index[:2]))}")
    return None


@dataclass(frozen=True)
class TakenBack:
    """The column whose ``texts`` say that an incident never was; ``share``: of the rows."""

    name: str
    texts: tuple[str, ...]
    share: float
    why: str


def find_taken_back(counts: Mapping[str, pd.Series], taken: Sequence[str]) -> TakenBack | None:
    """Rows that reverse others (a count of -1), or a status such as UNFOUNDED."""
    free = [name for name in counts if name not in taken and len(counts[name]) <= _MOST_STATES]
    for name in free:
        texts = filled(counts[name])
        numbers = pd.to_numeric(pd.Series(texts.index), errors="coerce")
        if says(name, *_SIGNS) and 2 <= len(texts) <= 6 and set(numbers) <= {-1.0, 0.0, 1.0}:
            minus = tuple(text for text in texts.index if float(text) == -1)
            share = float(texts[list(minus)].sum() / texts.sum())
            if minus and share < 0.4:
                return TakenBack(name, minus, share, "rows of -1 reverse earlier ones")
    for name in free:
        texts = filled(counts[name])
        said = [text for text in texts.index if _is_taken_back(text)]
        share = float(texts[said].sum() / counts[name].sum()) if said else 0.0
        is_status = says(name, *_STATUS) or any("unfound" in text.casefold() for text in said)
        if is_status and 0 < share < 0.5:
            return TakenBack(name, tuple(said), share, "incidents that turned out not to be any")
    return None


def _is_taken_back(text: str) -> bool:
    plain = normalize(text)
    return any(sign in plain for sign in _TAKEN_BACK) and not plain.startswith(("not unf", "non"))
