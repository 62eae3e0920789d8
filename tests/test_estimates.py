"""Values with intervals, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from forecasts.bootstrap import interval
from forecasts.calibration import number_test, reliability
from forecasts.estimates import calibration, gain, plain, ratio, reached, reliable
from forecasts.scores import divergence, poisson_log_score

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


def test_calibration_is_as_wide_as_poissons_law_where_nights_are_alike() -> None:
    """One incident each night and 1.3 expected: nights resampled do not differ at all."""
    found = calibration(np.full(28, 1.3), np.ones(28))
    assert found.value == pytest.approx(1.3)
    assert found.low < 0.95
    assert found.high > 1.9
    naive = ratio(np.full(28, 1.3), np.ones(28))
    assert (naive.low, naive.high) == pytest.approx((1.3, 1.3))


def test_calibration_is_as_wide_as_weeks_differ() -> None:
    """Poisson's number test finds fault with a forecast that is right on average; this does not."""
    weeks = np.repeat([0.7, 1.1, 1.35, 0.85, 1.15, 0.65, 1.25, 1.2], 7)
    observed = np.random.default_rng(8).poisson(100 * weeks)
    found = calibration(np.full(56, 100.0), observed)
    assert found.low < 1 < found.high
    p_too_few, _ = number_test(5600.0, int(observed.sum()))
    assert p_too_few < 0.025
    ends = reliability(np.full((56, 1), 100.0), observed[:, None], level=0.95)
    assert (found.low, found.high) == (ends.low[0], ends.high[0])


def test_a_true_forecast_reaches_its_ceiling_and_one_too_sure_of_itself_does_not() -> None:
    rng = np.random.default_rng(6)
    truth, reference = rng.gamma(0.5, 0.2, (56, 400)), np.full((56, 400), 0.1)
    counts = rng.poisson(truth)
    assert whole(truth, reference, counts) == pytest.approx([1.0], abs=0.1)
    sharper = truth**1.5 * truth.sum() / (truth**1.5).sum()
    assert whole(sharper, reference, counts)[0] < 0.8
    flatter = truth**0.5 * truth.sum() / (truth**0.5).sum()
    assert whole(flatter, reference, counts)[0] > 1.2


def whole(forecast: np.ndarray, reference: np.ndarray, counts: np.ndarray) -> list[float]:
    """``reached`` of a forecast, (night, cell) each, its interval about it."""
    triples = list(zip(forecast, reference, counts, strict=True))
    ours = [poisson_log_score(m[None], n[None]) for m, _, n in triples]
    theirs = [poisson_log_score(r[None], n[None]) for _, r, n in triples]
    ahead = [divergence(m[None], r[None]) for m, r, _ in triples]
    found = reached(ours, theirs, counts.sum(axis=1), ahead, forecast.sum(axis=1))
    assert found.low < found.value < found.high
    return [float(found.value)]


def test_json_has_plain_numbers() -> None:
    found = plain(np.array([[1, np.nan], [np.inf, 2.5]]))
    assert found == [[1.0, None], [None, 2.5]]
    assert isinstance(plain(np.int64(3)), int)
