"""Looking at a city's data, step by step, until a configuration can be drafted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import shapely

from pipeline.errors import ConfigError
from pipeline.init.clocks import Clock, make_clock
from pipeline.init.columns import (
    TakenBack,
    find_arrest,
    find_category,
    find_district,
    find_taken_back,
)
from pipeline.init.draft import Boundary, Draft
from pipeline.init.files import short_name
from pipeline.init.groups import MIN_INCIDENTS, sort_categories
from pipeline.init.hints import hints_of
from pipeline.init.keys import Keys, find_keys, is_part_name, key_candidates
from pipeline.init.offsets import as_shown, judge_offsets
from pipeline.init.places import Place, find_place
from pipeline.init.span import find_span
from pipeline.init.table import Table, stripped
from pipeline.init.times import Times, find_times
from pipeline.place import read_boundary

_OUTLINES = (".geojson", ".gpkg", ".shp", ".fgb", ".kml", ".json")
_LEAST_INSIDE, _MOST_TRIED = 0.5, 20_000
_TIMES_READ = 500_000
_MIN_NIGHTS = 28
Counts = Mapping[str, pd.Series]


def look(
    table: Table, out: Path | None, boundary: Path | None, place: str | None, now: datetime
) -> Draft:
    """Everything that a configuration needs, found in a sample. Raises DataError, ConfigError."""
    boundary, outline = _outline(boundary, table.paths)
    names = [name for name in table.names if name.strip()]
    rows = stripped(table.rows[names])
    counts = {name: rows[name].value_counts() for name in names}
    where = find_place(rows, names, hints_of(table.name, place, outline))
    free = {n: counts[n] for n in names if n not in (where.east, where.north)}
    times, clock = _on_the_clock(rows, counts, find_times(rows, free, where.days_first, now), where)
    used = [name for time in times.chosen for name in time.columns]
    others = {n: texts for n, texts in free.items() if n not in used}
    category = find_category(others)
    back = find_taken_back(others, [category.name])
    taken = [category.name, *([back.name] if back else [])]
    arrest = find_arrest(others, taken)
    taken += [arrest.name] if arrest else []
    mapped = list(dict.fromkeys([*times.occurred.columns, category.name, where.east, where.north]))
    candidates = key_candidates(others, [*taken, *(n for t in times.revised for n in t.columns)])
    whole = table.whole(list(dict.fromkeys([*candidates, *times.occurred.columns, category.name])))
    name = table.name if table.pieces else short_name(where.city.name)
    draft = Draft(
        out=(out or Path(f"{name}.yaml")).absolute(),
        name=name,
        table=table,
        place=where,
        times=times,
        category=category,
        district=find_district(others, taken),
        arrest=arrest,
        taken_back=back,
        keys=_keys(table, whole, candidates, mapped, times, back),
        groups=sort_categories(_scaled(whole[category.name].value_counts(), whole, table)),
        span=find_span(*_occurrences(whole, times, table), now.astimezone(_zone(where))),
        boundary=_inside(boundary, outline, where),
        persons=table.persons,
        now=now,
        clock=clock,
    )
    return replace(draft, doubts=tuple(_doubts(draft, boundary)))


def _zone(place: Place) -> ZoneInfo:
    return ZoneInfo(place.timezone)


def _outline(
    boundary: Path | None, paths: Sequence[str]
) -> tuple[Path | None, shapely.Geometry | None]:
    """The boundary's file and polygons: as given, else what lies beside the data by that name."""
    if boundary is not None:
        return boundary.absolute(), read_boundary(str(boundary.absolute()))
    if "://" in paths[0] or "*" in paths[0]:
        return None, None
    data = Path(paths[0])
    stem = data.name.split(".")[0]
    for beside in (data.with_name(stem + suffix) for suffix in _OUTLINES):
        if beside.is_file() and beside != data:
            try:
                return beside, read_boundary(str(beside))
            except ConfigError:  # a file of points, or none of places at all
                continue
    return None, None


