"""Which nights parameters are tried on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.errors import MissingInputError
from pipeline.tuning.folds import Fold, plan_folds


def nights(count: int) -> list[datetime]:
    return [datetime(2024, 1, 1, 7, tzinfo=UTC) + timedelta(days=day) for day in range(count)]


def test_origins_roll_back_from_the_newest_night() -> None:
    assert plan_folds(nights(1000), 1) == (Fold(944, 944, 1000), Fold(888, 888, 944))


def test_a_short_history_is_fitted_on_more_than_scored() -> None:
    assert plan_folds(nights(72), 1) == (Fold(60, 60, 72), Fold(48, 48, 60))


@pytest.mark.parametrize("days", [1, 3, 7])
def test_no_hour_is_both_fitted_on_and_scored(days: int) -> None:
    for fold in plan_folds(nights(400), days):
        assert fold.fit - 1 + days <= fold.first


def test_too_few_nights_are_named() -> None:
    assert plan_folds(nights(42), 1)[-1].fit == 28
    with pytest.raises(MissingInputError, match="41 nights can be learned from, a search needs 42"):
        plan_folds(nights(41), 1)
    with pytest.raises(MissingInputError, match="44 or more"):
        plan_folds(nights(43), 3)
