import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import poisson
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from forecasts.ranking import hotspot_count, hottest, positions
from forecasts.scores import (
    auc,
    auc_of_bins,
    auc_within_cells,
    average_precision,
    average_precision_of_bins,
    brier,
    divergence,
    hit_rate,
    information_gain,
    pai,
    pai_of_hits,
    pei,
    pei_of_hits,
    poisson_log_score,
)

# Four cells, two hours. Hottest half: cells 0 and 1, then 2 and 0 (a tie with 3 goes to 0).
EXPECTED = np.array([[0.4, 0.1], [0.3, 0.0], [0.2, 0.5], [0.1, 0.1]])
COUNTS = np.array([[1, 0], [0, 2], [1, 3], [0, 1]])

# Few distinct values, so that ties are the rule.
expected_arrays = arrays(np.float64, (5, 4), elements=st.sampled_from([0.0, 0.1, 0.5, 2.0]))
count_arrays = arrays(np.int64, (5, 4), elements=st.integers(0, 3))


def random_case(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    expected = rng.gamma(0.5, 0.2, (60, 24)).round(2)  # rounded: some ties
    return expected, rng.poisson(expected)


def test_positions_order_cells_within_the_hour_and_ties_by_index():
    assert positions(EXPECTED).T.tolist() == [[0, 1, 2, 3], [1, 3, 0, 2]]


def test_hottest_share_is_rounded_up_without_rounding_errors():
    assert hotspot_count(2795, 0.05) == 140
    assert hotspot_count(100, 0.07) == 7  # 0.07 * 100 is above 7 in binary
    assert hottest(EXPECTED, 0.5).T.tolist() == [
        [True, True, False, False],
        [True, False, True, False],
    ]


@pytest.mark.parametrize("share", [0, -0.1, 1.5, math.nan])
def test_a_share_outside_0_to_1_is_refused(share):
    with pytest.raises(ValueError, match="share of the area"):
        hotspot_count(10, share)


@given(expected_arrays, st.floats(0.01, 1))
def test_every_hour_has_the_same_number_of_hotspots_and_none_is_colder(expected, share):
    hot = hottest(expected, share)
    assert (hot.sum(axis=0) == hotspot_count(5, share)).all()
    coldest_hot = np.where(hot, expected, np.inf).min(axis=0)
    assert (np.where(hot, -np.inf, expected).max(axis=0) <= coldest_hot).all()


def test_poisson_log_score_by_hand():
    # 2 incidents where 0.5 were expected: 2 log 0.5 - 0.5 - log 2!; none where 3 were: -3.
    score = poisson_log_score([[0.5, 3.0]], [[2, 0]])
    assert score == pytest.approx(2 * math.log(0.5) - 0.5 - math.log(2) - 3.0)


def test_poisson_log_score_is_scipys():
    expected, counts = random_case()
    expected += 0.01
    assert poisson_log_score(expected, counts) == pytest.approx(
        poisson.logpmf(counts, expected).sum()
    )


def test_poisson_log_score_of_the_impossible_and_of_the_certain():
    assert poisson_log_score([[0.0]], [[1]]) == -math.inf
    assert poisson_log_score([[0.0]], [[0]]) == 0.0


def test_information_gain_is_per_incident():
    assert information_gain(-10.0, -16.0, 3) == 2.0
    assert math.isnan(information_gain(-10.0, -16.0, 0))


def test_information_gain_of_the_truth_over_uniform_is_its_relative_entropy():
    # Doubling the rate where all 4 incidents are, and halving nothing else: 4 log 2 less the mass.
    uniform, sharp, counts = [[1.0], [1.0]], [[2.0], [1.0]], [[4], [0]]
    gain = information_gain(poisson_log_score(sharp, counts), poisson_log_score(uniform, counts), 4)
    assert gain == pytest.approx(math.log(2) - 1 / 4)


def test_divergence_by_hand():
    # 2 log 2 - 2 + 1 where twice as many are expected, -0 + 1 where none is; nothing of itself.
    assert divergence([[2.0, 0.0]], [[1.0, 1.0]]) == pytest.approx(2 * math.log(2) - 1 + 1)
    assert divergence(EXPECTED, EXPECTED) == 0
    assert divergence([[1.0]], [[0.0]]) == math.inf
    with pytest.raises(ValueError, match="both must be"):
        divergence([[1.0]], [[1.0, 2.0]])


@pytest.mark.parametrize("clumping", [0.0, 1.5])
def test_divergence_is_the_mean_gain_of_a_true_forecast_however_counts_spread(clumping):
    rng = np.random.default_rng(12)
    expected, reference = rng.gamma(0.5, 0.3, (2, 40, 24)) + 0.01
    ahead = []
    for _ in range(3000):
        counts = rng.poisson(expected)
        if clumping:
            counts = rng.negative_binomial(expected / clumping, 1 / (1 + clumping))
        score = poisson_log_score(expected, counts)
        ahead.append(score - poisson_log_score(reference, counts))
    error = np.std(ahead) / len(ahead) ** 0.5
    assert divergence(expected, reference) == pytest.approx(np.mean(ahead), abs=4 * error)
    assert error < divergence(expected, reference) / 50


def test_pai_and_pei_of_sums_are_those_of_the_forecasts():
    expected, counts = random_case(5)
    hot = hottest(expected, 0.05)
    hits, most = counts[hot].sum(), counts[hottest(counts, 0.05)].sum()
    area = hotspot_count(60, 0.05) / 60
    found = pai_of_hits([hits, 0], [counts.sum(), 0], area)
    assert found[0] == pytest.approx(pai(expected, counts, 0.05))
    assert pei_of_hits([hits, 0], [most, 0])[0] == pytest.approx(pei(expected, counts, 0.05))
    assert math.isnan(found[1])


def test_hit_rate_pai_and_pei_by_hand():
    # Cells 0 and 1 hold 1 of 2 incidents in the first hour; 2 and 0 hold 3 of 6 in the second.
    assert hit_rate(EXPECTED, COUNTS, 0.5) == 4 / 8
    assert pai(EXPECTED, COUNTS, 0.5) == (4 / 8) / (2 / 4)
    # In hindsight, two cells could have held 2 and 5.
    assert pei(EXPECTED, COUNTS, 0.5) == 4 / 7


def test_pai_divides_by_the_area_really_chosen():
    # 10 % of four cells is one cell, a quarter of the area; it holds 1 and 3 of 8 incidents.
    assert pai(EXPECTED, COUNTS, 0.1) == (4 / 8) / (1 / 4)


@given(expected_arrays, count_arrays.filter(lambda n: n.sum() > 0), st.floats(0.01, 1))
def test_area_scores_are_consistent(expected, counts, share):
    hits = hit_rate(expected, counts, share)
    assert 0 <= hits <= 1
    assert hits <= hit_rate(expected, counts, 1.0) == pai(expected, counts, 1.0) == 1
    assert pai(expected, counts, share) == pytest.approx(hits * 5 / hotspot_count(5, share))
    assert 0 <= pei(expected, counts, share) <= 1 == pei(counts, counts, share)


def test_brier_by_hand_and_by_scikit_learn():
    assert brier([[0.25, 0.5]], [[0, 3]]) == pytest.approx((0.25**2 + 0.5**2) / 2)
    expected, counts = random_case()
    probability = -np.expm1(-expected)
    truth = brier_score_loss(counts.ravel() > 0, probability.ravel())
    assert brier(probability, counts) == pytest.approx(truth)


def test_brier_refuses_counts_for_probabilities():
    with pytest.raises(ValueError, match=r"probability 1\.5 is above 1"):
        brier([[1.5]], [[1]])


@pytest.mark.parametrize("seed", range(3))
def test_auc_and_average_precision_are_scikit_learns(seed):
    expected, counts = random_case(seed)
    hit = counts.ravel() > 0
    assert auc(expected, counts) == pytest.approx(roc_auc_score(hit, expected.ravel()))
    truth = average_precision_score(hit, expected.ravel())
    assert average_precision(expected, counts) == pytest.approx(truth)


@given(expected_arrays, count_arrays.filter(lambda n: 0 < (n > 0).sum() < n.size))
def test_auc_and_average_precision_are_scikit_learns_with_ties(expected, counts):
    hit = counts.ravel() > 0
    assert auc(expected, counts) == pytest.approx(roc_auc_score(hit, expected.ravel()))
    truth = average_precision_score(hit, expected.ravel())
    assert average_precision(expected, counts) == pytest.approx(truth)


def test_without_incidents_there_is_no_score():
    nothing = np.zeros_like(COUNTS)
    for score in (hit_rate, pai, pei):
        assert math.isnan(score(EXPECTED, nothing, 0.5))
    assert math.isnan(auc(EXPECTED, nothing))
    assert math.isnan(average_precision(EXPECTED, nothing))
    assert math.isnan(auc(EXPECTED, nothing + 1))  # nor where there is nothing else


def test_without_hours_there_is_no_score():
    empty = np.zeros((4, 0))
    for score in (hit_rate, pai, pei):
        assert math.isnan(score(empty, empty, 0.5))
    assert math.isnan(brier(empty, empty))
    assert math.isnan(auc(empty, empty))
    assert math.isnan(average_precision(empty, empty))
    assert poisson_log_score(empty, empty) == 0.0


@pytest.mark.parametrize(
    ("expected", "counts", "message"),
    [
        ([[0.1, 0.2]], [[1]], r"the forecast is \(1, 2\), counts \(1, 1\)"),
        ([0.1, 0.2], [1, 0], r"must be \(cell, hour\)"),
        ([[0.1, math.nan]], [[1, 0]], "the forecast: 1 values are negative or not finite"),
        ([[0.1, -0.5]], [[1, 0]], r"the first is -0\.5"),
        ([[0.1, 0.5]], [[1, -1]], "counts: 1 values are negative"),
    ],
)
def test_wrong_input_is_refused(expected, counts, message):
    with pytest.raises(ValueError, match=message):
        poisson_log_score(expected, counts)


def test_auc_within_cells_is_that_of_every_cell_weighted_by_its_pairs():
    expected, counts = random_case(4)
    hit, pairs, total = counts > 0, 0, 0.0
    for m, h in zip(expected, hit, strict=True):
        if 0 < h.sum() < h.size:
            weight = h.sum() * (~h).sum()
            pairs, total = pairs + weight, total + weight * roc_auc_score(h, m)
    assert auc_within_cells(expected, counts) == pytest.approx(total / pairs, rel=1e-12)


def test_auc_within_cells_knows_nothing_of_place():
    place = np.repeat(np.arange(1.0, 6)[:, None], 24, axis=1)
    counts = np.zeros((5, 24), int)
    counts[:, 3] = [0, 1, 2, 3, 1]
    assert auc(place, counts) > 0.6
    assert auc_within_cells(place, counts) == 0.5
    assert math.isnan(auc_within_cells(place, np.zeros((5, 24))))


@pytest.mark.parametrize("seed", range(3))
def test_auc_and_average_precision_of_bins_are_exact_for_what_the_bins_tell_apart(seed):
    """Every distinct rate a bin of its own: nothing is lost."""
    expected, counts = random_case(seed)
    _, place = np.unique(expected, return_inverse=True)
    every = np.bincount(place.ravel())
    hits = np.bincount(place.ravel(), counts.ravel() > 0)
    assert auc_of_bins(hits, every - hits) == pytest.approx(auc(expected, counts), rel=1e-12)
    found = average_precision_of_bins(hits, every - hits)
    assert found == pytest.approx(average_precision(expected, counts), rel=1e-12)


def test_auc_and_average_precision_of_bins_by_hand_and_for_many_at_once():
    # From the hottest: 1 hit of 1, then 1 of 3, then 0 of 2.
    hits, misses = np.array([[0, 1, 1], [0, 0, 0]]), np.array([[2, 2, 0], [1, 1, 1]])
    found = auc_of_bins(hits, misses)
    assert found[0] == pytest.approx((4 + 2 + 2 / 2) / 8)
    assert math.isnan(found[1])
    precision = average_precision_of_bins(hits, misses)
    assert precision[0] == pytest.approx((1 + 2 / 4) / 2)
    assert math.isnan(precision[1])


def test_log_score_and_gain_are_pycseps():
    """Twelve cells of one bin each; figures of pyCSEP 0.8.0.

    GriddedForecast of ``one`` and ``two`` on CartesianGrid2D, a catalog with ``counts`` events at
    the cells' centres: poisson_evaluations.likelihood_test and .paired_t_test, observed_statistic.
    """
    one, two, counts = csep_case()
    score, other = poisson_log_score(one, counts), poisson_log_score(two, counts)
    assert score == pytest.approx(-11.986312507348568, rel=1e-12)
    assert information_gain(score, other, 10) == pytest.approx(0.34172809739917487, rel=1e-12)


def csep_case() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    one = 0.25 * (1 + np.arange(12) % 5)[:, None]
    two = np.full((12, 1), one.sum() / 12 * 0.9)
    return one, two, np.array([0, 1, 0, 2, 3, 0, 0, 1, 0, 2, 0, 1])[:, None]
