"""Expected over observed, and the number test."""

import numpy as np
import pytest
from scipy import stats

from forecasts.bootstrap import interval
from forecasts.calibration import deciles, number_test, reliability

RNG = np.random.default_rng(5)
EXPECTED = RNG.gamma(4, 10, (90, 6))


def test_a_forecast_without_fault_is_not_off_and_a_wrong_one_is():
    found = reliability(EXPECTED, RNG.poisson(EXPECTED))
    assert not found.is_off.any()
    assert (found.low < found.ratio).all()
    assert (found.ratio < found.high).all()
    assert found.level == pytest.approx(1 - 0.01 / 6)
    wrong = EXPECTED * [1, 1.3, 1, 1, 0.8, 1]
    assert reliability(wrong, RNG.poisson(EXPECTED)).is_off.tolist() == [0, 1, 0, 0, 1, 0]


def test_the_intervals_hold_together_where_weeks_share_what_they_have_too_many():
    """Counts of a week rise and fall together: intervals of a Poisson law would be too short."""
    off, naive, trials = 0, 0, 60
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        week = np.repeat(rng.gamma(20, 1 / 20, 18), 7)[:, None]
        expected = np.full((126, 4), 40.0)
        observed = rng.poisson(expected * week)
        off += reliability(expected, observed, level=0.9).is_off.any()
        total, tail = observed.sum(axis=0), 0.1 / 4 / 2
        low, high = stats.poisson.ppf([[tail], [1 - tail]], 126 * 40.0)
        naive += ((total < low) | (total > high)).any()
    assert off / trials < 0.3
    assert naive / trials > 0.6


def test_a_bin_without_incidents_is_off_where_many_were_expected():
    expected, observed = np.ones((30, 3)), np.zeros((30, 3))
    observed[:, 1] = 1
    expected[:, 2] = 0.01
    found = reliability(expected, observed)
    assert found.is_off.tolist() == [True, False, False]
    assert found.ratio[0] == found.high[0] == np.inf
    assert 4 < found.low[0] < 6  # 30 over the 5.8 that none observed leaves possible
    assert found.low[2] < 1


def test_a_bin_without_anything_says_nothing():
    with pytest.warns(RuntimeWarning, match="All-NaN"):
        found = reliability(np.zeros((30, 1)), np.zeros((30, 1)))
    assert np.isnan(found.ratio).all()
    assert not found.is_off.any()


def test_both_are_night_by_bin():
    with pytest.raises(ValueError, match="both must be"):
        reliability(np.ones((30, 2)), np.ones(30))


def test_three_incidents_do_not_put_a_bin_off_that_chance_would():
    """P(N <= 3) is 0.0076 where 10 are expected: no fault at 99 % of two sides; at 30 it is one."""
    observed = np.zeros((90, 1))
    observed[[5, 40, 71]] = 1
    found = reliability(np.full((90, 1), 10 / 90), observed)
    assert not found.is_off[0]
    assert found.low[0] == pytest.approx(10 / stats.chi2.ppf(0.995, 8) * 2)
    assert reliability(np.full((90, 1), 30 / 90), observed).is_off[0]


def test_intervals_of_many_incidents_are_the_resamplings():
    expected = np.full((90, 1), 40.0)
    week = np.repeat(RNG.gamma(20, 1 / 20, 13), 7)[:90, None]
    observed = RNG.poisson(expected * week)
    found = reliability(expected, observed)
    ends = interval(
        np.stack([expected, observed], axis=1),
        lambda s: np.log(s[:, 0] / s[:, 1]),
        0.99,
        draws=20_000,
    )
    assert (found.low[0], found.high[0]) == pytest.approx(np.exp([ends[0][0], ends[1][0]]))


def test_bins_of_several_tables_hold_together():
    observed = RNG.poisson(EXPECTED)
    alone, among = reliability(EXPECTED, observed), reliability(EXPECTED, observed, bins=40)
    assert among.level == pytest.approx(1 - 0.01 / 40)
    assert (among.low < alone.low).all()
    assert (among.high > alone.high).all()
    assert (reliability(EXPECTED, observed, bins=6).low == alone.low).all()


def test_deciles_hold_a_tenth_each_and_equal_rates_stay_together():
    rates = RNG.random((50, 24))
    bins = deciles(rates)
    assert np.bincount(bins.ravel()).tolist() == [120] * 10
    assert rates[bins == 3].max() < rates[bins == 4].min()
    flat = deciles(np.array([[0.0] * 9 + [1.0]]))
    assert flat.tolist() == [[0] * 9 + [9]]


def test_the_number_test_by_hand_and_by_simulation():
    too_few, too_many = number_test(3.0, 5)
    assert too_few == pytest.approx(0.18474, abs=1e-5)  # 1 - e**-3 (1 + 3 + 9/2 + 27/6 + 81/24)
    assert too_many == pytest.approx(0.91608, abs=1e-5)
    draws = np.random.default_rng(6).poisson(20.0, 400_000)
    above, below = number_test(20.0, 28)
    assert above == pytest.approx((draws >= 28).mean(), abs=0.004)
    assert below == pytest.approx((draws <= 28).mean(), abs=0.004)
    assert number_test(0.0, 0) == (1.0, 1.0)
    assert number_test(0.0, 1) == (0.0, 1.0)
    with pytest.raises(ValueError, match="neither is negative"):
        number_test(-1.0, 3)


def test_the_number_test_is_pycseps():
    """Figures of pyCSEP 0.8.0, poisson_evaluations.number_test: 10 events, 8.25 forecast."""
    poisson = (0.31483899165338125, 0.7903201365223922)
    assert number_test(8.25, 10) == pytest.approx(poisson, rel=1e-9)
