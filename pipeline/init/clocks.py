"""The times that a table holds: in one column, in a date and a clock, in years, months and days."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product

import pandas as pd

from pipeline.ingest.clocks import joined
from pipeline.init.formats import RARE, Reading, find_reading, parse
from pipeline.init.names import BLANKS, says, stem, words
from pipeline.init.shapes import clocks as clock_formats
from pipeline.init.shapes import dates_with_rest, literal

DATED = (
    "date dt$ dat$ time datetime timestamp occ rept rpt report updat creat modif edit fecha datum "
    "when began start end from to$ hecho jour"
).split()
_CLOCK_WORDS = (
    "time tm hour hours hr hrs hora horas franja heure uhrzeit zeit stunde std hh hhmm military"
).split()
_PARTS = {
    "year": "year yr yyyy anio ano jahr annee an".split(),
    "month": "month mon mth mm mes monat mois".split(),
    "day": "day dd dia tag jour".split(),
    "hour": "hour hours hr hh hora stunde heure".split(),
    "minute": "minute minutes min minuto".split(),
}
_DROPPED = frozenset(
    ["date", "dt", "dat", "datetime", "fecha", "datum", "of", "the", "24", "la", "del", "de"]
    + _CLOCK_WORDS
    + [word for part in _PARTS.values() for word in part]
)
_RANGES = {"year": (1970, 2100), "month": (1, 12), "day": (1, 31), "hour": (0, 24)}
_RANGES["minute"] = (0, 59)
_NOT_OF_MONTH = ("week", "weekday", "dow", "doy", "name", "age", "shift")
ALMOST = 0.97
_MOST_CLOCKS = 90_000  # seconds of a day, and some slips


@dataclass(frozen=True)
class Clock:
    """A time that the table holds. ``name`` names it in messages.

    ``times``: (row,) naive, as the texts show it; ``filled``, ``read``: shares of all rows.
    """

    columns: tuple[str, ...]
    reading: Reading
    times: pd.Series
    filled: float
    read: float

    @property
    def name(self) -> str:
        """The columns in words."""
        return " + ".join(self.columns)

    @property
    def value(self) -> str | list[str]:
        """As a configuration names it."""
        return self.columns[0] if len(self.columns) == 1 else list(self.columns)


def make_clock(rows: pd.DataFrame, columns: tuple[str, ...], reading: Reading) -> Clock:
    """The columns of ``rows`` (stripped text) read as ``reading`` says."""
    text = joined(rows, columns)
    times = parse(text, reading.formats)
    filled = ~text.str.casefold().isin(BLANKS)
    return Clock(columns, reading, times, float(filled.mean()), float(times.notna().mean()))


def find_clocks(
    rows: pd.DataFrame, counts: Mapping[str, pd.Series], now: datetime | None = None
) -> list[Clock]:
    """Every time in a table of stripped text; those in one column first.

    ``counts``: how often each column has each text; columns that are not in it are left out.
    ``now``: after which nothing has happened yet.
    """
    readings = {name: find_reading(counts[name], says(name, *DATED), now) for name in counts}
    single = {name: reading for name, reading in readings.items() if reading is not None}
    single = {name: reading for name, reading in single.items() if not _is_bare_clock(counts[name])}
    found = [make_clock(rows, (name,), reading) for name, reading in single.items()]
    dates = {clock.columns[0]: clock for clock in found if not clock.reading.clock}
    clocks = {name: forms for name in counts if (forms := _clock_only(name, counts[name]))}
    for date, names in _pairs(dates, clocks):
        forms = _paired(counts[date], single[date], [clocks[name] for name in names])
        found.append(
            make_clock(rows, (date, *names), _joint(rows, (date, *names), forms, single[date]))
        )
    for columns, forms in _in_parts(counts):
        reading = Reading(forms, 1.0, clock=len(columns) > 3)
        found.append(make_clock(rows, columns, reading))
    return [clock for clock in found if clock.read > 0]


def _joint(
    rows: pd.DataFrame, columns: tuple[str, ...], forms: tuple[str, ...], date: Reading
) -> Reading:
    """How date and clock are read together, by those of ``forms`` that read anything."""
    text = joined(rows, columns)
    rest = text[text != ""]
    filled, used = max(1, len(rest)), []
    for form in forms:
        read = parse(rest, (form,)).notna()
        if read.sum() > RARE * filled:
            used.append(form)
            rest = rest[~read]
    share = 1 - len(rest) / filled
    return replace(date, formats=tuple(used), share=share, clock=True)


def _is_bare_clock(counts: pd.Series) -> bool:
    """Whether the texts are clocks that some program put on the day that it counts from."""
    some = counts.index[:500]
    days = {found[0] for text in some if (found := re.match(r"\S*(1899|1900|1970)\S*", text))}
    return len(days) == 1 and all(text.startswith(next(iter(days))) for text in some)


def _clock_only(name: str, counts: pd.Series) -> tuple[str, ...]:
    """Formats of a column that holds a time of the day; none where it holds something else."""
    if len(counts) > _MOST_CLOCKS:
        return ()
    counts = counts[~counts.index.str.casefold().isin(BLANKS)]
    if counts.empty:
        return ()
    texts, weights = pd.Series(counts.index, dtype="str"), counts.to_numpy(float)
    for forms in _clock_candidates(name, texts):
        dated = "2000-01-01 " + texts
        times = parse(dated, [f"%Y-%m-%d {form}" for form in forms])
        if weights[times.notna().to_numpy()].sum() >= ALMOST * weights.sum():
            return forms if len(counts) > 1 else ()
    return ()


def _clock_candidates(name: str, texts: pd.Series) -> Iterator[tuple[str, ...]]:
    first = texts.iloc[0]
    if texts.str.fullmatch(r"\d{1,4}(\.0)?").mean() >= ALMOST:
        if not any(word in _CLOCK_WORDS for word in words(name)):
            return
        zero = ".0" if texts.str.endswith(".0").mean() > 0.5 else ""
        numbers = pd.to_numeric(texts, errors="coerce")
        if numbers.max() <= 24 and len(texts) <= 25:
            yield (f"%H{zero}",)
        elif (numbers % 100 < 60).mean() >= ALMOST:
            yield ("%H%M",)
        return
    if _is_bare_clock(pd.Series(1, index=texts)):
        day = first.split(" ")[0].split("T")[0]
        rest = first[len(day) :]
        yield tuple(literal(day) + form for form in clock_formats(rest))
        return
    shapes = texts.str.replace(r"\d+", "9", regex=True).value_counts().index[:4]
    examples = [
        texts[texts.str.replace(r"\d+", "9", regex=True) == shape].iloc[0] for shape in shapes
    ]
    if ":" in first or re.search(r"\d ?[AaPp][Mm]$", first):
        forms = [form for text in examples for form in clock_formats(text)]
        yield tuple(dict.fromkeys(forms))


def _pairs(
    dates: Mapping[str, Clock], clocks: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Dates without a clock, each with the clock that is called alike (and its minutes)."""
    for date in dates:
        alike = [name for name in clocks if stem(name, _DROPPED) == stem(date, _DROPPED)]
        if not alike and len(dates) == len(clocks) == 1:
            alike = list(clocks)
        finest = sorted(alike, key=lambda name: clocks[name][0].startswith("%H%") is False)
        if finest:
            minutes = [name for name in alike if clocks[name] == ("%M",)]
            yield date, (finest[0], *minutes[:1])


