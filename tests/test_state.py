"""The decayed state against the formula it stands for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grids.clock import EPOCH, HOUR
from grids.counts import Events
from pipeline.silver import Arrivals, microseconds, sort_arrivals
from pipeline.state import (
    HALF_LIVES,
    HOUR_SLOTS,
    PART_SLOTS,
    SLOT_HALF_LIVES,
    WEEK_HALF_LIFE,
    State,
    StateSpec,
    advance,
    empty_state,
)

START = datetime(2024, 2, 1, tzinfo=UTC)
SPEC = StateSpec(5, 3, int((START - EPOCH) / HOUR), ZoneInfo("America/Denver"))


def arrivals(rows: list[tuple[float, int, int, int, int]]) -> Arrivals:
    """From (known after hours, occurred after hours, cell, category, sign)."""
    known, hour, cell, category, sign = (np.array(c) for c in zip(*rows, strict=True))
    stamps = np.array([microseconds(START + k * HOUR) for k in known.astype(float)], np.int64)
    events = Events(
        hour.astype(np.int64) + SPEC.start,
        cell.astype(np.int32),
        category.astype(np.int8),
        sign.astype(np.int8),
    )
    return sort_arrivals([Arrivals(stamps, sign > 0, events)])


def play(arrived: Arrivals, cutoffs: list[datetime]) -> State:
    state = empty_state(SPEC)
    for cutoff in cutoffs:
        state = advance(state, arrived.after(state.as_of).until(cutoff), cutoff, SPEC)
    return state


events = st.lists(
    st.tuples(
        st.floats(0, 900, allow_nan=False),
        st.integers(0, 700),
        st.integers(0, 4),
        st.integers(0, 2),
    ).map(lambda e: (max(e[0], e[1] + 0.5), e[1], e[2], e[3], 1)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(events)
def test_sums_equal_the_formula(rows: list[tuple[float, int, int, int, int]]) -> None:
    cutoff = START + timedelta(days=40)
    state = play(arrivals(rows), [START + timedelta(days=d) for d in range(0, 41, 8)])
    rate = np.zeros_like(state.rate)
    for _, hour, cell, category, _ in rows:
        age = (cutoff - START) / HOUR - hour
        rate[cell, category] += 0.5 ** (age / HALF_LIVES)
    np.testing.assert_allclose(state.rate, rate, rtol=1e-9)
    assert state.incidents == len(rows)
    hours = state.slot[..., :HOUR_SLOTS].sum(axis=-1)
    for slots in (slice(HOUR_SLOTS, HOUR_SLOTS + PART_SLOTS), slice(HOUR_SLOTS + PART_SLOTS, None)):
        np.testing.assert_allclose(hours, state.slot[..., slots].sum(axis=-1), rtol=1e-9)


@settings(max_examples=30, deadline=None)
@given(events, st.sets(st.integers(0, 39), max_size=6))
def test_one_step_equals_many(rows: list[tuple[float, int, int, int, int]], days: set[int]) -> None:
    arrived, end = arrivals(rows), START + timedelta(days=40)
    once = play(arrived, [end])
    often = play(arrived, [START + timedelta(days=day, hours=6) for day in sorted(days)] + [end])
    for name, values in once.arrays().items():
        np.testing.assert_allclose(often.arrays()[name], values, rtol=1e-9, err_msg=name)


def test_a_retraction_leaves_no_trace() -> None:
    kept = [(3.0, 1, 0, 0, 1), (50.0, 40, 2, 1, 1)]
    gone = [(5.3, 2, 1, 2, 1), (9.1, 2, 1, 2, 1), (99.7, 2, 1, 2, -1), (200.9, 2, 1, 2, -1)]
    days = [START + timedelta(days=d) for d in range(20)]
    with_them, without = play(arrivals(kept + gone), days), play(arrivals(kept), days)
    assert (with_them.rate[1, 2] == 0).all()
    assert (with_them.slot[:, 1, 2] == 0).all()
    for name in ("rate", "slot", "week", "rate_count", "slot_count", "week_count"):
        np.testing.assert_array_equal(with_them.arrays()[name], without.arrays()[name], name)


def test_the_order_of_storage_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    rows = [
        (float(k), int(k) - 3, int(c), int(c) % 3, 1)
        for k, c in zip(rng.integers(3, 300, 200), rng.integers(0, 5, 200), strict=True)
    ]
    shuffled = [rows[i] for i in rng.permutation(len(rows))]
    cutoffs = [START + timedelta(days=d) for d in range(15)]
    one, other = play(arrivals(rows), cutoffs), play(arrivals(shuffled), cutoffs)
    for name, values in one.arrays().items():
        np.testing.assert_array_equal(other.arrays()[name], values, name)


def test_exposure_counts_the_local_hours_that_there_were() -> None:
    # The 10th of March 2024 had no 02:00 in Denver.
    state = play(arrivals([(1.0, 0, 0, 0, 1)]), [datetime(2024, 3, 11, 6, tzinfo=UTC)])
    ages = (datetime(2024, 3, 11, 6, tzinfo=UTC) - START) / HOUR - np.arange(39 * 24 + 6)
    for exposure, half_life in zip(state.slot_exposure.T, SLOT_HALF_LIVES, strict=True):
        whole = (0.5 ** (ages / half_life)).sum()
        assert exposure[:HOUR_SLOTS].sum() == pytest.approx(whole)
        assert exposure[2] < exposure[3] < exposure[1] * 1.01
    assert state.week_exposure.sum() == pytest.approx((0.5 ** (ages / WEEK_HALF_LIFE)).sum())
    lost = state.week_exposure[6 * 24 + 2] - state.week_exposure[5 * 24 + 2]
    assert lost < -0.9  # a Sunday 02:00 fewer than Saturdays


def test_time_does_not_run_backwards() -> None:
    state = play(arrivals([(1.0, 0, 0, 0, 1)]), [START + timedelta(days=3)])
    with pytest.raises(ValueError, match="cannot go back"):
        advance(state, arrivals([(1.0, 0, 0, 0, 1)]), START, SPEC)
