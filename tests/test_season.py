"""The time of the year, from daily counts as known then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from grids.clock import EPOCH, HOUR
from grids.counts import Events
from pipeline.delay import DELAY_EDGES
from pipeline.season import CYCLE, SEASON_DAYS, at_decayed, at_hours, count_days, heard, seasons
from pipeline.silver import Arrivals
from pipeline.state import HALF_LIVES, StateSpec, advance, empty_state

START = datetime(2020, 1, 1, tzinfo=UTC)
AT_ONCE = np.ones(len(DELAY_EDGES))


def day(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(days=1)


def swing(days: np.ndarray) -> np.ndarray:
    """A fifth more at the height of the year than on average, a fifth less half a year later."""
    return 1 + 0.2 * np.sin(2 * np.pi * days / CYCLE)


def counted(cutoff: datetime, level: float, growth: float = 0.0, days: int = 10_000) -> np.ndarray:
    """The table of a city of that many incidents a day on average."""
    known = np.arange(
        max(day(START), day(cutoff) - SEASON_DAYS + 1, day(cutoff) - days), day(cutoff)
    )
    table = np.zeros(SEASON_DAYS, np.int64)
    trend = np.exp(growth * (known - known[0]) / CYCLE)
    table[known % SEASON_DAYS] = np.round(level * swing(known) * trend)
    return table


def test_the_swing_of_a_year_is_found() -> None:
    cutoff = START + 5 * timedelta(days=CYCLE)
    found = seasons(counted(cutoff, 1000)[:, None], [0], AT_ONCE, START, cutoff)
    np.testing.assert_allclose(found, swing(np.arange(CYCLE)), atol=0.005)


def test_growth_is_no_season() -> None:
    cutoff = START + 5 * timedelta(days=CYCLE)
    found = seasons(counted(cutoff, 1000, growth=0.3)[:, None], [0], AT_ONCE, START, cutoff)
    np.testing.assert_allclose(found, swing(np.arange(CYCLE)), atol=0.02)


def test_few_incidents_say_little_of_the_season() -> None:
    cutoff = START + 5 * timedelta(days=CYCLE)
    found = seasons(counted(cutoff, 5)[:, None], [0], AT_ONCE, START, cutoff)
    assert 1.05 < found.max() < 1.18


def test_before_two_years_there_is_no_season() -> None:
    cutoff = START + timedelta(days=2 * CYCLE)
    assert (seasons(counted(cutoff, 1000)[:, None], [0], AT_ONCE, START, cutoff) == 1).all()
    later = cutoff + timedelta(days=3)
    found = seasons(counted(later, 1000)[:, None], [0], AT_ONCE, START, later)
    np.testing.assert_allclose(found, swing(np.arange(CYCLE)), atol=0.005)


@pytest.mark.parametrize(
    ("first", "last"),
    [(20, 110), (400, 430), (0, 300)],
    ids=["a spring", "a month", "before the first delivery"],
)
def test_days_of_which_nothing_was_heard_are_no_season(first: int, last: int) -> None:
    cutoff = START + 5 * timedelta(days=CYCLE)
    table = counted(cutoff, 1000)
    table[(day(cutoff) - SEASON_DAYS + 1 + np.arange(first, last)) % SEASON_DAYS] = 0
    found = seasons(table[:, None], [0], AT_ONCE, START, cutoff)
    np.testing.assert_allclose(found, swing(np.arange(CYCLE)), atol=0.05)


def test_a_calm_city_is_heard() -> None:
    rng = np.random.default_rng(1)
    assert heard(rng.poisson(0.3, 1400)).all()
    busy = rng.poisson(40, 1400)
    busy[700:703] = 0
    assert np.flatnonzero(~heard(busy)).tolist() == [700, 701, 702]


def test_what_is_not_yet_reported_is_not_a_fall() -> None:
    cutoff = START + 5 * timedelta(days=CYCLE)
    shares = np.where(DELAY_EDGES < 24 * 14, 0.0, 1.0)
    table = counted(cutoff, 1000)
    table[np.arange(day(cutoff) - 13, day(cutoff) + 1) % SEASON_DAYS] = 0
    found = seasons(table[:, None], [0], shares, START, cutoff)
    np.testing.assert_allclose(found, swing(np.arange(CYCLE)), atol=0.005)


def test_the_season_of_decayed_sums_is_that_of_their_incidents() -> None:
    cutoff = START + 5 * timedelta(days=CYCLE)
    of_year = swing(np.arange(CYCLE))
    found = at_decayed(of_year, AT_ONCE, HALF_LIVES, START, cutoff)
    ages = np.arange(1, 5 * CYCLE + 1)
    for half_life, season in zip(HALF_LIVES / 24, found, strict=True):
        weight = 0.5 ** ((ages - 0.5) / half_life)
        expected = weight @ swing(day(cutoff) - ages) / weight.sum()
        assert season == pytest.approx(expected, rel=0.005)
    assert abs(found[-1] - 1) < abs(found[0] - 1) / 2, "a long memory holds all seasons"


def test_hours_ahead_have_the_season_of_their_days() -> None:
    of_year = swing(np.arange(CYCLE))
    assert at_hours(of_year, 24 * np.array([CYCLE + 5, 2 * CYCLE + 5])) == of_year[5]


def test_days_are_counted_as_they_become_known_and_let_go() -> None:
    spec = StateSpec(2, 2, (START - EPOCH) // HOUR, ZoneInfo("UTC"))

    def arrived(at: datetime, occurred: datetime, sign: int) -> Arrivals:
        micros = (at - EPOCH) // timedelta(microseconds=1)
        one = Events(
            np.array([(occurred - EPOCH) // HOUR]), np.array([1], np.int32),
            np.array([1], np.int8), np.array([sign], np.int8),
        )  # fmt: skip
        return Arrivals(np.array([micros]), np.array([sign > 0]), one)

    occurred, later = START + timedelta(days=3), START + timedelta(days=9)
    state = advance(empty_state(spec), arrived(later, occurred, 1), later, spec)
    assert state.daily[day(occurred) % SEASON_DAYS].tolist() == [0, 1]
    assert state.daily.sum() == 1
    nothing = arrived(later, occurred, -1)
    assert not advance(state, nothing, later + timedelta(days=1), spec).daily.any()
    none = Arrivals(*[getattr(nothing, name)[:0] for name in ("known", "first", "events")])
    kept = advance(state, none, occurred + timedelta(days=SEASON_DAYS - 1), spec)
    gone = advance(kept, none, occurred + timedelta(days=SEASON_DAYS), spec)
    assert (kept.daily.sum(), gone.daily.sum()) == (1, 0)
    assert count_days(state.daily, none, later, later).sum() == 1
