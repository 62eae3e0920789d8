"""What a column's name says: its words, whatever the spelling, and what they commonly stand for."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

# Words that are run together in names such as DATEOCCUR or xcoord.
_PARTS = """
    address area arrest beat begin began call case category changed city code complaint coord
    coordinate created crime date datetime day delito desc description disposition district
    division easting edited end entered event fecha first from hecho hora hour id incident
    kind last lat latitude latitud lon long longitude longitud location loaded lng
    minute modified month mois name neighborhood no northing num number occ occur occurred
    occurrence offence offense officer police precinct primary received recorded ref report
    reported reporting rpt sector start state status street text time timestamp to type until
    updated ward year zip zone
""".split()
_WORDS = sorted(_PARTS, key=len, reverse=True)


@cache
def words(name: str) -> tuple[str, ...]:
    """The words of a name in small plain letters: ``CMPLNT_FR_DT`` is cmplnt, fr, dt."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", plain)
    found = re.findall(r"[a-z]+|\d+", parted.lower())
    return tuple(part for word in found for part in (_segments(word) or (word,)))


@cache
def _segments(word: str) -> tuple[str, ...] | None:
    """The word as common words run together, the longest first; None where it is not."""
    if word in _PARTS:
        return (word,)
    for part in _WORDS:
        rest = word.removeprefix(part)
        if rest != word and len(rest) > 1 and (more := _segments(rest)):
            return (part, *more)
    if len(word) > 2 and word[0] in "xy" and word[1:] in ("coord", "coordinate"):
        return (word[0], word[1:])
    return None


def says(name: str, *roots: str) -> bool:
    """Whether a word of the name begins with one of ``roots``; one with a $ must be the word."""
    return any(_is(word, root) for word in words(name) for root in roots)


def _is(word: str, root: str) -> bool:
    return word == root[:-1] if root.endswith("$") else word.startswith(root)


def stem(name: str, dropped: frozenset[str]) -> tuple[str, ...]:
    """The words of a name without those in ``dropped``: what two columns have in common."""
    return tuple(word for word in words(name) if word not in dropped)


def plain(name: str) -> str:
    """The form in which the names of columns are compared when files are read."""
    return re.sub(r"[\s_.\-\ufeff]+", "", name).casefold()


BLANKS = frozenset(["", "null", "(null)", "none", "nan", "na", "n/a", "nat", "-", "--", "<null>"])
