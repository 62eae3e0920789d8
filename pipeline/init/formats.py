"""Texts to date formats: what shapes they have, and which formats read them.

A shape is a text with its digits and month names taken out. Every shape that is not rare gets the
format that reads most of its texts; month-first and day-first are told apart by days above 12.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.ingest.clocks import parse_times
from pipeline.init.names import BLANKS
from pipeline.init.shapes import candidates, shape_of

Order = Literal["month", "day", "mixed", "unknown", "clear"]
RARE = 0.0005  # shapes below this share of the texts get no format
_MOST_TEXTS = 20_000
_YEARS = 1900, 2100


@dataclass(frozen=True)
class Reading:
    """How texts are read as times.

    ``formats``: the most frequent first; ``share``: of the texts, what they read. ``order``:
    whether days or months come first, ``clear`` where that is no question; ``doubtful``: share of
    texts that either order reads. ``clock``: whether the time of the day varies. ``rival``: a
    format with the year elsewhere that reads as many texts, "" where there is none.
    """

    formats: tuple[str, ...]
    share: float
    order: Order = "clear"
    doubtful: float = 0.0
    clock: bool = False
    rival: str = ""

    def in_order(self, first: Literal["month", "day"]) -> Reading:
        """The same with months (or days) first, where the texts leave that open."""
        if self.order != "unknown":
            return self
        other = "%d" if first == "month" else "%m"
        is_other = [
            form.startswith(other) and form[2:4] not in ("%b", "%B") for form in self.formats
        ]
        formats = [
            _swapped(form) if swap else form
            for form, swap in zip(self.formats, is_other, strict=True)
        ]
        return replace(self, formats=tuple(dict.fromkeys(formats)))


def _swapped(form: str) -> str:
    return form.replace("%m", "%_").replace("%d", "%m").replace("%_", "%d")


def find_reading(
    counts: pd.Series, dated: bool = False, now: datetime | None = None
) -> Reading | None:
    """The formats that read the texts of a column; None where those read are under half of it.

    ``counts``: how often each text (stripped) occurs. ``dated``: whether bare numbers may be dates,
    or seconds or milliseconds since 1970. ``now``: after which nothing has happened yet.
    """
    counts = _sampled(counts)
    if counts.empty or not _looks_dated(counts, dated):
        return None
    total = float(counts.sum())
    shapes = pd.Series([shape_of(text) for text in counts.index], index=counts.index)
    weights = counts.groupby(shapes).sum().sort_values(ascending=False)
    enough = max(RARE * total, 2 if total > 50 else 1)
    kinds = [counts[shapes == shape] for shape in weights.index[weights >= enough][:30]]
    parts = [part for kind in kinds for part in _read_shape(kind, dated, now)]
    if not parts:
        return None
    read = np.concatenate([part.read for part in parts])
    share = float(counts[read].sum()) / total
    if share < 0.5:
        return None
    month, day = (sum(side) for side in zip(*((p.month, p.day) for p in parts), strict=True))
    order = _order(month, day, sum(part.either for part in parts))
    reading = Reading(
        formats=_ranked(parts, order),
        share=share,
        order=order,
        doubtful=sum(part.either for part in parts) / total,
        rival=next((part.rival for part in parts if part.rival), ""),
    )
    times = parse(pd.Series(read, dtype="str"), reading.formats)
    return replace(reading, clock=_varies(times, counts[read]))


def _order(month: float, day: float, either: float) -> Order:
    if month and day:
        return "mixed"
    if month or day:
        return "month" if month else "day"
    return "unknown" if either else "clear"


def _ranked(parts: list[_Part], order: Order) -> tuple[str, ...]:
    """The formats, the most read first; where a shape leaves the order open, as the others say."""
    other = {"month": "%d", "day": "%m"}.get(order, "")
    ranked = sorted(parts, key=lambda part: -len(part.read))
    forms = [
        _swapped(part.form) if other and _is_open(part, other) else part.form for part in ranked
    ]
    return tuple(dict.fromkeys(forms))


def _is_open(part: _Part, other: str) -> bool:
    return bool(part.either) and not part.month and not part.day and part.form.startswith(other)


def parse(texts: pd.Series, formats: Sequence[str]) -> pd.Series:
    """Texts as the cleaner reads them, on the clock that they show (naive; instants in UTC)."""
    codes, unique = pd.factorize(texts)
    times = parse_times(pd.Series(unique, dtype="str"), tuple(formats), ZoneInfo("UTC"))[0]
    return times.dt.tz_localize(None).take(codes).set_axis(texts.index)


def _varies(times: pd.Series, counts: pd.Series) -> bool:
    """Whether times of the day are more than one or two fixed ones (midnight, in UTC or not)."""
    of_day = (times - times.dt.normalize()).dt.total_seconds()
    shares = pd.Series(counts.to_numpy()).groupby(of_day.to_numpy()).sum().sort_values()
    return bool(len(shares)) and bool(shares.iloc[:-2].sum() > 0.02 * shares.sum())


def _sampled(counts: pd.Series) -> pd.Series:
    counts = counts[~counts.index.str.casefold().isin(BLANKS)]
    if len(counts) <= _MOST_TEXTS:
        return counts
    return counts.sample(_MOST_TEXTS, random_state=7)


def _looks_dated(counts: pd.Series, dated: bool) -> bool:
    some = counts.index[:: max(1, len(counts) // 200)]
    return float(np.mean([bool(candidates(text, dated)) for text in some])) >= 0.5


@dataclass(frozen=True)
class _Part:
    """Texts of one shape that a format reads; weights of those that tell the order, or do not."""

    form: str
    read: NDArray[np.object_]
    month: float = 0.0
    day: float = 0.0
    either: float = 0.0
    rival: str = ""


def _read_shape(counts: pd.Series, dated: bool, now: datetime | None) -> Iterator[_Part]:
    """The best format of texts of one shape, then that of what is left, while it is not rare."""
    texts = pd.Series(counts.index, dtype="str")
    forms = candidates(str(counts.index[0]), dated)
    times = {form: read_one(texts, form) for form in forms}
    weights, left = counts.to_numpy(float), np.ones(len(counts), bool)
    while forms and weights[left].sum() > max(0.002 * weights.sum(), 1.5):
        read = {form: times[form].notna().to_numpy() & left for form in forms}
        best = max(forms, key=lambda form: weights[read[form]].sum())  # the first of the best
        if weights[read[best]].sum() < 0.3 * weights[left].sum():
            return
        most = weights[read[best]].sum()
        tied = {f: times[f][read[f]] for f in forms if weights[read[f]].sum() == most}
        best, rival = _year_first_or_last(best, tied, now)
        month, day, either = _sides(best, times, weights, left)
        found = counts.index.to_numpy(object)[read[best]]
        yield _Part(best, found, month, day, either, rival)
        left &= ~read[best]


def _year_first_or_last(
    best: str, tied: Mapping[str, pd.Series], now: datetime | None
) -> tuple[str, str]:
    """Of formats that read as many texts the one with the shorter span that is past, and its rival.

    23-11-05 reads as days of 2023 and as days of 2005. ``tied``: the times that each format reads.
    """
    first = [form for form in tied if form.startswith("%y")]
    last = [form for form in tied if "%y" in form and form not in first]
    if not first or not last:
        return best, ""

    def unlikely(form: str) -> tuple[bool, pd.Timedelta]:
        span = tied[form].max() - tied[form].min()
        return now is not None and tied[form].max() > pd.Timestamp(now).tz_localize(None), span

    one, other = first[0], min(last, key=unlikely)
    if unlikely(other) < unlikely(one):
        return (best if best in last else other), one
    return one, other


def _sides(
    best: str, times: dict[str, pd.Series], weights: NDArray[np.float64], left: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Weights of the texts that only month-first, only day-first, and either order can read."""
    other = _swapped(best)
    if other not in times or other == best:
        return 0.0, 0.0, 0.0
    one, two = times[best], times[other]
    only_one = weights[(one.notna() & two.isna()).to_numpy() & left].sum()
    only_two = weights[(two.notna() & one.isna()).to_numpy() & left].sum()
    either = weights[(one.notna() & two.notna() & (one != two)).to_numpy() & left].sum()
    if only_two <= 0.002 * (only_one + only_two):  # slips of the pen
        only_two = 0.0
    month_first = best.find("%m") < best.find("%d")
    sides = (only_one, only_two) if month_first else (only_two, only_one)
    return float(sides[0]), float(sides[1]), float(either)


def read_one(texts: pd.Series, form: str) -> pd.Series:
    """Texts by one format (naive); years that no incident has are missing."""
    times = parse(texts, (form,))
    return times.where(times.dt.year.between(*_YEARS))
