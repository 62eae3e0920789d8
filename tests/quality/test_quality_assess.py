"""Deliveries held against those before them: what stops a night, and what never may."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from deliveries import BEGUN, DAY, LIMITS, Year, after, checks, nights, record

from pipeline.quality.assess import assess, judged
from pipeline.quality.drift import LEAST
from pipeline.quality.record import QualityRecord

YEARS = {
    "a small town": Year(30, seed=1),
    "nightly": Year(190, seed=2),
    "a large city": Year(700, seed=3),
    "no delivery at weekends": Year(190, seed=4, closed=(5, 6)),
    "a file without news at weekends": Year(190, seed=5, closed=(5, 6), touched=True),
    "everything again every night": Year(190, seed=6, full=400_000),
    "every three hours": Year(190, seed=7, hours=3, days=60),
}


@pytest.mark.parametrize("name", list(YEARS))
def test_an_ordinary_year_never_stops_and_seldom_warns(name: str) -> None:
    found = [assess(delivery, past, LIMITS) for delivery, past in YEARS[name].deliveries()]
    assert len(found) > 250
    assert [one.errors for one in found if one.errors] == []
    assert sum(bool(one.warnings) for one in found) <= 0.05 * len(found)


@pytest.mark.parametrize(
    "name", ["nightly", "a large city", "no delivery at weekends", "everything again every night"]
)
def test_a_tenth_always_stops(name: str) -> None:
    """From the 15th delivery on, on whatever day of the year it comes."""
    rng = np.random.default_rng(0)
    stopped: Counter[bool] = Counter()
    for delivery, past in YEARS[name].deliveries():
        if len([one for one in past if one.span_days]) >= LEAST:
            few = int(rng.binomial(delivery.rows.news, 0.1))
            since = past[-1].made_at
            broken = record(few, delivery.made_at, since, YEARS[name].full + few)
            stopped[bool(assess(broken, past, LIMITS).errors)] += 1
    assert stopped[True] > 200
    assert stopped[False] == 0


def test_a_tenth_of_a_full_file_stops_although_its_news_is_all_there() -> None:
    *_, (delivery, past) = YEARS["everything again every night"].deliveries()
    cut = record(delivery.rows.news, delivery.made_at, past[-1].made_at, 40_000)
    assert checks(assess(cut, past, LIMITS).errors) == {"rows"}


def test_a_tenth_after_a_pause_is_held_to_the_days_of_the_pause() -> None:
    past = nights(30)
    assert checks(assess(after(past, 57, days=3), past, LIMITS).errors) == {"news"}
    assert not assess(after(past, 57), past, LIMITS).errors
    assert not assess(after(past, 570, days=3), past, LIMITS).warnings


def test_reports_that_come_in_slowly_after_a_long_pause_are_no_error() -> None:
    past = nights(30)
    assert not assess(after(past, 400, days=11), past, LIMITS).errors


def test_a_small_town_stops_after_some_nights_of_a_tenth() -> None:
    past = nights(120, news=20)
    stopped = []
    for night in range(10):
        found = assess(after(past, 2, seed=night), past, LIMITS)
        stopped.append(bool(found.errors))
        past = [*past, judged(after(past, 2, seed=night), past, LIMITS, accept=False)]
    assert not stopped[0]
    assert any(stopped)


def test_before_there_are_enough_deliveries_it_only_warns() -> None:
    past = nights(LEAST - 1)
    found = assess(after(past, 19), past, LIMITS)
    assert not found.errors
    # Nothing says what is usual: the history's days are not known here.
    assert found.figures.get("news") is None
    known = {f"2022-{10 + day // 28}-{1 + day % 28:02d}": 190 for day in range(80)}
    told = nights(3, first=record(40_000, BEGUN, None).model_copy(update={"known": known}))
    assert checks(assess(after(told, 19), told, LIMITS).warnings) == {"news"}


def history(*week: int) -> QualityRecord:
    """A first delivery that knows ten weeks, each with so many incidents from Monday on."""
    days = [BEGUN - (70 - n) * DAY for n in range(70)]
    known = {day.date().isoformat(): week[n % len(week)] for n, day in enumerate(days)}
    return record(40_000, BEGUN, None).model_copy(update={"known": known})


def slow(count: int, days: int, per_day: float, first: QualityRecord) -> list[QualityRecord]:
    """A history and so many judged deliveries, each after so many days."""
    rng = np.random.default_rng(5)
    past = [first]
    for _ in range(count):
        found = after(past, int(rng.poisson(days * per_day)), days=days)
        past.append(judged(found, past, LIMITS))
    return past


@pytest.mark.parametrize("count", [0, 1, 12])
def test_a_tenth_of_a_quarter_stops_without_waiting_for_years(count: int) -> None:
    past = slow(count, 91, 190, history(190))
    assert not any(found.errors or found.warnings for found in past[1:])
    assert checks(assess(after(past, 1729, days=91), past, LIMITS).errors) == {"news"}
    assert not assess(after(past, 17_290, days=91), past, LIMITS).warnings


def test_the_noise_of_a_small_town_does_not_stop_it_early() -> None:
    past = slow(5, 30, 10, history(10))  # 300 are expected
    found = assess(after(past, 30, days=30), past, LIMITS)
    assert not found.errors
    assert checks(found.warnings) == {"news"}


def test_early_nights_of_a_city_that_rests_on_sundays_do_not_stop() -> None:
    past = nights(5, news=800, first=history(900, 900, 900, 900, 900, 700, 90))
    assert not assess(after(past, 90), past, LIMITS).errors
    # ... a whole week has its Sunday, and the rest.
    weekly = slow(3, 7, 770, history(900, 900, 900, 900, 900, 700, 90))
    assert assess(after(weekly, 539, days=7), weekly, LIMITS).errors


def test_a_history_of_years_ago_is_no_measure_of_what_became_less_since() -> None:
    past = slow(8, 91, 76, history(190))  # two fifths
    assert any(found.warnings for found in past[1:])
    assert not any(found.errors for found in past[1:])
    assert not assess(after(past, 4150, days=91), past, LIMITS).errors
    assert assess(after(past, 1500, days=91), past, LIMITS).errors


def test_after_a_long_pause_an_early_delivery_is_held_to_three_times_the_usual_days() -> None:
    past = nights(4, news=600, first=history(600))
    assert not assess(after(past, 1200, days=20), past, LIMITS).errors
    assert assess(after(past, 300, days=20), past, LIMITS).errors


def test_a_second_look_on_the_same_day_brings_little_and_is_no_error() -> None:
    past = nights(30)
    assert not assess(after(past, 9, days=0.25), past, LIMITS).errors
    # ... unless all that it brings is unusable.
    broken = after(past, 0, days=0.25, reasons={"no time": 60})
    assert checks(assess(broken, past, LIMITS).errors) == {"news", "quarantined"}


def test_a_few_repeated_rows_are_nothing_new_but_a_cut_file_is_broken() -> None:
    past = nights(30)
    assert not assess(after(past, 0, came=5), past, LIMITS).errors
    past = [
        one.model_copy(update={"rows": one.rows.model_copy(update={"came": 400_000})})
        for one in past
    ]
    assert checks(assess(after(past, 0, came=40_000), past, LIMITS).errors) == {"rows"}
