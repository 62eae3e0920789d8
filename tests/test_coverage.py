import math

import numpy as np
import pytest

from forecasts.counting import POISSON, CountLaw, CountLaws
from forecasts.coverage import Coverage, coverage, coverages
from forecasts.sums import Sums


def test_coverage_by_hand():
    # Poisson of 8: 4..12 holds 0.894. What is expected to have 0.4 is not judged.
    means, counts = [[8, 8, 8, 8], [8, 8, 0.4, 0.4]], [[3, 4, 12, 13], [20, 8, 0, 9]]
    found = coverage(POISSON, means, counts)
    assert found == Coverage(below=1, inside=3, above=2)
    assert found.sums == 6
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


def test_every_kind_of_sum_is_judged_by_its_own_law():
    eights = np.array([[8.0] * 4, [3, 4, 12, 13]])
    sums = Sums(np.zeros((3, 0)), district_shift=eights, city_hour=eights)
    wide = CountLaw(1.0, 0.0)  # of 8: 2..13 holds 0.909
    found = coverages(CountLaws(district_shift=POISSON, city_hour=wide), sums)
    assert found == {"district_shift": Coverage(1, 2, 1), "city_hour": Coverage(0, 4, 0)}
    assert coverages(CountLaws(), sums, level=0.99)["district_shift"] == Coverage(0, 4, 0)
