from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from forecast_cases import counted, tiny_forecast

from forecasts.counting import CountLaw
from forecasts.schema import Forecast, TargetForecast
from grids.hours import HourRange


@pytest.fixture(scope="module")
def forecast() -> Forecast:
    return tiny_forecast()


def test_a_counted_target_by_hand():
    expected = np.array([[0.0, 0.05, 0.1, 2.0]])
    target = counted("all", expected, expected / 2, "xgboost")
    by_hand = [0, 0.048770575, 0.095162582, 0.864664717]
    assert target.probability[0].tolist() == pytest.approx(by_hand)
    assert target.low.tolist() == [[0, 0, 0, 0]]
    # P(0) is 0.951, 0.905; P(<= 3) of a mean of 2 is 0.857, P(<= 4) 0.947.
    assert target.high.tolist() == [[0, 0, 0, 3]]
    assert target.baseline.tolist() == (expected / 2).tolist()


def test_probability_and_interval_are_of_one_law():
    one = np.ones((1, 1))
    clumped = counted("all", one, one, "xgboost", CountLaw(0.5, 0.0))
    # Size 2, chance 2/3: P(0) is 4/9, P(<= 2) 8/9, P(<= 3) 0.955.
    assert clumped.probability[0, 0] == pytest.approx(5 / 9)
    assert (clumped.low[0, 0], clumped.high[0, 0]) == (0, 2)


def test_a_tiny_rate_keeps_its_probability():
    target = counted("all", np.array([[1e-18]]), np.zeros((1, 1)), "xgboost")
    assert target.probability[0, 0] == 1e-18


@pytest.mark.parametrize("rate", [-0.1, np.nan, np.inf])
def test_an_impossible_rate_is_refused(rate):
    with pytest.raises(ValueError, match=r"all: 1 expected counts are negative or not finite"):
        counted("all", np.array([[rate, 1.0]]), np.ones((1, 2)), "xgboost")


def test_a_target_name_must_suit_a_column():
    ones = np.ones((1, 1))
    with pytest.raises(ValueError, match="target 'All crimes' cannot name columns"):
        TargetForecast("All crimes", ones, ones, ones, ones, ones, ones[:, 0], "x")


def test_a_targets_arrays_have_one_shape():
    ones = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"all: high is \(3, 2\), expected is \(2, 3\)"):
        TargetForecast("all", ones, ones, ones, ones.T, ones, ones[:, 0], "x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"as_of": datetime(2024, 9, 1, 6)}, "has no timezone"),
        ({"as_of": datetime(2024, 9, 1, 6, 1, tzinfo=UTC)}, "before as_of"),
        ({"targets": ()}, "give at least one"),
        ({"hotspot_share": 5}, "share of the area 5"),
        ({"hours": HourRange(479214, 479215)}, r"all: arrays are \(\d+, 24\), the run has \d+"),
    ],
)
def test_a_forecast_that_does_not_hold_together_is_refused(forecast, change, message):
    with pytest.raises(ValueError, match=message):
        replace(forecast, **change)


def test_a_target_stands_in_a_forecast_once(forecast):
    with pytest.raises(ValueError, match="every name once"):
        replace(forecast, targets=forecast.targets[:1] * 2)


def test_an_unknown_target_is_named_with_the_known(forecast):
    with pytest.raises(KeyError, match=r"no target 'theft'.*\['all', 'violent'\]"):
        forecast.target("theft")


def test_the_span_of_a_forecast(forecast):
    assert forecast.reference_time == datetime(2024, 9, 1, 6, tzinfo=UTC)
    assert forecast.span == (forecast.reference_time, datetime(2024, 9, 2, 6, tzinfo=UTC))
