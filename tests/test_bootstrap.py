"""Intervals from blocks of nights: as wide as they should be, for nights that are alike too."""

import numpy as np
import pytest

from forecasts.bootstrap import interval, resampled


def mean(sums: np.ndarray) -> np.ndarray:
    return sums[:, 0] / sums[:, 1]


def of(values: np.ndarray) -> np.ndarray:
    return np.stack([values, np.ones_like(values)], axis=1)


@pytest.mark.parametrize("nights", [14, 17, 90])
def test_draws_are_blocks_of_a_week_taken_round_the_end(nights):
    weights = resampled(nights, draws=3000)
    assert weights.shape == (3000, nights)
    assert (weights.sum(axis=1) == nights).all()
    assert np.allclose(weights.mean(axis=0), 1, atol=0.12)
    # Within a draw the count changes only where a block begins or ends.
    changes = (weights != np.roll(weights, 1, axis=1)).sum(axis=1)
    assert changes.max() <= 2 * -(-nights // 7)
    assert (resampled(nights, draws=3000) == weights).all()


def test_too_few_nights_have_no_interval():
    with pytest.raises(ValueError, match="13 nights are no two blocks of 7"):
        resampled(13)


def test_of_independent_nights_the_interval_is_that_of_the_mean():
    values = np.random.default_rng(1).normal(5, 2, 400)
    low, high = interval(of(values), mean, block=1)
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.06 * 2 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.06 * 2 * half)


def test_weeks_that_are_alike_widen_it_as_they_should():
    rng = np.random.default_rng(2)
    values = np.repeat(rng.normal(size=60), 7) + 0.1 * rng.normal(size=420)
    (low, high), (one, other) = (interval(of(values), mean, block=b) for b in (7, 1))
    theory = 2 * 1.96 * 7**0.5 * values.std() / 420**0.5
    assert 0.7 * theory < high - low < 1.1 * theory  # blocks do not begin where the weeks do
    assert other - one < 0.45 * theory


def test_what_cannot_be_said_is_nan_and_paired_differences_are_paired():
    values = np.random.default_rng(3).normal(0, 10, 70)
    pairs = np.stack([values, values + 0.5, np.ones(70)], axis=1)
    low, high = interval(pairs, lambda s: (s[:, 1] - s[:, 0]) / s[:, 2])
    assert low == pytest.approx(0.5)
    assert high == pytest.approx(0.5)
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning, match="All-NaN"):
        assert np.isnan(interval(np.zeros((70, 2)), mean)).all()


def test_an_end_is_not_left_to_a_few_draws():
    """Of independent nights it lies where the normal law's quantile does, and few draws do."""
    values = np.random.default_rng(5).normal(5, 2, 2000)
    ends = [interval(of(values), mean, level=1 - 2e-5, block=1, seed=seed) for seed in range(8)]
    half = 4.265 * values.std() / 2000**0.5
    lows = (values.mean() - np.array([low for low, _ in ends])) / half
    assert lows == pytest.approx(np.ones(8), abs=0.12)


@pytest.mark.parametrize("nights", [14, 28, 56])
def test_few_blocks_do_not_make_the_interval_too_short(nights):
    rng = np.random.default_rng(4)
    ends = [interval(of(rng.normal(size=nights)), mean) for _ in range(600)]
    outside = np.mean([low > 0 or high < 0 for low, high in ends])
    assert outside < 0.08
