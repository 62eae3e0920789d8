"""Weights of a mixture against what a search finds, and against the mixture that made the data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.baselines.mixture import Evidence, fit_weights


def drawn(weights: np.ndarray, slots: int, seed: int) -> Evidence:
    """Counts of a mixture of forecasts that differ between cell-hours, and in their totals."""
    rng = np.random.default_rng(seed)
    rates = rng.gamma(0.5, size=(slots, len(weights))) * rng.uniform(0.05, 0.15, len(weights))
    counts = rng.poisson(rates @ weights)
    hit = counts > 0
    return Evidence(rates[hit], counts[hit].astype(float), rates.sum(axis=0))


def on_a_grid(seen: Evidence, steps: int = 200) -> float:
    """The best score of all pairs of weights with sum 1."""
    share = np.linspace(0, 1, steps + 1)
    return max(seen.score(np.array([1 - s, s])) for s in share)


@settings(max_examples=40)
@given(share=st.floats(0, 1), seed=st.integers(0, 2**16), slots=st.integers(200, 3000))
def test_no_other_weights_score_better(share: float, seed: int, slots: int) -> None:
    seen = drawn(np.array([1 - share, share]), slots, seed)
    if seen.count.sum() == 0:
        return
    weights = fit_weights(seen)
    assert weights.sum() == pytest.approx(1)
    assert weights.min() >= 0
    assert seen.score(weights) >= on_a_grid(seen) - 1e-3


def test_the_mixture_that_made_the_counts_is_found() -> None:
    truth = np.array([0.5, 0.0, 0.2, 0.3])
    weights = fit_weights(drawn(truth, 400_000, 5))
    np.testing.assert_allclose(weights, truth, atol=0.04)


def test_the_level_counts_where_the_places_are_alike() -> None:
    rates = np.random.default_rng(2).gamma(0.5, size=(4000, 1)) * np.array([[0.05, 0.2]])
    counts = np.random.default_rng(3).poisson(rates[:, 1])
    seen = Evidence(rates[counts > 0], counts[counts > 0].astype(float), rates.sum(axis=0))
    assert fit_weights(seen)[1] > 0.9


def test_without_incidents_the_first_part_takes_all() -> None:
    nothing = Evidence(np.empty((0, 3)), np.empty(0), np.ones(3))
    np.testing.assert_array_equal(fit_weights(nothing), [1, 0, 0])


def test_a_part_that_expects_nothing_gets_nothing() -> None:
    seen = Evidence(np.array([[0.2, 0.0], [0.1, 0.0]]), np.ones(2), np.array([2.0, 0.0]))
    np.testing.assert_allclose(fit_weights(seen), [1, 0], atol=1e-6)


def test_incidents_where_no_part_expects_any_leave_a_finite_score() -> None:
    seen = Evidence(np.array([[0.0, 0.0], [0.1, 0.2]]), np.ones(2), np.array([2.0, 2.0]))
    weights = fit_weights(seen)
    assert np.isfinite(seen.score(weights))
    assert np.isfinite(seen.scores).all()
    assert weights[1] > weights[0]


def test_scores_of_single_parts_are_those_of_their_mixtures() -> None:
    seen = drawn(np.array([0.3, 0.7]), 500, 4)
    alone = [seen.score(np.array(w, float)) for w in ([1, 0], [0, 1])]
    np.testing.assert_allclose(seen.scores, alone)
