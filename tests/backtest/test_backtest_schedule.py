"""Which nights are scored, and what serves them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from cities import midnight

from grids.clock import EPOCH, HOUR
from grids.hours import horizon
from pipeline.backtest.schedule import Period, Request, Schedule, make_schedule, parse_refit
from pipeline.errors import ConfigError, MissingInputError

DENVER = ZoneInfo("America/Denver")


def planned(
    request: Request, known_until: datetime, wait: timedelta, clock: str = "00:00"
) -> Schedule:
    config: Any = SimpleNamespace(cutoff=datetime.strptime(clock, "%H:%M").time(), zone=DENVER)
    city: Any = SimpleNamespace(hours_ahead=lambda cutoff: horizon(cutoff, DENVER))
    return make_schedule(config, city, request, known_until, wait)


def test_both_dates_are_included_and_models_serve_until_the_next_is_made() -> None:
    request = Request(date(2024, 3, 1), date(2024, 4, 12), 10)
    schedule = planned(request, midnight(400), timedelta(0))
    assert schedule.nights == tuple(midnight(day) for day in range(60, 103))
    assert [len(period.nights) for period in schedule.periods] == [10, 10, 10, 10, 3]
    assert [period.refit for period in schedule.periods] == [
        midnight(60 + 10 * k) for k in range(5)
    ]
    assert [len(chunk) for chunk in schedule.chunks] == [7, 3, 7, 3, 7, 3, 7, 3, 3]
    assert schedule.left_out == ()
    assert sum(schedule.chunks, ()) == schedule.nights


@pytest.mark.parametrize("clock", ["00:00", "02:30", "23:30"])
def test_dates_are_those_of_the_citys_clock(clock: str) -> None:
    """On 10 March 2024 there is no 02:30; 23:30 is the next day already by UTC."""
    schedule = planned(
        Request(date(2024, 3, 9), date(2024, 3, 11)), midnight(400), timedelta(0), clock
    )
    dates = [night.astimezone(DENVER).date() for night in schedule.nights]
    assert dates == [date(2024, 3, 9), date(2024, 3, 10), date(2024, 3, 11)]


def test_nights_without_mature_labels_are_left_out() -> None:
    request = Request(date(2024, 3, 1), date(2024, 3, 20), 28)
    wait = timedelta(days=5)
    schedule = planned(request, midnight(76), wait)
    assert schedule.nights == tuple(midnight(day) for day in range(60, 71))
    assert schedule.left_out == tuple(midnight(day) for day in range(71, 80))
    last = EPOCH + horizon(schedule.nights[-1], DENVER).stop * HOUR
    assert last + wait <= midnight(76)


def test_where_no_night_can_be_scored_the_reason_is_told() -> None:
    with pytest.raises(MissingInputError, match=r"the data end at 2024-03-02.* take 5\.0 days"):
        planned(Request(date(2024, 3, 1), date(2024, 3, 20)), midnight(61), timedelta(days=5))


def test_dates_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ConfigError, match="--from 2024-03-02 lies after --to 2024-03-01"):
        Request(date(2024, 3, 2), date(2024, 3, 1))
    assert replace(Request(date(2024, 3, 1), date(2024, 3, 1))).name == "2024-03-01_2024-03-01"


def test_refits_are_given_in_days_or_weeks() -> None:
    assert [parse_refit(text) for text in ("28d", "4w", " 1D ")] == [28, 28, 1]
    for wrong in ("28", "0d", "1m", "-3d", "d", "1.5d"):
        with pytest.raises(ConfigError, match="--refit"):
            parse_refit(wrong)


def test_a_period_is_named_by_its_first_night() -> None:
    nights = tuple(midnight(day) for day in range(3, 12))
    period = Period(nights)
    assert period.refit == midnight(3)
    assert cast(tuple[Any, ...], period.chunks) == (nights[:7], nights[7:])
