"""What the demo city delivers: late, revised, partly retracted, and with every kind of dirt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from grids.hexgrid import OUTSIDE
from grids.hours import localize
from pipeline.simulate import (
    CATEGORIES,
    DELAY_MEANS_HOURS,
    UNFOUNDED,
    DemoCity,
    Incidents,
    simulate,
)

COLUMNS = (
    "report_no",
    "version",
    "status",
    "offense",
    "occurred_from",
    "occurred_to",
    "reported",
    "updated",
    "latitude",
    "longitude",
    "district",
    "arrest",
)
TIME_FORMATS = ("%Y-%m-%d %H:%M", "%m/%d/%Y %I:%M %p")
DIRTY_KINDS = (
    "unparseable_time",
    "blank_time",
    "year_1900",
    "year_2099",
    "blank_coordinates",
    "near_zero_coordinates",
    "bogus_point",
    "outside_boundary",
    "exact_duplicate",
    "conflicting_key",
    "blank_report_no",
)
_TIMES = {
    "occurred_from": "occurred_at",
    "occurred_to": "occurred_until",
    "reported": "reported_at",
    "updated": "updated_at",
}
_REVISED, _FALSE, _DIRTY, _UNTIDY = 0.03, 0.015, 0.0004, 0.005
_UNPARSEABLE = ("unknown", "2023-02-30 12:00", "13/32/2024 10:15 PM", "23h30", "2024-05-17 25:10")
_BOGUS_POINT = ("36.619446", "-91.686566")
_LONGEST_WINDOW_HOURS = 96.0
_FEWEST = 200  # reports that leave enough good ones to copy for every kind of dirt
_LATER = pd.Timedelta("6h")  # a conflicting row is reported, and so known, after the real one


@dataclass(frozen=True)
class FeedRecord:
    """What was written; also as ``feed.json`` beside the files.

    ``rows``: all rows; ``versions``: those that are good; ``incidents``: real incidents and
    ``unfounded``: false reports among them, both by report. ``dirty``: extra rows of each of
    ``DIRTY_KINDS``. ``quirks``: good rows that only look odd: padded fields, mixed case, and
    ``occurred_from`` at local times that are ambiguous or do not exist.
    """

    name: str
    timezone: str
    files: tuple[str, ...]
    rows: int
    versions: int
    incidents: int
    unfounded: int
    dirty: Mapping[str, int]
    quirks: Mapping[str, int]


def report_versions(city: DemoCity, incidents: Incidents) -> pd.DataFrame:
    """Every version of every report, sorted by report and version.

    Columns: ``report_no`` text, ``version`` int (1, 2), ``status`` text (ACTIVE, UNFOUNDED),
    ``incident`` int64 (index into ``incidents``, -1 for a false report), ``cell`` and
    ``category`` int64 indices, ``latitude``, ``longitude`` degrees, ``district`` text, ``arrest``
    bool; UTC, microseconds: ``occurred_at``, ``occurred_until`` (NaT: no window),
    ``reported_at``, ``updated_at`` (NaT in version 1), ``known_at``. A report's last version is
    the truth. Times are as the feed tells them: the autumn hour's second pass reads as its first,
    so there alone an incident's hour is not ``occurred_at``'s.
    """
    rng = city.rng("reports")
    reports = _reports(city, incidents, rng)
    retracted = (reports["incident"] < 0).to_numpy()
    revised = ~retracted & (rng.random(len(reports)) < _REVISED)
    first = _misrecord(city, reports, revised, rng)
    first["updated_at"] = pd.Series(pd.NaT, first.index, dtype="datetime64[us, UTC]")
    later = _later_versions(reports[retracted | revised], rng)
    versions = pd.concat([first, later], ignore_index=True)
    for name in _TIMES.values():
        versions[name] = localize(_local(city, versions[name]), city.timezone)[0]
    # The maximum skips the missing update of a first version.
    versions["known_at"] = versions[["occurred_at", "reported_at", "updated_at"]].max(axis=1)
    versions["district"] = _districts(city)[versions["cell"]]
    return versions.sort_values(["report_no", "version"], ignore_index=True)


def write_feed(city: DemoCity, directory: Path, versions: pd.DataFrame | None = None) -> FeedRecord:
    """Write the city's delivery into ``directory`` and say what is in it.

    ``incidents-YYYY-MM.csv``: one row per version in the file of the local month in which it
    became known, up to the city's end, in no order, all text, local clock times; a few files in
    the second of ``TIME_FORMATS``. ``boundary.geojson``, ``feed.json``. The same city gives the
    same bytes. ``versions`` saves the simulation where they are at hand. Raises ValueError where
    the history is too short for dirt of every kind.
    """
    if versions is None:
        versions = report_versions(city, simulate(city))
    delivered = versions[versions["known_at"] < city.hours.times[-1] + pd.Timedelta("1h")]
    if len(delivered) < _FEWEST:
        raise ValueError(f"{len(delivered)} reports, under {_FEWEST}: simulate more days")
    rng = city.rng("feed")
    rows, quirks = _as_text(city, delivered, rng)
    dirt = _dirty_rows(city, rows, rng)
    everything = pd.concat([rows, *dirt.values()], ignore_index=True)
    everything = everything.iloc[rng.permutation(len(everything))]
    reports = delivered.loc[delivered["version"] == 1, "incident"]
    record = FeedRecord(
        name=city.name,
        timezone=city.timezone.key,
        files=_write_months(everything, directory),
        rows=len(everything),
        versions=len(rows),
        incidents=int((reports >= 0).sum()),
        unfounded=int((reports < 0).sum()),
        dirty={kind: len(lines) for kind, lines in dirt.items()},
        quirks=quirks,
    )
    _write_json(directory / "feed.json", asdict(record))
    _write_json(directory / "boundary.geojson", _boundary_geojson(city))
    return record


def _write_months(rows: pd.DataFrame, directory: Path) -> tuple[str, ...]:
    """One CSV file a month; their names in order."""
    directory.mkdir(parents=True, exist_ok=True)
    months = {f"incidents-{month}.csv": lines for month, lines in rows.groupby("month")}
    for name, lines in months.items():
        lines[list(COLUMNS)].to_csv(directory / name, index=False, lineterminator="\n")
    return tuple(months)


def _reports(city: DemoCity, incidents: Incidents, rng: np.random.Generator) -> pd.DataFrame:
    """One row a report, numbered as they came in, with true contents and instants."""
    reports = _contents(incidents, rng)
    cell, category = reports["cell"].to_numpy(), reports["category"].to_numpy()
    minute = reports.pop("hour").to_numpy() * 60 + rng.uniform(0, 60, len(reports))
    delay = _delays(city, category, rng)
    window = rng.uniform(0.2, 1, len(reports)) * np.minimum(delay, 60 * _LONGEST_WINDOW_HOURS)
    chance = np.array([(kind.window, kind.arrest) for kind in CATEGORIES])[category]
    has_window, has_arrest = (rng.random(chance.shape) < chance).T
    reports["occurred_at"] = _instants(np.floor(minute))
    # Nobody can name a last possible time that lies after the report.
    reports["occurred_until"] = _instants(np.floor(minute + window)).where(has_window)
    # Up, so that a report is known at a full minute just where it truly was.
    reports["reported_at"] = _instants(np.ceil(minute + delay))
    reports["latitude"], reports["longitude"] = _scatter(city, cell, rng)
    reports["arrest"] = has_arrest
    reports = reports.sort_values("reported_at", kind="stable", ignore_index=True)
    years = reports["reported_at"].dt.strftime("%y")
    reports["report_no"] = [f"{year}-{n:07d}" for n, year in enumerate(years, start=1)]
    return reports.assign(version=1, status="ACTIVE")


def _contents(incidents: Incidents, rng: np.random.Generator) -> pd.DataFrame:
    """``incident``, ``hour``, ``cell``, ``category`` of the real ones and of false reports.

    A false report takes place and offence from one incident and its hour from another: it looks
    real, and it excites nothing.
    """
    real = np.arange(len(incidents))
    place, when = rng.integers(len(incidents), size=(2, round(_FALSE * len(incidents))))
    contents = {
        "incident": np.concatenate([real, np.full(len(place), -1)]),
        "hour": incidents.hour[np.concatenate([real, when])],
        "cell": incidents.cell[np.concatenate([real, place])].astype(np.int64),
        "category": incidents.category[np.concatenate([real, place])].astype(np.int64),
    }
    return pd.DataFrame(contents)


def _later_versions(reports: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The second versions, days after the report: a false one is retracted, others hold."""
    wait = np.ceil(1440 * (1 + rng.exponential(6, len(reports)))).astype("timedelta64[m]")
    return reports.assign(
        version=2,
        status=np.where(reports["incident"] < 0, UNFOUNDED, "ACTIVE"),
        updated_at=reports["reported_at"] + wait,
    )


