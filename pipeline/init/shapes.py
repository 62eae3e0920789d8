"""Shapes of texts that hold times, and the date formats that could read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import product

ISO = "ISO8601"
EPOCH_S, EPOCH_MS = "epoch_s", "epoch_ms"
_TOKEN = re.compile(r"\d+|[A-Za-z]+|[^A-Za-z\d]+")
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_LONG_MONTHS = (
    "january february march april may june july august september october november december".split()
)
_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_CLOCK = re.compile(
    r"(?P<lead>[^\d]*?)(?P<h>\d{1,2})(?P<m>[:h.]\d{2})?(?P<s>:\d{2})?(?P<f>[.,]\d{1,9})?"
    r"(?P<p> *[AaPp][Mm])?(?P<z> ?(?:Z|[A-Z]{3}|[+-]\d{2}(?::?\d{2})?))?"
)


@cache
def shape_of(text: str) -> str:
    """A text with its digits, names of months and days, and halves of the day taken out."""
    return "".join(_class_of(token) for token in _TOKEN.findall(text))


def _class_of(token: str) -> str:
    if token.isdigit():
        return "9" if len(token) <= 2 else f"<{len(token)}>"
    low = token.lower()
    if not token[0].isalpha():
        return token
    for kind, known in (("<b>", _MONTHS), ("<B>", _LONG_MONTHS), ("<A>", _WEEKDAYS)):
        if low in known:
            return "<b>" if low == "may" else kind
    if low in [day[:3] for day in _WEEKDAYS]:
        return "<a>"
    return "<p>" if low in ("am", "pm") else token


def candidates(text: str, dated: bool = False) -> list[str]:
    """Formats that could read ``text`` and all of its shape, the likelier first."""
    tokens = _TOKEN.findall(text)
    if re.fullmatch(r"-?\d+(\.\d+)?([eE]\+?\d+)?", text):
        return _of_number(text) if dated else []
    head, rest = _weekday(tokens)
    found = []
    for form, used in _dates(rest):
        if form == ISO:
            found.append(ISO)
            continue
        found += [head + form + tail for tail in clocks("".join(rest[used:]))]
    return list(dict.fromkeys(found))


def _of_number(text: str) -> list[str]:
    whole = re.sub(r"\.0+$", "", text)
    by_length = {
        8: ["%Y%m%d", "%m%d%Y", "%d%m%Y"],
        12: ["%Y%m%d%H%M"],
        14: ["%Y%m%d%H%M%S"],
        6: ["%y%m%d", "%m%d%y", "%d%m%y"],
    }
    found = [form + text[len(whole) :] for form in by_length.get(len(whole), [])]
    size = abs(float(text))
    found += [EPOCH_MS] if 3e11 < size < 4e12 else []
    return found + ([EPOCH_S] if 3e8 < size < 4e9 else [])


def _weekday(tokens: list[str]) -> tuple[str, list[str]]:
    if not tokens or _class_of(tokens[0]) not in ("<a>", "<A>"):
        return "", tokens
    separator = tokens[1] if len(tokens) > 1 else ""
    return ("%a" if _class_of(tokens[0]) == "<a>" else "%A") + separator, tokens[2:]


def _dates(tokens: list[str]) -> Iterator[tuple[str, int]]:
    """Formats of the date at the beginning, and how many tokens it takes."""
    kinds = [_class_of(token) for token in tokens[:5]]
    if kinds and kinds[0] == "<8>":
        yield from ((form, 1) for form in ("%Y%m%d", "%m%d%Y", "%d%m%Y"))
        return
    if kinds[:2] == ["9", "<b>"] and kinds[2:3] in (["<4>"], ["9"]):  # 01JAN2020
        yield ("%d%b%Y" if kinds[2] == "<4>" else "%d%b%y"), 3
        return
    if len(kinds) < 5 or any(kind[0] in "<9" or kind.isalnum() for kind in (kinds[1], kinds[3])):
        return
    a, s, b, t, c = kinds
    s, t = literal(s), literal(t)
    month = {"<b>": "%b", "<B>": "%B"}
    if a == "<4>" and b == c == "9":
        if s == t == "-":
            yield ISO, 0
        yield f"%Y{s}%m{t}%d", 5
    elif a == "<4>" and b in month and c == "9":
        yield f"%Y{s}{month[b]}{t}%d", 5
    elif a == "9" and b in month and c in ("<4>", "9"):
        yield f"%d{s}{month[b]}{t}{'%Y' if c == '<4>' else '%y'}", 5
    elif a in month and b == "9" and c in ("<4>", "9"):
        yield f"{month[a]}{s}%d{t}{'%Y' if c == '<4>' else '%y'}", 5
    elif a == b == "9" and c in ("<4>", "9"):
        year = "%Y" if c == "<4>" else "%y"
        yield f"%m{s}%d{t}{year}", 5
        yield f"%d{s}%m{t}{year}", 5
        if c == "9":
            yield f"%y{s}%m{t}%d", 5


def clocks(text: str) -> list[str]:
    """Formats of what follows a date: nothing, a clock, an offset."""
    if not text:
        return [""]
    match = _CLOCK.fullmatch(text)
    if match is None:
        compact = re.fullmatch(r"([^\d]*?)(\d{4})", text)
        return [literal(compact[1]) + "%H%M"] if compact else []
    if not (match["m"] or match["p"] or match["lead"]):
        return []
    tail = f"{match['m'][0]}%M" if match["m"] else ""
    tail += ":%S" if match["s"] else ""
    tail += f"{match['f'][0]}%f" if match["f"] else ""
    half = match["p"][:-2] + "%p" if match["p"] else ""
    hours = ["%I", "%H"] if half else ["%H"]
    zones = _zones(match["z"])
    lead = literal(match["lead"])
    return [f"{lead}{hour}{tail}{half}{zone}" for zone, hour in product(zones, hours)]


def _zones(zone: str | None) -> list[str]:
    if not zone:
        return [""]
    space = " " if zone.startswith(" ") else ""
    return [space + ("%Z" if zone.strip().isalpha() and zone.strip() != "Z" else "%z")]


def literal(text: str) -> str:
    """Text that a format reads as it stands."""
    return text.replace("%", "%%")


def dates_with_rest(text: str) -> list[tuple[str, str]]:
    """Formats of the date at the beginning of ``text``, each with the text that follows it."""
    tokens = _TOKEN.findall(text)
    return [(form, "".join(tokens[used:])) for form, used in _dates(tokens) if form != ISO]
