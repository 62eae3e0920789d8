import math

import numpy as np
import pytest

from forecasts.counting import POISSON, CountLaw
from forecasts.coverage import Coverage, coverage, shift_sums, shifts


def test_three_shifts_a_day_from_six():
    assert shifts(np.arange(24)).tolist() == [2] * 6 + [0] * 8 + [1] * 8 + [2] * 2
    assert shifts((np.arange(24) + 6) % 24).tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert shifts(np.arange(24) + 24 * 5).tolist() == shifts(np.arange(24)).tolist()


@pytest.mark.parametrize("hours", [23, 24, 25, 48, 71, 73])
def test_days_of_any_length_have_three_shifts(hours):
    found = shifts((np.arange(hours) + 6) % 24)
    assert set(found) == set(range(3 * round(hours / 24)))
    assert np.bincount(found).min() >= 7


def test_sums_by_district_and_shift_by_hand():
    values = np.arange(12).reshape(3, 4)
    sums = shift_sums(values, [1, -1, 1], [0, 0, 2, 1], districts=2)
    assert sums.tolist() == [[0, 0, 0], [18, 14, 12]]
    with pytest.raises(ValueError, match="but 2 cells and 4 hours have groups"):
        shift_sums(values, [0, 0], [0, 0, 0, 0], 1)


def test_coverage_by_hand():
    # Poisson of 8: 4..12 holds 0.894. What is expected to have 0.4 is not judged.
    means, counts = [[8, 8, 8, 8], [8, 8, 0.4, 0.4]], [[3, 4, 12, 13], [20, 8, 0, 9]]
    found = coverage(POISSON, means, counts)
    assert found == Coverage(below=1, inside=3, above=2)
    assert (found + found).sums == 12
    assert found.share == 0.5
    assert math.isnan(coverage(POISSON, [0.1], [0]).share)
    with pytest.raises(ValueError, match="give every sum both"):
        coverage(POISSON, [1.0], [1, 2])


def test_the_right_law_covers_nine_tenths_where_counts_are_small_too():
    rng = np.random.default_rng(3)
    for low, high in [(0.5, 1), (1, 2), (2, 5), (5, 20), (20, 60)]:
        means = np.exp(rng.uniform(np.log(low), np.log(high), 40_000))
        busy = means * rng.gamma(1 / 0.03, 0.03, means.shape)
        counts = rng.negative_binomial(busy / 0.4, 1 / 1.4)
        assert coverage(CountLaw(0.4, 0.03), means, counts).share == pytest.approx(0.9, abs=0.03)
        if low >= 5:
            assert coverage(POISSON, means, counts).share < 0.86