def _delays(
    city: DemoCity, category: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """(report,) minutes from occurrence to report."""
    edges = np.cumsum([kind.delays for kind in CATEGORIES], axis=1)[category]
    component = (rng.random(len(category))[:, None] >= edges[:, :-1]).sum(axis=1)
    return np.asarray(60 * city.delay_scale * rng.exponential(DELAY_MEANS_HOURS[component]))


def _misrecord(
    city: DemoCity, reports: pd.DataFrame, revised: NDArray[np.bool_], rng: np.random.Generator
) -> pd.DataFrame:
    """The first versions: of those to be revised, half have a wrong category, half a place."""
    first = reports.copy()
    of_place = revised & (rng.random(len(reports)) < 0.5)
    of_category = revised & ~of_place
    shift = rng.integers(1, len(CATEGORIES), int(of_category.sum()))
    wrong = (reports.loc[of_category, "category"] + shift) % len(CATEGORIES)
    first.loc[of_category, "category"] = wrong
    cell = rng.integers(len(city.grid), size=int(of_place.sum()))
    lat, lon = _scatter(city, cell, rng)
    first.loc[of_place, ["cell", "latitude", "longitude"]] = pd.DataFrame(
        {"cell": cell, "latitude": lat, "longitude": lon}, index=first.index[of_place]
    )
    return first


def _scatter(
    city: DemoCity, cell: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latitude and longitude of a uniform point in each cell, of the six decimals in the feed."""
    west, south, east, north = shapely.bounds(city.grid.polygons)[cell].T
    lat, lon = np.empty(len(cell)), np.empty(len(cell))
    open_ = np.arange(len(cell))
    while len(open_):
        lat[open_] = rng.uniform(south[open_], north[open_]).round(6)
        lon[open_] = rng.uniform(west[open_], east[open_]).round(6)
        open_ = open_[city.grid.locate(lat[open_], lon[open_]) != cell[open_]]
    return lat, lon


def _districts(city: DemoCity) -> NDArray[np.object_]:
    """(cell,) name of the police district: a centre and four quarters."""
    east, north = city.offsets_km.T
    quarter = ((np.degrees(np.arctan2(north, east)) + 45) % 360 // 90).astype(int)
    names = np.array(["EAST", "NORTH", "WEST", "SOUTH"], dtype=object)[quarter]
    return np.where(np.hypot(east, north) < 0.3 * city.radius_km, "CENTRAL", names)


def _instants(minutes: NDArray[np.float64]) -> pd.Series:
    """Minutes since the epoch as UTC microseconds."""
    stamps = minutes.astype("datetime64[m]").astype("datetime64[us]")
    return pd.Series(stamps).dt.tz_localize("UTC")


def _local(city: DemoCity, times: pd.Series) -> pd.Series:
    """The local clock's naive time of aware ones."""
    return times.dt.tz_convert(city.timezone).dt.tz_localize(None)


def _as_text(
    city: DemoCity, versions: pd.DataFrame, rng: np.random.Generator
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The good rows as text, with helpers ``month``, ``format``, ``reported_at``, ``plain``."""
    local = {name: _local(city, versions[column]) for name, column in _TIMES.items()}
    local["occurred_from"] = _put_forward_late(city, local["occurred_from"])
    _, ambiguous, nonexistent = localize(local["occurred_from"], city.timezone)
    month = _local(city, versions["known_at"]).dt.strftime("%Y-%m")
    rows = versions[["report_no", "status", "district", "reported_at"]].assign(
        version=versions["version"].astype(str),
        offense=np.array(city.categories, dtype=object)[versions["category"]],
        latitude=versions["latitude"].map("{:.6f}".format),
        longitude=versions["longitude"].map("{:.6f}".format),
        arrest=np.where(versions["arrest"], "Y", "N"),
        month=month,
        format=_time_formats(month),
        plain=~(versions["report_no"].duplicated(keep=False) | ambiguous | nonexistent),
    )
    for name, times in local.items():
        rows[name] = _clock_text(times, rows["format"])
    odd = {"ambiguous_time": int(ambiguous.sum()), "nonexistent_time": int(nonexistent.sum())}
    return rows, _make_untidy(rows, rng) | odd


def _time_formats(month: pd.Series) -> pd.Series:
    """The time format of every row: the second one for a stretch of a ninth of the months."""
    months = sorted(month.unique())
    begin = len(months) // 3
    stretch = months[begin : begin + max(1, len(months) // 9)]
    return month.isin(stretch).map({False: TIME_FORMATS[0], True: TIME_FORMATS[1]})


def _clock_text(times: pd.Series, formats: pd.Series) -> pd.Series:
    """Naive times in each row's format; blank where there is none."""
    parts = [times[formats == form].dt.strftime(form) for form in TIME_FORMATS]
    return pd.concat(parts).reindex(times.index).fillna("")


def _put_forward_late(city: DemoCity, local: pd.Series) -> pd.Series:
    """In spring the city puts its clocks forward an hour late, and writes times that never were.

    The reader moves such a time forward an hour, which is just what happened.
    """
    unmoved = local - pd.Timedelta("1h")
    return local.mask(localize(unmoved, city.timezone)[2], unmoved)


def _make_untidy(rows: pd.DataFrame, rng: np.random.Generator) -> dict[str, int]:
    """Pad some good rows and change the case of others, in place; how many of each."""
    size = max(2, round(_UNTIDY * len(rows)))
    padded, mixed = rng.choice(rows.index, (2, size), replace=False)
    for name in ("report_no", "offense", "occurred_from", "latitude"):
        rows.loc[padded, name] = "  " + rows.loc[padded, name] + " "
    rows.loc[mixed, "offense"] = rows.loc[mixed, "offense"].str.capitalize()
    return {"padded": size, "mixed_case": size}


def _dirty_rows(
    city: DemoCity, rows: pd.DataFrame, rng: np.random.Generator
) -> dict[str, pd.DataFrame]:
    """Extra rows of every kind, copied from good ones; each has a single fault."""
    size = max(2, round(_DIRTY * len(rows)))
    # A conflicting row belongs into its original's file, the month of its own report.
    later = _local(city, rows["reported_at"] + _LATER).dt.strftime("%Y-%m")
    donors = rows.index[rows["plain"] & (later == rows["month"])]
    chosen = rng.choice(donors, (len(DIRTY_KINDS), size), replace=False)
    dirt = {kind: rows.loc[own] for kind, own in zip(DIRTY_KINDS, chosen, strict=True)}
    for n, (kind, fault) in enumerate(_faults(city, dirt, rng).items()):
        numbers = [f"99-{n:02d}{i:05d}" for i in range(size)]
        dirt[kind] = dirt[kind].assign(**{"report_no": numbers} | fault)
    return dirt


def _faults(
    city: DemoCity, dirt: Mapping[str, pd.DataFrame], rng: np.random.Generator
) -> dict[str, dict[str, Any]]:
    """The columns that each kind changes; a new report number is given where none is named."""
    size = len(dirt["blank_time"])
    conflicting = dirt["conflicting_key"]
    reported = _local(city, conflicting["reported_at"] + _LATER)
    return {
        "unparseable_time": {"occurred_from": rng.choice(_UNPARSEABLE, size), "occurred_to": ""},
        "blank_time": {"occurred_from": "", "occurred_to": ""},
        "year_1900": _moved_to("1900-01-01 00:00", dirt["year_1900"]),
        "year_2099": _moved_to("2099-12-31 23:59", dirt["year_2099"]),
        "blank_coordinates": {"latitude": "", "longitude": ""},
        "near_zero_coordinates": _place(*np.char.mod("%.1E", rng.uniform(1e-7, 9e-7, (2, size)))),
        "bogus_point": _place(*_BOGUS_POINT),
        "outside_boundary": _place(*np.char.mod("%.6f", _outside_points(city, size, rng))),
        "exact_duplicate": {"report_no": dirt["exact_duplicate"]["report_no"]},
        "conflicting_key": {
            "report_no": conflicting["report_no"],
            "offense": _another_offense(city, conflicting["offense"]),
            "reported": _clock_text(reported, conflicting["format"]),
        },
        "blank_report_no": {"report_no": ""},
    }


def _place(latitude: Any, longitude: Any) -> dict[str, Any]:
    return {"latitude": latitude, "longitude": longitude}


def _moved_to(time: str, rows: pd.DataFrame) -> dict[str, Any]:
    stamps = pd.Series(pd.Timestamp(time), rows.index)
    return {"occurred_from": _clock_text(stamps, rows["format"]), "occurred_to": ""}


def _another_offense(city: DemoCity, offense: pd.Series) -> pd.Series:
    tidy = offense.str.strip().str.upper()
    return tidy.map(dict(zip(city.categories, np.roll(city.categories, 1), strict=True)))


def _outside_points(city: DemoCity, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(2, n) latitude, longitude in the boundary's box and outside every cell, close to it."""
    west, south, east, north = city.boundary.bounds
    many = 200 * size
    lat, lon = rng.uniform(south, north, many).round(6), rng.uniform(west, east, many).round(6)
    outside = city.grid.locate(lat, lon) == OUTSIDE
    apart = shapely.distance(shapely.points(lon, lat), city.boundary)
    near = np.argsort(np.where(outside, apart, np.inf), kind="stable")[:size]
    return np.stack([lat[near], lon[near]])


def _boundary_geojson(city: DemoCity) -> dict[str, Any]:
    properties = {"name": city.name, "timezone": city.timezone.key}
    geometry = shapely.geometry.mapping(city.boundary)
    feature = {"type": "Feature", "properties": properties, "geometry": geometry}
    return {"type": "FeatureCollection", "features": [feature]}


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
