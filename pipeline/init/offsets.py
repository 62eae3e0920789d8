"""Whether times that say UTC are UTC, and whether times that say nothing are local clock times.

Many exports put Z or +00 behind the local clock. Two things tell: unknown times stand at midnight
of the clock that was meant, and between three and seven in the morning the least happens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from pipeline.init.formats import Reading
from pipeline.init.shapes import EPOCH_MS, EPOCH_S, ISO, candidates, shape_of

_SAYS_UTC = r" ?(?:Z|UTC|GMT|[+-]00(?::?00)?)$"
_ENOUGH = 500  # times, below which a clock's shape says nothing
_FEWER = 0.75
_QUIET = range(3, 7)


@dataclass(frozen=True)
class Offsets:
    """``reading``: as it has to be; ``why``: what the times tell, in words; ``doubt`` likewise."""

    reading: Reading
    why: str = ""
    doubt: str = ""


def judge_offsets(texts: pd.Series, reading: Reading, times: pd.Series, zone: ZoneInfo) -> Offsets:
    """Judge a column of times. ``texts``: distinct ones; ``times``: naive, instants in UTC."""
    known = times.dropna()
    counts = any(form in (EPOCH_S, EPOCH_MS) for form in reading.formats)
    if not counts and not _say_utc(texts):
        return Offsets(reading, doubt=_odd_clock(known, zone) if reading.clock else "")
    local = known.dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None)
    if _is_meant(known, local) and counts:
        return Offsets(
            reading,
            doubt="read as UTC, these numbers give odd hours: they may count the local clock; "
            "export the times as text, as in 2024-05-31 14:05",
        )
    if _is_meant(known, local):
        shown = "midnight" if _midnight(known) > 0.01 else "the quiet hours"
        why = f"{shown} shows that the clock is local, although the texts say UTC"
        return Offsets(as_shown(texts, reading), why)
    return Offsets(reading, f"UTC, as is said: so read, {_quiet(local):.0%} fall at 3 to 7 h")


def _is_meant(shown: pd.Series, local: pd.Series) -> bool:
    """Whether the clock that the texts show is the one that was meant, and not that in UTC."""
    as_shown, converted = _midnight(shown), _midnight(local)
    if max(as_shown, converted) > 0.01 and max(as_shown, converted) > 2 * min(as_shown, converted):
        return as_shown > converted
    return len(shown) >= _ENOUGH and _quiet(shown) < _FEWER * _quiet(local)


def _midnight(times: pd.Series) -> float:
    """Share of the times that are midnight sharp."""
    return float((times == times.dt.normalize()).mean()) if len(times) else 0.0


def _quiet(times: pd.Series) -> float:
    """Share of the times between three and seven in the morning."""
    return float(times.dt.hour.isin(_QUIET).mean()) if len(times) else 0.0


def _odd_clock(times: pd.Series, zone: ZoneInfo) -> str:
    """What is odd about local times, of which the fewest should fall before seven."""
    if len(times) < _ENOUGH:
        return ""
    local = times.dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None)
    if _quiet(local) < 0.6 * _quiet(times) and _midnight(local) >= _midnight(times):
        hours = np.bincount(times.dt.hour, minlength=24)
        return (
            f"the fewest incidents fall at {int(np.argmin(hours))} h: the times may be in UTC, but "
            "are read as the local clock; export them with their offset, as in 2024-05-31T14:05Z"
        )
    return ""


def _say_utc(texts: pd.Series) -> bool:
    return bool((texts.str.contains(_SAYS_UTC) & texts.str.contains(r"\d[T ]\d")).mean() > 0.5)


def as_shown(texts: pd.Series, reading: Reading) -> Reading:
    """The same with what says UTC as it stands, so that the clock is read as the texts show it."""
    texts = texts[texts.str.contains(_SAYS_UTC)]
    if texts.empty:
        return reading
    shapes = texts.groupby([shape_of(text) for text in texts]).first()
    forms = []
    for text in shapes:
        said = re.search(_SAYS_UTC, text)
        for form in candidates(text):
            tail = next((t for t in ("%z", "%Z") if form.endswith(t)), None)
            is_read = form in reading.formats or (ISO in reading.formats and form[:2] == "%Y")
            if said and form != ISO and tail and is_read:
                forms.append(form.removesuffix(tail).rstrip(" ") + said[0])
    kept = [form for form in reading.formats if form != ISO and not form.endswith(("%z", "%Z"))]
    return replace(reading, formats=tuple(dict.fromkeys([*forms, *kept])))