def _on_the_clock(
    rows: pd.DataFrame, counts: Counts, times: Times, place: Place
) -> tuple[Times, str]:
    """The times as local clocks or instants, whatever their texts say; and how that is known."""
    occurred = times.occurred
    if len(occurred.columns) > 1:
        return times, ""
    texts = pd.Series(counts[occurred.columns[0]].index, dtype="str")
    judged = judge_offsets(texts, occurred.reading, occurred.times, _zone(place))
    doubts = (*times.doubts, judged.doubt) if judged.doubt else times.doubts
    times = replace(times, doubts=doubts)
    if judged.reading == occurred.reading:
        return times, judged.why

    def shown(clock: Clock | None) -> Clock | None:
        if clock is None or len(clock.columns) > 1:
            return clock
        texts = pd.Series(counts[clock.columns[0]].index, dtype="str")
        return make_clock(rows, clock.columns, as_shown(texts, clock.reading))

    first = make_clock(rows, occurred.columns, judged.reading)
    changed = replace(
        times, occurred=first, until=shown(times.until), reported=shown(times.reported)
    )
    return changed, judged.why


def _keys(
    table: Table,
    whole: pd.DataFrame,
    candidates: Sequence[str],
    mapped: Sequence[str],
    times: Times,
    back: TakenBack | None,
) -> Keys:
    """The key; rows that take others back repeat it by their nature and are left out."""
    stamps = [name for time in times.revised for name in time.columns]
    columns = list(dict.fromkeys([*candidates, *mapped, *stamps, *([back.name] if back else [])]))
    parts = [n for n in table.names if n not in columns]

    def more() -> pd.DataFrame:
        found = table.whole([*columns, *(n for n in parts if _may_part(table, n))])
        return found[~found[back.name].isin(back.texts)] if back else found

    if back:
        whole = more()
    return find_keys(whole, candidates, mapped, times.revised, more)


def _may_part(table: Table, name: str) -> bool:
    """Whether a column of few texts might tell the offences of one case apart."""
    return is_part_name(name) and table.rows[name].nunique() < 0.5 * len(table.rows)


def _scaled(counts: pd.Series, whole: pd.DataFrame, table: Table) -> pd.Series:
    """Rows by category in all the data, from those looked at."""
    return (counts * max(1.0, table.total / max(1, len(whole)))).round().astype("int64")


def _occurrences(whole: pd.DataFrame, times: Times, table: Table) -> tuple[pd.Series, float]:
    """Times of occurrence from all over the data, and what share of the rows they are of."""
    some = whole.iloc[:: max(1, len(whole) // _TIMES_READ)]
    clock = make_clock(some, times.occurred.columns, times.occurred.reading)
    return clock.times, len(some) / table.total


def _inside(path: Path | None, outline: shapely.Geometry | None, place: Place) -> Boundary | None:
    """The boundary, if enough of the incidents lie within."""
    if path is None or outline is None:
        return None
    known = pd.DataFrame({"lon": place.lon, "lat": place.lat}).dropna()
    some = known.iloc[:: max(1, len(known) // _MOST_TRIED)]
    shapely.prepare(outline)
    share = float(shapely.contains_xy(outline, some["lon"], some["lat"]).mean())
    km2 = outline.area * 111.2**2 * math.cos(math.radians(outline.centroid.y))
    return Boundary(path, share, km2) if share >= _LEAST_INSIDE else None


def _doubts(draft: Draft, boundary: Path | None) -> Iterator[str]:
    span, rows = draft.span, draft.table.total
    if span.days < _MIN_NIGHTS or rows < MIN_INCIDENTS:
        yield (
            f"too little for a forecast: about {rows:,} rows of {span.days} nights, and a baseline "
            f"needs {MIN_INCIDENTS} of {_MIN_NIGHTS}; deliver more history"
        )
    if draft.is_head:
        yield "only the beginning of the data was looked at: later rows may differ"
    if boundary and draft.boundary is None:
        yield f"most incidents lie outside {boundary.name}, which is not used"
    if draft.place.city_km > 60:
        yield f"no city within {draft.place.city_km:.0f} km of the incidents: check the coordinates"
    if draft.place.share < 0.5:
        yield f"only {draft.place.share:.0%} of the rows have usable coordinates"
