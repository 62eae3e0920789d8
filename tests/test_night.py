"""What a night puts together of a cell: against cases computed by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from grids.clock import EPOCH, HOUR, day_of
from grids.counts import Events
from grids.hexgrid import HexGrid
from pipeline.night import LONG, WEEK, Night, Place
from pipeline.replay import City, night_at
from pipeline.season import CYCLE
from pipeline.silver import Arrivals, microseconds, sort_arrivals
from pipeline.state import StateSpec, advance, empty_state

START = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday
GRID = HexGrid.from_extent(-105.02, 39.70, -105.0, 39.72, 9)
CITY = City(
    StateSpec(len(GRID), 2, int((START - EPOCH) / HOUR), ZoneInfo("UTC")),
    Place.of(GRID),
    GRID.cells,
    1,
)
DAYS = 400
START_DAY = day_of(START)


def night(
    hours: list[int], cells: list[int], kinds: list[int] | None = None, days: int = DAYS
) -> Night:
    """The night after ``days``; incidents known a minute after the hour since START has begun."""
    hour = np.array(hours, np.int64) + CITY.spec.start
    known = np.array(
        [microseconds(EPOCH + int(h) * HOUR + timedelta(minutes=1)) for h in hour], np.int64
    )
    kind = np.array(kinds if kinds is not None else [0] * len(hours), np.int8)
    events = Events(hour, np.array(cells, np.int32), kind, np.ones(len(hours), np.int8))
    arrivals = sort_arrivals([Arrivals(known, np.ones(len(hours), bool), events)])
    cutoff = START + timedelta(days=days)
    state = advance(empty_state(CITY.spec), arrivals.until(cutoff), cutoff, CITY.spec)
    return night_at(CITY, state, arrivals, (0, 1))


def yearly(
    years: int, extra: float = 0.5, gap: tuple[int, int] = (0, 0), later: int = 0
) -> tuple[Night, float]:
    """The night after so many years of a city with ``extra`` more in the first half of each, less
    in the other, and what there is on average in an hour of its day. ``gap``: days without any.

    ``later``: as many incidents more, of the last year, that become known after the cutoff.
    """
    days = np.arange(years * CYCLE + 30)
    level = 24 * (1 + extra * np.where((START_DAY + days) % CYCLE < CYCLE // 2, 1.0, -1.0))
    level[gap[0] : gap[1]] = 0
    hour = np.repeat(24 * days, level.astype(int)) + np.concatenate(
        [np.arange(n) * 24 // max(n, 1) for n in level.astype(int)]
    )
    cutoff = START + timedelta(days=len(days))
    known = microseconds(START) + (hour * 60 + 1) * 60_000_000
    more = 24 * (len(days) - 1 - np.arange(later) % CYCLE)
    hour, known = (
        np.append(hour, more),
        np.append(known, np.full(later, microseconds(cutoff) + 1)),
    )
    size = len(hour)
    events = Events(
        hour + CITY.spec.start, np.full(size, 3, np.int32), np.zeros(size, np.int8),
        np.ones(size, np.int8),
    )  # fmt: skip
    arrivals = sort_arrivals([Arrivals(known, np.ones(size, bool), events)])
    state = advance(empty_state(CITY.spec), arrivals.until(cutoff), cutoff, CITY.spec)
    of_phase = (START_DAY + len(days)) % CYCLE < CYCLE // 2
    return night_at(CITY, state, arrivals, (0, 1)), 24 * (1 + extra * (1 if of_phase else -1))


def test_rates_are_brought_to_the_season_of_the_hours_ahead() -> None:
    seen, _ = yearly(4)
    of_week = seen.season[WEEK]
    assert of_week == pytest.approx(1, abs=0.03), "the last weeks have the season of tomorrow"
    assert abs(seen.season[LONG] - 1) > 0.2, "three years are of all seasons"
    flat, _ = yearly(4, extra=0.0)
    np.testing.assert_allclose(flat.season, 1, atol=0.01)


@pytest.mark.parametrize("gap", [(0, 0), (700, 790)], ids=["whole", "a feed that stopped"])
def test_the_city_is_expected_as_its_season_has_it(gap: tuple[int, int]) -> None:
    seen, truth = yearly(4, gap=gap)
    assert seen.composed.sum() == pytest.approx(truth, rel=0.08)


def test_the_season_knows_nothing_that_was_heard_later() -> None:
    np.testing.assert_array_equal(yearly(4)[0].season, yearly(4, later=5000)[0].season)


def every_day(at_hour: int, last: int = DAYS, first: int = 0) -> list[int]:
    return [24 * day + at_hour for day in range(first, last)]


def test_recent_incidents_are_those_of_the_last_nine_weeks() -> None:
    hours = every_day(5)
    found = night(hours, [3] * len(hours)).recent
    first = CITY.spec.start + 24 * (DAYS - 63)
    assert found.hour.tolist() == [
        CITY.spec.start + h for h in hours if h + CITY.spec.start >= first
    ]
    assert len(found) == 63
    assert set(found.cell.tolist()) == {3}


def test_own_hours_follow_the_cell_and_not_the_city() -> None:
    """Cell 3 at five in the morning, cell 9 at eight in the evening: the city has both equally."""
    hours = every_day(5) + every_day(20)
    seen = night(hours, [3] * DAYS + [9] * DAYS)
    assert seen.own_hours[3, 5] > 1.5 > 0.3 > seen.own_hours[3, 20]
    assert seen.own_hours[9, 20] > 1.5 > 0.3 > seen.own_hours[9, 5]
    np.testing.assert_allclose(seen.own_hours[20], 1, atol=0.01)  # nothing known, nothing changed
    assert seen.composed[3, 5] > 5 * seen.composed[3, 20]


def test_the_mixture_gives_every_kind_its_own_clock() -> None:
    hours, kinds = every_day(5) + every_day(20), [0] * DAYS + [1] * DAYS
    seen = night(hours, [3] * DAYS + [9] * DAYS, kinds)
    assert seen.mixture[3, 5] > 20 * seen.mixture[3, 20]
    assert seen.reference[3, 5] == pytest.approx(seen.reference[3, 20], rel=0.05)


def test_a_busy_cell_is_adapted_to_its_last_weeks_and_a_quiet_one_is_not() -> None:
    """Both cells doubled four weeks ago; one has twelve incidents a day, the other one a month."""
    busy = [24 * d + h for d in range(DAYS) for h in range(0, 24, 2 if d < DAYS - 28 else 1)]
    quiet = every_day(0)[::30] + every_day(1, first=DAYS - 28)[::30]
    seen = night(busy + quiet, [3] * len(busy) + [9] * len(quiet))
    assert 1.5 < seen.adapted[3] < 2.1
    alone = night(quiet, [9] * len(quiet))
    assert 0.8 < alone.adapted[9] < 1.3


def test_a_steady_city_is_not_adapted() -> None:
    hours = [24 * d + h for d in range(DAYS) for h in range(24)]
    seen = night(hours, [3] * len(hours))
    assert seen.adapted[3] == pytest.approx(1, abs=0.02)


def test_what_is_composed_is_positive_everywhere_and_right_in_sum() -> None:
    rng = np.random.default_rng(5)
    hours = np.sort(rng.integers(0, 24 * DAYS, 4000)).tolist()
    cells = rng.choice(len(GRID), 4000, p=rng.dirichlet(np.full(len(GRID), 0.3))).tolist()
    seen = night(hours, cells)
    assert seen.composed.min() > 0
    assert seen.composed.sum() == pytest.approx(10, rel=0.15)


def test_nothing_known_composes_nothing_and_is_finite() -> None:
    seen = night([], [], days=30)
    for values in (seen.composed, seen.adapted, seen.own_hours, seen.own_parts, seen.own_days):
        assert np.isfinite(values).all()
