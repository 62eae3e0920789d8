"""All baselines behind one interface: as known then, at the right level, finite everywhere."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import (
    ALL,
    CITY,
    PLACE,
    Process,
    blocks_before,
    midnight,
    night_of,
    small_city,
    uneven,
)
from scipy.sparse import csr_array

from grids.counts import Events
from pipeline.baselines.recipe import BASELINES, REFERENCE, Parameters, fit_baselines, forecaster
from pipeline.night import Place
from pipeline.replay import City, counts_of, nights_of
from pipeline.silver import Arrivals, sort_arrivals

DAY = 270


@pytest.fixture(scope="module")
def arrivals() -> Arrivals:
    return Process(uneven(120), days=330, branching=0.2, sigma=100.0).arrivals()


@pytest.fixture(scope="module")
def fitted(arrivals: Arrivals) -> dict[str, Parameters]:
    return fit_baselines(CITY, blocks_before(arrivals, DAY - 20, 100), ALL)


def scrambled(arrivals: Arrivals, day: int, seed: int) -> Arrivals:
    """Everything that became known after the day, at other places and hours; some taken back."""
    rng = np.random.default_rng(seed)
    before, later = arrivals.until(midnight(day)), arrivals.after(midnight(day))
    events = Events(
        later.events.hour - rng.integers(0, 24 * 20, len(later)),
        rng.integers(0, CITY.spec.cells, len(later)).astype(np.int32),
        rng.integers(0, 2, len(later)).astype(np.int8),
        rng.choice(np.array([1, -1], np.int8), len(later)),
    )
    return sort_arrivals([before, replace(later, events=events)])


def test_parameters_are_json_and_say_what_was_chosen(fitted: dict[str, Parameters]) -> None:
    assert list(fitted) == list(BASELINES)
    assert json.loads(json.dumps(fitted)) == fitted
    assert fitted[REFERENCE] == fitted["blend"] == {}
    assert set(fitted["self_exciting"]) == {"branching", "memory_days", "sigma_m", "mean"}


@settings(max_examples=6)
@given(day=st.integers(60, DAY), seed=st.integers(0, 2**16))
def test_what_came_later_changes_no_bit(
    arrivals: Arrivals, fitted: dict[str, Parameters], day: int, seed: int
) -> None:
    one, other = night_of(arrivals, day), night_of(scrambled(arrivals, day, seed), day)
    for name, parameters in fitted.items():
        forecast = forecaster(name, parameters)
        np.testing.assert_array_equal(forecast(one), forecast(other))


def test_what_was_known_changes_all(arrivals: Arrivals, fitted: dict[str, Parameters]) -> None:
    one, other = night_of(arrivals, DAY), night_of(scrambled(arrivals, DAY - 3, 1), DAY)
    for name, parameters in fitted.items():
        forecast = forecaster(name, parameters)
        assert not np.array_equal(forecast(one), forecast(other)), name


def test_what_came_later_changes_no_choice(arrivals: Arrivals) -> None:
    blocks = blocks_before(arrivals, 200, 60)
    others = blocks_before(scrambled(arrivals, 220, 3), 200, 60)
    assert fit_baselines(CITY, blocks, ALL) == fit_baselines(CITY, others, ALL)


def test_as_many_are_expected_as_happen(arrivals: Arrivals, fitted: dict[str, Parameters]) -> None:
    expected, happened = dict.fromkeys(fitted, 0.0), 0
    for block in blocks_before(arrivals, DAY + 40, 60):
        for night in nights_of(CITY, block, ALL):
            happened += counts_of(night, block.labels).sum()
            for name, parameters in fitted.items():
                expected[name] += forecaster(name, parameters)(night).sum()
    assert happened > 6000
    for name, total in expected.items():
        assert total == pytest.approx(happened, rel=0.05), name


def test_a_forecaster_survives_pickling(arrivals: Arrivals, fitted: dict[str, Parameters]) -> None:
    night = night_of(arrivals, DAY)
    for name, parameters in fitted.items():
        forecast = forecaster(name, parameters)
        again = pickle.loads(pickle.dumps(forecast))
        np.testing.assert_array_equal(again(night), forecast(night))


def test_a_name_that_is_no_baseline_is_an_error() -> None:
    with pytest.raises(KeyError, match="mean"):
        forecaster("mean", {})


def all_above_zero(city: City, arrivals: Arrivals, day: int, fitted: dict[str, Parameters]) -> None:
    night = night_of(arrivals, day, city)
    for name, parameters in fitted.items():
        forecast = forecaster(name, parameters)(night)
        assert forecast.shape == (city.spec.cells, len(night.hours)), name
        assert np.isfinite(forecast).all(), name
        assert forecast.min() > 0, name


NOTHING = sort_arrivals([])


def test_a_city_without_incidents(fitted: dict[str, Parameters]) -> None:
    unfitted = fit_baselines(CITY, blocks_before(NOTHING, 60, 30), ALL)
    assert unfitted == {name: baseline.unfitted for name, baseline in BASELINES.items()}
    assert fit_baselines(CITY, [], ALL) == unfitted
    for parameters in (fitted, unfitted):
        all_above_zero(CITY, NOTHING, 60, parameters)


def test_cells_without_history_are_never_impossible(fitted: dict[str, Parameters]) -> None:
    rates = uneven(40)
    rates[20:] = 0
    arrivals = Process(rates, days=100).arrivals()
    assert set(np.unique(arrivals.events.cell)) <= set(range(20))
    all_above_zero(CITY, arrivals, 90, fitted)
    all_above_zero(CITY, arrivals, 90, fit_baselines(CITY, blocks_before(arrivals, 80, 30), ALL))


def test_unfitted_baselines_are_the_yearly_rate(arrivals: Arrivals) -> None:
    night = night_of(arrivals, DAY)
    unfitted = {name: baseline.unfitted for name, baseline in BASELINES.items()}
    for name in ("rate", "prospective", "self_exciting"):
        np.testing.assert_allclose(forecaster(name, unfitted[name])(night), night.reference)
    smoothed = forecaster("kernel", unfitted["kernel"])(night)
    assert np.corrcoef(smoothed.sum(axis=1), night.reference.sum(axis=1))[0, 1] > 0.99


def test_days_of_23_and_25_hours(arrivals: Arrivals, fitted: dict[str, Parameters]) -> None:
    spring, autumn = 70, 308  # the days ahead: 2023-03-12, 2023-11-05
    assert len(night_of(arrivals, spring).hours) == 23
    assert len(night_of(arrivals, autumn).hours) == 25
    for day in (spring, autumn):
        all_above_zero(CITY, arrivals, day, fitted)


def test_a_city_of_one_cell(fitted: dict[str, Parameters]) -> None:
    alone = csr_array((1, 1))
    city = small_city(Place(alone, alone, np.zeros((1, 2)), np.zeros(1, np.int64)))
    whole = Process(uneven(20), days=120).arrivals()
    events = replace(whole.events, cell=np.zeros(len(whole), np.int32))
    arrivals = replace(whole, events=events)
    parameters = fit_baselines(city, blocks_before(arrivals, 95, 40, city), ALL)
    all_above_zero(city, arrivals, 90, parameters)
    all_above_zero(city, arrivals, 90, fitted)
    assert len(PLACE.metres) > 1
