"""What becomes known of the demo city's incidents: late, revised, and partly retracted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from grids.hours import localize
from pipeline.demo.city import DemoCity
from pipeline.demo.kinds import CATEGORIES, DELAY_MEANS_HOURS
from pipeline.demo.simulate import UNFOUNDED, Incidents

_TIMES = ("occurred_at", "occurred_until", "reported_at", "updated_at")
_REVISED, _FALSE = 0.03, 0.015
_LONGEST_WINDOW_HOURS = 96.0


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
    for name in _TIMES:
        versions[name] = localize(local_clock(city, versions[name]), city.timezone)[0]
    # The maximum skips the missing update of a first version.
    versions["known_at"] = versions[["occurred_at", "reported_at", "updated_at"]].max(axis=1)
    versions["district"] = _districts(city)[versions["cell"]]
    return versions.sort_values(["report_no", "version"], ignore_index=True)


def local_clock(city: DemoCity, times: pd.Series) -> pd.Series:
    """The local clock's naive time of aware ones."""
    return times.dt.tz_convert(city.timezone).dt.tz_localize(None)


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
