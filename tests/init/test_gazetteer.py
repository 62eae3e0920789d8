from __future__ import annotations

import pytest

from pipeline.init.gazetteer import find_cities, nearest_city, population_within

PLACES = {
    "Denver": "Denver, CO, US",
    "Portland, Maine": "Portland, ME, US",
    "Portland, OR": "Portland, OR, US",
    "Vancouver, WA": "Vancouver, WA, US",
    "Vancouver, BC": "Vancouver, CA",
    "new york": "New York City, NY, US",
    "st louis": "St. Louis, MO, US",
    "London, UK": "London, GB",
    "Bogota, Colombia": "Bogotá, CO",
    "Melbourne, Victoria": "Melbourne, AU",
    "Aspen, Colorado": "Aspen, CO, US",
}


@pytest.mark.parametrize("text", PLACES)
def test_finds_cities_by_name(text: str) -> None:
    assert str(find_cities(text)[0]) == PLACES[text]


def test_knows_no_place_that_is_none() -> None:
    assert find_cities("Nowhereville") == []
    assert find_cities("Denver, Texas") == []


def test_finds_the_city_around_a_place() -> None:
    city, km = nearest_city(39.7, -105.0)
    assert city.name == "Denver"
    assert 3 < km < 6
    assert population_within(39.7, -105.0, 30) > 1_000_000
    assert population_within(0.0, -30.0, 100) == 0
