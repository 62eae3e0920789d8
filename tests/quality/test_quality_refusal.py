"""A refused delivery: what is said, what accepting it means later, and the limits."""

from __future__ import annotations

import pytest
from configurations import parse
from deliveries import LIMITS, after, checks, nights

from pipeline.errors import DataError
from pipeline.quality.assess import assess, judged, require_fit
from pipeline.quality.config import Quality


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
