"""Where a table's incidents are: the columns, their coordinate system, the extent, the clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from pipeline.errors import DataError
from pipeline.ingest.points import split_points, to_numbers
from pipeline.init.gazetteer import City, nearest_city, population_within
from pipeline.init.hints import Hints, named_cities
from pipeline.init.names import says
from pipeline.init.numbers import (
    Pair,
    bulk,
    inner_box,
    named_pairs,
    numbers,
    unnamed_pairs,
)
from pipeline.init.projections import Fit, fit_anywhere, fit_near, matching, to_degrees

WGS84 = "EPSG:4326"


@dataclass(frozen=True)
class Place:
    """Where the incidents are. ``lat``, ``lon``: (row,) degrees of the bulk, else missing.

    ``north``, ``east``: columns; those of ``crs``, degrees or projected. ``share``: of the rows
    that are part of the bulk; ``why``: the evidence, in words.
    """

    east: str
    north: str
    crs: str
    lat: pd.Series
    lon: pd.Series
    share: float
    why: str
    city: City
    city_km: float
    timezone: str
    doubts: tuple[str, ...] = ()

    @property
    def is_projected(self) -> bool:
        """Whether the columns hold projected coordinates."""
        return self.crs != WGS84

    @property
    def bounds(self) -> tuple[float, ...]:
        """West, south, east, north of where incidents happen, to the outside of 1e-3 degrees."""
        box = inner_box(self.lon, self.lat)
        return tuple(round(edge, 3) for edge in box)

    @property
    def days_first(self) -> bool:
        """Whether dates there are written with the day first."""
        return self.city.country not in {"US", "PR", "GU", "VI", "AS", "MP", "PH", "FM", "PW", "MH"}


def find_place(rows: pd.DataFrame, names: Sequence[str], hints: Hints) -> Place:
    """The place of a table of stripped text. Raises DataError where no coordinates can be used."""
    found = numbers(rows, names)
    degrees = [_upright(pair, hints) for pair in named_pairs(found, degrees=True)]
    projected = named_pairs(found, degrees=False)
    if not degrees and not projected:
        degrees = [_upright(pair, hints) for pair in unnamed_pairs(found)]
        degrees = [pair for pair in degrees if _people(pair)]
    best = max((pair.share for pair in degrees), default=0.0)
    if projected and projected[0].share > max(best + 0.1, 2 * best if best < 0.5 else 0):
        return _projected(rows, projected[0], degrees[:1], hints)
    if degrees:
        return _in_degrees(degrees[0], hints)
    point = _point_column(rows, names)
    if point is not None:
        return _in_degrees(point, hints)
    raise DataError(_no_place(names))


def _people(pair: Pair) -> int:
    """People living around the middle of the bulk."""
    lat, lon = float(pair.y.median()), float(pair.x.median())
    if not (abs(lat) <= 90 and abs(lon) <= 180):
        return -1
    return population_within(lat, lon, 60)


def _upright(pair: Pair, hints: Hints) -> Pair:
    """The pair as named, or the other way round where only so it lies where people live."""
    as_named, swapped = _people(pair), _people(pair.swapped)
    if as_named > 0 or swapped <= 0:
        if as_named > 0 and swapped > 0 and hints.spots:
            return min((pair, pair.swapped), key=lambda way: _far(way, hints.spots[0]))
        return pair
    return pair.swapped


def _far(pair: Pair, spot: tuple[float, float]) -> float:
    return abs(float(pair.y.median()) - spot[0]) + abs(float(pair.x.median()) - spot[1])


def _in_degrees(pair: Pair, hints: Hints) -> Place:
    doubts = []
    if _is_named_otherwise(pair):
        doubts.append(
            f"{pair.y_name} holds the latitude and {pair.x_name} the longitude, whatever they are "
            "called: the other way round nobody lives there"
        )
    place = _located(pair, WGS84, pair.y, pair.x, "degrees")
    blank = 1 - pair.share
    if blank > 0.1:
        doubts.append(f"{blank:.0%} of the rows have no usable coordinates")
    if hints.spots and _far(pair, hints.spots[0]) > 2:
        doubts.append(f"the incidents lie around {place.city}, not where the boundary or name says")
    return replace(place, doubts=tuple(doubts))


def _is_named_otherwise(pair: Pair) -> bool:
    return says(pair.y_name, "lon", "lng") or says(pair.x_name, "lat")


def _located(pair: Pair, crs: str, lat: pd.Series, lon: pd.Series, why: str) -> Place:
    middle = float(lat.median()), float(lon.median())
    city, km = nearest_city(*middle)
    return Place(
        pair.x_name, pair.y_name, crs, lat, lon, pair.share, why, city, km, _timezone(*middle)
    )


def _timezone(lat: float, lon: float) -> str:
    from timezonefinder import TimezoneFinder  # takes a second to load

    with TimezoneFinder() as finder:
        found: str | None = finder.timezone_at(lng=lon, lat=lat)
    if found is None:
        raise DataError(f"no timezone is known at {lat:.3f}, {lon:.3f}: check the coordinates")
    return found


def _projected(rows: pd.DataFrame, pair: Pair, degrees: list[Pair], hints: Hints) -> Place:
    doubts: list[str] = []
    fits, why, is_guess = _fits(rows, pair, degrees, hints)
    if not fits:
        raise DataError(
            f"columns {pair.x_name!r} and {pair.y_name!r} hold projected coordinates (about "
            f"{pair.x.median():,.0f}, {pair.y.median():,.0f}) of a system that could not be found: "
            'name the city with --place "City, State", or give --boundary FILE'
        )
    best, *others = fits
    if others:
        named = ", ".join(f"{fit.crs} ({nearest_city(fit.lat, fit.lon)[0]})" for fit in others[:3])
        doubts.append(f"the coordinate system could also be {named}")
    elif is_guess:
        city, _ = nearest_city(best.lat, best.lon)
        doubts.append(
            f"nothing says that the incidents lie around {city}: {best.crs} is the only usual "
            "coordinate system that puts them into a city; look at a map, or run it with --place"
        )
    if pair.share < 0.9:
        doubts.append(f"{1 - pair.share:.0%} of the rows have no usable coordinates")
    lon, lat = to_degrees(best.crs, pair.x, pair.y)
    place = _located(pair, best.crs, lat, lon, f"{best.name}: {why}")
    return replace(place, doubts=tuple(doubts))


def _fits(
    rows: pd.DataFrame, pair: Pair, degrees: list[Pair], hints: Hints
) -> tuple[list[Fit], str, bool]:
    """Coordinate systems that fit, the best first, how that is known, and whether by a guess."""
    for other in degrees:
        both = pair.x.notna() & other.x.notna()
        if both.sum() >= 20:
            fits = matching(pair.x[both], pair.y[both], other.y[both], other.x[both])
            if fits:
                return fits[:1], f"agrees with {other.y_name} and {other.x_name}", False
    if hints.spots and (fits := fit_near(pair.x, pair.y, hints.spots)):
        return fits, f"puts the incidents {fits[0].km:.0f} km from where they should be", False
    cities = named_cities(rows, hints)
    spots = [(city.lat, city.lon) for city in cities]
    if spots and (fits := fit_near(pair.x, pair.y, spots, 40)):
        city, _ = nearest_city(fits[0].lat, fits[0].lon)
        return fits, f"puts the incidents around {city}", False
    fits = fit_anywhere(pair.x, pair.y)
    city_name = nearest_city(fits[0].lat, fits[0].lon)[0] if fits else ""
    why = f"of the usual systems the one that puts them into the largest city, {city_name}"
    return fits, why, True


def _point_column(rows: pd.DataFrame, names: Sequence[str]) -> Pair | None:
    """A column that holds latitude and longitude in one text."""
    pairs = []
    for name in names:
        some = rows[name][rows[name] != ""].iloc[:200]
        if len(some) and (split_points(some)[0] != "").mean() > 0.3:
            lat, lon = (to_numbers(part) for part in split_points(rows[name]))
            pairs.append(bulk(Pair(name, name, lon, lat)))
    found = [pair for pair in pairs if pair is not None and pair.share > 0.3]
    return max(found, key=lambda pair: pair.share, default=None)


def _no_place(names: Sequence[str]) -> str:
    addresses = [name for name in names if says(name, "address", "block", "street", "location")]
    remedy = f"geocode {addresses[0]!r} first" if addresses else "export the places too"
    return (
        f"no columns hold coordinates; there are {', '.join(list(names)[:30])}: {remedy}, as "
        "latitude and longitude or as x and y"
    )
