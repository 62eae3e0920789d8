"""The coordinate system of projected coordinates, found by where it puts the incidents.

A system fits when it puts them into the area that it was made for and near the place that the
data, their name or the user speak of. Systems of one projection and unit but another datum put a
point within metres of each other: the most common of them is taken.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from pyproj import Transformer
from pyproj.aoi import AreaOfInterest
from pyproj.database import CRSInfo, query_crs_info
from pyproj.enums import PJType
from pyproj.exceptions import ProjError

from pipeline.init.gazetteer import distance_km, nearest_city, population_within

NEAR_KM = 60.0
SAME_KM = 0.35  # datums and versions of one projection differ by less
_WEB_MERCATOR = "3857"
# Where nothing names the place: systems that cities publish in.
_USUAL = re.compile(
    r"NAD83 / .*(ftUS|ft)\)?$|NAD83 / (?!UTM)[A-Z][\w ]+$|WGS 84 / UTM zone .*|"
    r"OSGB36 / British National Grid|RGF93 v1 / Lambert-93|ETRS89-extended / LAEA Europe|"
    r"ETRS89 / UTM zone 3[0-5]N|GDA94 / MGA zone .*|Amersfoort / RD New|NZGD2000 / New Zealand .*|"
    r"IRENET95 / Irish Transverse Mercator|CH1903\+ / LV95|SIRGAS 2000 / UTM zone .*|"
    r"NAD83 / MTM zone .*|MAGNA-SIRGAS .*|WGS 84 / Pseudo-Mercator"
)
_RANKS = (  # of names, the most common first
    r"NAD83 / .*ftUS",
    r"NAD83 / .*ft",
    r"NAD83 / ",
    r"WGS 84 / ",
    r"NAD83\(HARN\)",
    r"NAD83\(2011\)|NAD83\(NSRS2007\)|NAD83\(CSRS\)",
    r"ETRS89|OSGB36|RGF93|GDA94|Amersfoort|NZGD2000|SIRGAS",
    r"GDA2020",
)


@dataclass(frozen=True)
class Fit:
    """A coordinate system and where it puts the middle of the incidents."""

    code: str
    name: str
    lat: float
    lon: float
    km: float

    @property
    def crs(self) -> str:
        """As a configuration names it."""
        return f"EPSG:{self.code}"


def fit_near(
    x: pd.Series, y: pd.Series, places: Sequence[tuple[float, float]], most_km: float = NEAR_KM
) -> list[Fit]:
    """Systems that put the middle of (x, y) near one of ``places`` (lat, lon); the best first.

    Of those that agree within a few hundred metres only the most common one is listed.
    """
    fits = []
    for lat, lon in places:
        around = AreaOfInterest(lon - 0.05, lat - 0.05, lon + 0.05, lat + 0.05)
        for info in _systems(around):
            spot = _middle(info.code, x, y)
            if spot is not None:
                km = float(distance_km(lat, lon, np.array(spot[0]), np.array(spot[1])))
                if km <= most_km:
                    fits.append(Fit(info.code, info.name, *spot, km))
    return _distinct(fits)


def fit_anywhere(x: pd.Series, y: pd.Series) -> list[Fit]:
    """Usual systems that put the middle of (x, y) into a city, the largest city first.

    ``km`` is the distance to that city.
    """
    fits = []
    for info in _usual():
        spot = _middle(info.code, x, y)
        if spot is None or not _within(info, *spot):
            continue
        _, km = nearest_city(*spot)
        if km <= 25:
            fits.append(Fit(info.code, info.name, *spot, km))
    fits = sorted(fits, key=lambda fit: -_standing(fit))
    return _distinct(fits, in_order=True)


def _standing(fit: Fit) -> float:
    """People near the spot, the nearer the more."""
    return population_within(fit.lat, fit.lon, 20) / (1 + (fit.km / 8) ** 2)


def matching(
    x: pd.Series, y: pd.Series, lat: pd.Series, lon: pd.Series, most_km: float = 0.5
) -> list[Fit]:
    """Systems that put (x, y) where (lat, lon) says for the same rows; the best first."""
    spots = [(float(lat.median()), float(lon.median()))]
    return [fit for fit in fit_near(x, y, spots, 5.0) if _error_km(fit, x, y, lat, lon) < most_km]


def _error_km(fit: Fit, x: pd.Series, y: pd.Series, lat: pd.Series, lon: pd.Series) -> float:
    to_lon, to_lat = to_degrees(fit.crs, x, y)
    return float(np.nanmedian(np.hypot(to_lat - lat, (to_lon - lon) * np.cos(np.radians(lat))))) * (
        111.2
    )


def to_degrees(crs: str, x: pd.Series, y: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Longitudes and latitudes (EPSG:4326); missing where they cannot be."""
    lon, lat = _transformer(crs).transform(x.to_numpy(float), y.to_numpy(float))
    places = pd.DataFrame({"lon": lon, "lat": lat}, index=x.index)
    places = places.where(np.isfinite(places).all(axis=1))
    return places["lon"], places["lat"]


@cache
def _transformer(crs: str) -> Transformer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about areas that a grid shift file does not cover
        return Transformer.from_crs(crs, "EPSG:4326", always_xy=True)


def _middle(code: str, x: pd.Series, y: pd.Series) -> tuple[float, float] | None:
    """Latitude and longitude of the middle of the incidents; None where there is none."""
    try:
        lon, lat = _transformer(f"EPSG:{code}").transform(float(x.median()), float(y.median()))
    except ProjError:
        return None
    return (float(lat), float(lon)) if np.isfinite(lat) and np.isfinite(lon) else None


def _systems(around: AreaOfInterest) -> Iterable[CRSInfo]:
    found = query_crs_info(
        auth_name="EPSG",
        pj_types=[PJType.PROJECTED_CRS],
        area_of_interest=around,
        contains=True,
    )
    return [info for info in found if info.projection_method_name is not None]


@cache
def _usual() -> tuple[CRSInfo, ...]:
    found = query_crs_info(auth_name="EPSG", pj_types=[PJType.PROJECTED_CRS])
    return tuple(info for info in found if _USUAL.match(info.name))


def _within(info: CRSInfo, lat: float, lon: float) -> bool:
    area = info.area_of_use
    if area is None or info.code == _WEB_MERCATOR:
        return True
    return bool(
        area.south - 0.2 <= lat <= area.north + 0.2 and area.west - 0.2 <= lon <= area.east + 0.2
    )


def _rank(fit: Fit) -> int:
    return next((n for n, name in enumerate(_RANKS) if re.match(name, fit.name)), len(_RANKS))


def _distinct(fits: list[Fit], in_order: bool = False) -> list[Fit]:
    """The best fits, each the most common of those that agree with it."""
    ranked = fits if in_order else sorted(fits, key=lambda fit: fit.km)
    kept: list[Fit] = []
    for fit in ranked:
        spots = [distance_km(fit.lat, fit.lon, np.array(k.lat), np.array(k.lon)) for k in kept]
        same = [place for place, km in enumerate(spots) if km <= SAME_KM]
        if not same:
            kept.append(fit)
        elif _rank(fit) < _rank(kept[same[0]]):
            kept[same[0]] = fit
    return kept
