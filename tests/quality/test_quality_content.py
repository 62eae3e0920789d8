"""What a delivery holds, against those before it: what is told, and what stops a night."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from deliveries import BEGUN, DAY, LIMITS, after, checks, counts, nights, record

from pipeline.quality.assess import assess, judged
from pipeline.quality.drift import distance, newest_day
from pipeline.quality.record import QualityRecord, measure


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