def _paired(counts: pd.Series, date: Reading, clocks: list[tuple[str, ...]]) -> tuple[str, ...]:
    """Formats of date and clock joined by a blank; without a clock the day begins."""
    whole = _date_formats(counts, date)
    forms = [" ".join(parts) for parts in product(whole, *clocks)]
    return (*forms, *whole)


def _date_formats(counts: pd.Series, date: Reading) -> list[str]:
    """Formats of the date with what follows it as it stands: 12:00:00 AM in every row."""
    found = dict.fromkeys(
        form + literal(rest)
        for text in counts.index[:2000]
        for form, rest in dates_with_rest(text)
        if any(known.startswith(form) for known in date.formats)
        or ("ISO8601" in date.formats and form.startswith("%Y-"))
    )
    numbers = [form for form in date.formats if not form.startswith("ISO") and form not in found]
    return list(found)[:4] or numbers


def _in_parts(counts: Mapping[str, pd.Series]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Year, month, day, hour, minute in columns of their own, with their formats."""
    kinds: dict[tuple[str, ...], dict[str, tuple[str, str]]] = {}
    for name in counts:
        for part, spelled in _PARTS.items():
            if any(word in spelled for word in words(name)) and not says(name, *_NOT_OF_MONTH):
                form = _part_format(part, counts[name])
                group = kinds.setdefault(stem(name, _DROPPED), {})
                if form and part not in group:
                    group[part] = name, form
                    break
    for group in kinds.values():
        if all(part in group for part in ("year", "month", "day")):
            used = [group[part] for part in _PARTS if part in group]
            if "hour" not in group:
                used = used[:3]
            yield tuple(name for name, _ in used), (" ".join(form for _, form in used),)


def _part_format(part: str, counts: pd.Series) -> str | None:
    counts = counts[~counts.index.str.casefold().isin(BLANKS)]
    texts = pd.Series(counts.index, dtype="str")
    numbers = pd.to_numeric(texts, errors="coerce")
    low, high = _RANGES[part]
    weights = counts.to_numpy(float)
    within = weights[numbers.between(low, high).to_numpy()].sum() if len(counts) else 0
    if len(counts) and within >= ALMOST * weights.sum():
        zero = ".0" if texts.str.endswith(".0").mean() > 0.5 else ""
        return {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H", "minute": "%M"}[part] + zero
    if part == "month" and len(counts):
        for form in ("%B", "%b"):
            if pd.to_datetime(texts, format=form, errors="coerce").notna().mean() > ALMOST:
                return form
    return None
