"""The half-life that made cities ask for is the one that is taken."""

from __future__ import annotations

import numpy as np
import pytest
from processes import ALL, CITY, Process, blocks_before, night_of, uneven

from pipeline.baselines.past import past_nights
from pipeline.baselines.rate import DAYS, fit_rate, forecast_rate
from pipeline.state import HALF_LIVES


def weights_of(process: Process) -> dict[str, float]:
    past = past_nights(CITY, blocks_before(process.arrivals(), 270, 60), ALL)
    return fit_rate(past)["weights"]


def wandering(day: int) -> np.ndarray:
    """Factors that are drawn anew every twenty days."""
    return np.random.default_rng(1000 + day // 20).gamma(0.3, size=len(uneven(1))) + 0.01


def test_a_city_that_stays_as_it_is_asks_for_the_longest_memory() -> None:
    weights = weights_of(Process(uneven(80)))
    assert max(weights, key=lambda days: weights[days]) == "1095"
    assert weights["7"] + weights["28"] < 0.1


def test_a_city_whose_hot_places_move_every_few_weeks_asks_for_a_short_one() -> None:
    weights = weights_of(Process(uneven(80), factor=wandering))
    assert weights["7"] + weights["28"] > 0.6
    assert sum(weights.values()) == pytest.approx(1)


def test_a_single_half_life_is_its_rate_by_the_clock_with_one_percent_uniform() -> None:
    night = night_of(Process(uneven(60), days=120).arrivals(), 110)
    rates = night.rates
    for place, days in enumerate(DAYS):
        assert float(days) * 24 == HALF_LIVES[place]
        alone = forecast_rate(night, {"weights": {name: float(name == days) for name in DAYS}})
        base = 0.99 * rates[:, place] + 0.01 * rates[:, place].mean()
        np.testing.assert_allclose(alone, base[:, None] * night.week_factor)
        assert np.allclose(alone, night.reference, rtol=1e-3) == (days == "365")
