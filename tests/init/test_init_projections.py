from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyproj import Transformer

from pipeline.init.gazetteer import find_cities
from pipeline.init.projections import fit_anywhere, fit_near, matching, to_degrees

SYSTEMS = {  # what the coordinates are in -> what is found (within a metre of it)
    "Denver, Colorado": ("EPSG:2232", "EPSG:2232"),
    "New York": ("EPSG:2263", "EPSG:2263"),
    "Baltimore": ("EPSG:2248", "EPSG:2248"),
    "Washington, DC": ("EPSG:26985", "EPSG:26985"),
    "Portland, Oregon": ("EPSG:2913", "EPSG:2269"),
    "London, UK": ("EPSG:27700", "EPSG:27700"),
    "Vancouver, BC": ("EPSG:26910", "EPSG:26910"),
    "Minneapolis": ("EPSG:3857", "EPSG:3857"),
    "Montreal": ("EPSG:2950", "EPSG:32188"),
    "Melbourne, Australia": ("EPSG:28355", "EPSG:32755"),
    "Paris, France": ("EPSG:2154", "EPSG:2154"),
}


def projected(city: str, crs: str) -> tuple[pd.Series, ...]:
    """x, y, lat, lon of 300 places around a city."""
    rng = np.random.default_rng(3)
    place = find_cities(city)[0]
    lat, lon = place.lat + rng.normal(0, 0.03, 300), place.lon + rng.normal(0, 0.04, 300)
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(lon, lat)
    return tuple(pd.Series(values) for values in (x, y, lat, lon))


@pytest.mark.parametrize("city", SYSTEMS)
def test_finds_the_system_near_a_named_place(city: str) -> None:
    crs, expected = SYSTEMS[city]
    x, y, lat, lon = projected(city, crs)
    place = find_cities(city)[0]
    fits = fit_near(x, y, [(place.lat, place.lon)])
    assert fits[0].crs == expected
    found_lon, found_lat = to_degrees(fits[0].crs, x, y)
    assert (found_lat - lat).abs().max() < 3e-5
    assert (found_lon - lon).abs().max() < 3e-5


@pytest.mark.parametrize("city", SYSTEMS)
def test_finds_it_by_the_largest_city_where_nothing_is_named(city: str) -> None:
    crs, _ = SYSTEMS[city]
    x, y, lat, lon = projected(city, crs)
    fits = fit_anywhere(x, y)
    assert abs(fits[0].lat - lat.median()) < 0.002
    assert abs(fits[0].lon - lon.median()) < 0.002


def test_degrees_beside_tell_a_datum_apart() -> None:
    x, y, lat, lon = projected("Milwaukee", "EPSG:32054")  # NAD27, kilometres from NAD83 in feet
    assert [fit.crs for fit in matching(x, y, lat, lon)] == ["EPSG:32054"]


def test_a_place_elsewhere_fits_no_system() -> None:
    x, y, _, _ = projected("Denver, Colorado", "EPSG:2232")
    assert fit_near(x, y, [(48.85, 2.35)]) == []
