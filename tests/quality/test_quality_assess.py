"""Deliveries held against those before them: what stops a night, and what never may."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from configurations import parse
from deliveries import BEGUN, DAY, LIMITS, Year, counts, record

from pipeline.errors import DataError
from pipeline.quality.assess import assess, judged, require_fit
from pipeline.quality.config import Quality
from pipeline.quality.drift import LEAST, distance, newest_day
from pipeline.quality.record import QualityRecord, measure

YEARS = {
    "a small town": Year(30, seed=1),
    "nightly": Year(190, seed=2),
    "a large city": Year(700, seed=3),
    "no delivery at weekends": Year(190, seed=4, closed=(5, 6)),
    "a file without news at weekends": Year(190, seed=5, closed=(5, 6), touched=True),
    "everything again every night": Year(190, seed=6, full=400_000),
    "every three hours": Year(190, seed=7, hours=3, days=60),
}


def checks(found: object) -> set[str]:
    return {finding.check for finding in found}  # type: ignore[attr-defined]


def nights(
    count: int, news: int = 190, first: QualityRecord | None = None, seed: int = 0
) -> list[QualityRecord]:
    """A history and so many judged nights after it, each with about as much news."""
    rng = np.random.default_rng(seed)
    past = [first or record(40_000, BEGUN, None)]
    for night in range(1, count + 1):
        at = BEGUN + night * DAY
        found = record(int(rng.poisson(news)), at, at - DAY, seed=night)
        past.append(judged(found, past, LIMITS))
    return past


def after(past: list[QualityRecord], news: int, days: float = 1.0, **more: object) -> QualityRecord:
    since = next(r.made_at for r in reversed(past) if r.rows.news)
    return record(news, since + days * DAY, since, **more)  # type: ignore[arg-type]


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


def test_nothing_new_is_no_delivery() -> None:
    past = nights(30)
    found = assess(after(past, 0, came=190), past, LIMITS)
    assert not found.errors
    assert checks(found.warnings) == {"idle"}
    # ... and its rows are not held against later ones.
    idle = judged(after(past, 0, came=190), past, LIMITS)
    later = after([*past, idle], 380, days=2)
    assert not assess(later, [*past, idle], LIMITS).warnings


def test_news_that_all_goes_to_quarantine_is_not_nothing_new() -> None:
    past = nights(30)
    broken = after(past, 0, reasons={"unreadable time": 190})
    assert checks(assess(broken, past, LIMITS).errors) == {"news", "quarantined"}


def test_what_the_configuration_leaves_out_is_no_fault_of_the_delivery() -> None:
    past = nights(30)
    elsewhere = after(past, 190, reasons={"outside the boundary": 900})
    found = assess(elsewhere, past, LIMITS)
    assert not found.errors
    assert checks(found.warnings) == {"rows", "outside"}
    assert elsewhere.unusable == 0
    first = record(500, BEGUN, None, reasons={"no coordinates": 501})
    assert checks(assess(first, [], LIMITS).errors) == {"quarantined"}


@pytest.mark.parametrize("reason", ["outside the bounds", "outside the boundary"])
def test_a_first_delivery_that_lies_elsewhere_stops(reason: str) -> None:
    """A wrong box or projection looks like a calm city; what is before the start hides nothing."""
    wrong = record(1, BEGUN, None, reasons={reason: 99, "before the start": 400})
    found = judged(wrong, [], LIMITS)
    [text] = found.errors
    assert text.startswith("99.0% of 100 new rows lie outside (most: outside the bound")
    for cause in ("grid.bounds", "grid.boundary", "source.crs", "swapped"):
        assert cause in text
    accepted = judged(wrong, [], LIMITS, accept=True)
    assert accepted.accepted == {"outside": 0.99}
    assert not assess(after([accepted], 10, reasons={reason: 990}), [accepted], LIMITS).warnings
    half = record(100, BEGUN, None, reasons={reason: 100})
    assert not assess(half, [], LIMITS).errors


def test_a_countys_feed_serves_a_city_until_more_of_it_lies_outside() -> None:
    past = [record(40_000, BEGUN, None, reasons={"outside the bounds": 20_000})]
    for night in range(1, 31):
        at = BEGUN + night * DAY
        found = record(
            190, at, at - DAY, seed=night, reasons={"outside the bounds": 95 + night % 5}
        )
        past.append(judged(found, past, LIMITS))
    assert not any(found.warnings for found in past[1:])
    moved = assess(after(past, 100, reasons={"outside the bounds": 185}), past, LIMITS)
    assert checks(moved.warnings) == {"outside"}
    assert "64.9% of 285 new rows lie outside, usually 33" in moved.warnings[0].text


def test_missing_places_are_told_once() -> None:
    past = nights(30)
    found = assess(after(past, 150, reasons={"no coordinates": 40}), past, LIMITS)
    assert checks(found.warnings) == {"no place"}
    unlike = {"no coordinates": 40, "unreadable time": 40}
    found = assess(after(past, 150, reasons=unlike), past, LIMITS)
    assert checks(found.warnings) == {"no place", "quarantined"}


def test_a_changed_mix_is_told_when_it_changes_and_not_every_night() -> None:
    past = nights(30)
    renamed = {"category": {f"sort {i}": 19 for i in range(10)}}
    changed = after(past, 190).model_copy(update=renamed)
    found = assess(changed, past, LIMITS)
    [told] = [finding.text for finding in found.warnings]
    assert "new category: sort 0, sort 1" in told
    assert "missing category: kind 0" in told
    assert not found.errors
    past.append(judged(changed, past, LIMITS))
    assert not assess(after(past, 190).model_copy(update=renamed), past, LIMITS).warnings


def test_a_newest_day_that_dries_up_is_told() -> None:
    """As much news as ever, but none of it of the last day."""
    past = nights(40)
    stale = after(past, 190)
    old = {(BEGUN - 9 * DAY).date().isoformat(): 190}
    found = assess(stale.model_copy(update={"occurred": old}), past, LIMITS)
    assert checks(found.warnings) == {"newest day"}


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Denver"])
def test_the_newest_day_is_the_citys_yesterday(zone: str) -> None:
    """Delivered at 06:00 or 20:00 there, when UTC has another date."""
    place = ZoneInfo(zone)
    hour = 6 if zone == "Asia/Tokyo" else 20
    past: list[QualityRecord] = []
    for night in range(60):
        at = datetime(2023, 1, 10, hour, tzinfo=place) + night * DAY
        days = {(at.date() - age * DAY).isoformat(): 100 for age in (1, 2)}
        tally = counts(200, at, np.random.default_rng(night)) | {"occurred": days}
        since = past[-1].made_at if past else None
        past.append(measure(tally, 200, 200, {}, ["a"], at.astimezone(UTC), place, since))
    found = newest_day(past)
    assert found == (at.date() - DAY, 100, 100)
    plain = past[-1].model_dump_json()
    assert QualityRecord.model_validate_json(plain).day == at.date()


def test_a_history_whose_last_week_dries_up_is_told() -> None:
    days = {f"2022-{1 + day // 28:02d}-{1 + day % 28:02d}": 100 for day in range(3 * 28)}
    whole = record(8400, BEGUN, None).model_copy(update={"known": days})
    assert not assess(whole, [], LIMITS).warnings
    dried = whole.model_copy(
        update={"known": {day: 100 if day < "2022-03-21" else 30 for day in days}}
    )
    assert checks(assess(dried, [], LIMITS).warnings) == {"last week"}


def test_the_refusal_says_what_is_wrong_and_what_to_do() -> None:
    past = nights(30)
    refused = judged(after(past, 19), past, LIMITS)
    with pytest.raises(DataError) as fault:
        require_fit(refused)
    text = str(fault.value)
    assert fault.value.exit_code == 65
    assert "\n" not in text
    for part in ("news.csv", "19 incidents are new in 1.0 days", "usually 1", "--accept-quality"):
        assert part in text
    require_fit(judged(after(past, 19), past, LIMITS, accept=True))


def test_an_accepted_level_stands_until_a_delivery_is_back_at_the_old_one() -> None:
    past = nights(30)
    accepted = judged(after(past, 19), past, LIMITS, accept=True)
    assert not accepted.errors
    assert accepted.accepted.keys() == {"rows", "news"}
    past.append(accepted)
    for night in range(40):  # the new level becomes the usual one, and nobody accepts it again
        found = judged(after(past, 20 + night % 3, seed=night), past, LIMITS)
        assert not found.errors
        past.append(found)
    assert not past[-1].accepted
    assert judged(after(past, 0, reasons={"no time": 20}), past, LIMITS).rows.news == 0


def test_what_was_accepted_once_is_no_excuse_later() -> None:
    past = nights(30)
    past.append(judged(after(past, 19), past, LIMITS, accept=True))
    assert not assess(after(past, 25), past, LIMITS).errors
    assert assess(after(past, 2), past, LIMITS).errors  # far below what was accepted
    past.append(judged(after(past, 190), past, LIMITS))
    assert checks(assess(after(past, 19), past, LIMITS).errors) == {"rows", "news"}


def test_after_a_refusal_the_next_night_takes_both() -> None:
    """The refused delivery comes again with the next one, and so does a corrected one."""
    past = nights(30)
    assert assess(after(past, 19), past, LIMITS).errors
    assert not assess(after(past, 19 + 190, days=2), past, LIMITS).errors
    assert not assess(after(past, 190, days=1.2), past, LIMITS).warnings


def test_limits_move_what_stops() -> None:
    past = nights(30)
    assert not assess(after(past, 19), past, Quality(stop_rows=0)).errors
    assert assess(after(past, 90), past, Quality(stop_rows=0.8, warn_rows=0.8)).errors
    bad = after(past, 190, reasons={"no time": 160})
    assert not assess(bad, past, LIMITS).errors
    assert assess(bad, past, Quality(stop_quarantined=0.4)).errors


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stop_rows": 0.6}, "stop before it warns"),
        ({"stop_deleted": 0}, "greater than 0"),
        ({"stop": 1}, "Extra inputs"),
    ],
)
def test_limits_that_make_no_sense_are_refused(change: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Quality(**change)
    assert parse()  # the section is optional


def test_a_snapshot_may_leave_out_few() -> None:
    past = nights(3)
    for deleted, live, stops in ((50, 1000, False), (0, 0, False), (51, 1000, True)):
        counted = {"deleted": deleted, "live": live}
        found = judged(after(past, 190).model_copy(update=counted), past, LIMITS)
        assert bool(found.errors) == stops
        assert found.findings.get("deleted", (0,))[0] == pytest.approx(deleted / max(live, 1))
    with pytest.raises(DataError, match=r"51 of 1,000 incidents, more than 5\.0%"):
        require_fit(found)


@pytest.mark.parametrize("news", [0, 190])
def test_deletions_are_accepted_for_one_snapshot_and_not_for_the_next(news: int) -> None:
    past = nights(3)
    many = after(past, news).model_copy(update={"deleted": 200, "live": 1000})
    accepted = judged(many, past, LIMITS, accept=True)
    assert accepted.accepted == {"deleted": 0.2}
    past.append(accepted)
    again = after(past, news).model_copy(update={"deleted": 100, "live": 800})
    assert checks(assess(again, past, LIMITS).errors) == {"deleted"}


def test_the_noise_of_a_small_sample_is_no_changed_mix() -> None:
    """Samples of one mix lie apart by chance, and the more so the smaller they are."""
    usual = {f"kind {number}": 10_000 for number in range(20)}
    rng = np.random.default_rng(0)
    for size in (50, 200, 1000):
        samples = rng.multinomial(size, np.full(20, 0.05), 50)
        apart = [distance(dict(zip(usual, sample, strict=True)), usual) for sample in samples]
        assert max(apart) < 0.1
        assert np.mean(apart) < 0.02
    assert distance({"kind 0": 1000}, usual) == pytest.approx(0.95, abs=0.06)
    assert distance({}, usual) == distance({"kind 0": 1}, {}) == 0


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
