"""One booster of a trial, and what it scores."""

from __future__ import annotations

import time

import numpy as np
import pytest
import xgboost

from forecasts.scores import poisson_log_score
from pipeline.learning.boosting import PARAMETERS
from pipeline.learning.features import FEATURE_NAMES, MISSING
from pipeline.learning.rows import Rows
from pipeline.tuning import growing
from pipeline.tuning.folds import Fold
from pipeline.tuning.growing import Growth, grow

AHEAD = time.time() + 3600
NIGHTS = 8


def night(seed: int, strength: float = 60.0, weight: float = 1.0) -> Rows:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 200, (300, len(FEATURE_NAMES))).astype(np.uint8)
    counts = rng.poisson(np.exp(codes[:, 3] / strength - 3)).astype(np.float32)
    weights = np.full(300, weight, np.float32)
    return Rows(codes, counts, weights, np.full(300, -3.0, np.float32), nights=1)


ROWS = [[night(seed) for seed in range(4)], [night(seed) for seed in range(4, NIGHTS)]]


def booster(nights: list[Rows], rounds: int) -> xgboost.Booster:
    codes, counts, starts = (
        np.concatenate([getattr(each, name) for each in nights])
        for name in ("codes", "counts", "starts")
    )
    matrix = xgboost.QuantileDMatrix(
        codes,
        counts,
        base_margin=starts,
        missing=MISSING,
        feature_names=list(FEATURE_NAMES),
        max_bin=256,
    )
    return xgboost.train(PARAMETERS, matrix, rounds)


def log_score(grown: xgboost.Booster, rows: Rows) -> float:
    matrix = xgboost.DMatrix(
        rows.codes, missing=MISSING, feature_names=list(FEATURE_NAMES), base_margin=rows.starts
    )
    return poisson_log_score(grown.predict(matrix)[None], rows.counts[None])


def test_scores_are_the_log_scores_of_the_held_nights_after_every_round() -> None:
    found = grow(ROWS, ROWS[1:], 4, Fold(5, 6, 8), PARAMETERS, Growth(1, 3, AHEAD))
    flat = [each for block in ROWS for each in block]
    assert found.scores.shape == (3, 2)
    for rounds in (1, 3):
        alone = booster(flat[:5], rounds)
        expected = [log_score(alone, each) for each in flat[6:]]
        np.testing.assert_allclose(found.scores[rounds - 1], expected, rtol=1e-5)
    assert found.incidents.tolist() == [flat[6].counts.sum(), flat[7].counts.sum()]
    assert not found.is_cut


def test_the_same_to_the_bit() -> None:
    one, other = (
        grow(ROWS, ROWS[1:], 4, Fold(5, 6, 8), PARAMETERS | {"subsample": 0.5}, Growth(1, 5, AHEAD))
        for _ in range(2)
    )
    np.testing.assert_array_equal(one.scores, other.scores)


def test_a_row_counts_by_its_weight() -> None:
    held = [[night(20)], [night(20, weight=3.0)]]
    fold = Fold(5, 8, 10)
    found = grow([*ROWS, *held], held, 8, fold, PARAMETERS, Growth(1, 1, AHEAD))
    assert found.scores[0, 1] == pytest.approx(3 * found.scores[0, 0])


def test_growing_stops_where_it_leads_nowhere_and_not_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(growing, "PATIENCE", 5)
    other = [[night(seed, strength=-60.0) for seed in (30, 31)]]  # the other way round
    fold = Fold(8, 8, 10)

    def rounds(least: int) -> int:
        growth = Growth(least, 100, AHEAD)
        return len(grow([*ROWS, *other], other, 8, fold, PARAMETERS, growth).scores)

    assert rounds(1) == 6
    assert rounds(20) == 20


def test_growing_stops_when_the_time_is_over() -> None:
    found = grow(ROWS, ROWS[1:], 4, Fold(5, 6, 8), PARAMETERS, Growth(1, 100, time.time() - 1))
    assert found.is_cut
    assert len(found.scores) == 1
