"""Values with intervals, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from forecasts.bootstrap import interval
from pipeline.backtest.estimates import estimate, gain, plain, ratio, reliable

RNG = np.random.default_rng(3)


def test_a_ratio_has_the_bootstraps_interval() -> None:
    part, whole = RNG.poisson(30.0, 35), RNG.poisson(50.0, 35)
    found = ratio(part, whole)
    assert found.value == pytest.approx(part.sum() / whole.sum())
    ends = interval(np.stack([part, whole], axis=1), lambda s: s[:, 0] / s[:, 1])
    assert (found.low, found.high) == ends
    assert found.low < found.value < found.high


def test_gain_is_paired() -> None:
    """Nights differ by hundreds, the two forecasts by one nat every night: no doubt is left."""
    other, incidents = RNG.normal(-900, 200, 28), np.full(28, 10)
    found = gain(other + 1, other, incidents)
    assert [found.low, found.value, found.high] == pytest.approx([0.1, 0.1, 0.1])


@pytest.mark.parametrize(("nights", "has_ends"), [(13, False), (14, True)])
def test_fewer_than_two_blocks_have_no_interval(nights: int, has_ends: bool) -> None:
    values = RNG.poisson(30.0, nights)
    found = ratio(values, values + 1)
    assert np.isfinite(found.value)
    assert np.isfinite([found.low, found.high]).all() == has_ends
    bins = np.stack([values, values], axis=1)
    assert (reliable(bins, bins) is not None) == has_ends


def test_a_forecast_that_ruled_out_what_happened_has_no_interval() -> None:
    score = RNG.normal(-900, 20, 28)
    ruled_out = np.where(np.arange(28) == 3, -np.inf, score)
    found = gain(ruled_out, score, np.full(28, 10))
    assert found.to_dict() == {"value": None, "low": None, "high": None}


def test_what_holds_no_incident_is_null_and_no_fault() -> None:
    found = ratio(np.ones((28, 2)), np.array([[0, 1]] * 28))
    assert found.to_dict() == {"value": [None, 1.0], "low": [None, 1.0], "high": [None, 1.0]}
    assert reliable(np.ones((28, 2)), np.array([[0, 1]] * 28)) is not None


def test_blocks_can_be_of_one() -> None:
    found = estimate(RNG.random((4, 2)), lambda s: s[:, 0] / s[:, 1], block=1)
    assert found.low < found.value < found.high


def test_json_has_plain_numbers() -> None:
    found = plain(np.array([[1, np.nan], [np.inf, 2.5]]))
    assert found == [[1.0, None], [None, 2.5]]
    assert isinstance(plain(np.int64(3)), int)
