"""A settled delivery on its way to being committed: judged, kept, refused, accepted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from deliveries import BEGUN, DAY, LIMITS, ZONE, counts, record

from pipeline.errors import DataError
from pipeline.quality.history import folder_of, read_past, read_refused, save
from pipeline.quality.recipe import judge
from pipeline.quality.record import MOST_NAMES, NEWEST_DAYS, REST, QualityRecord, measure


def take(
    root: Path, night: float, news: int, accept: bool = False, keep: bool = True
) -> QualityRecord:
    """One delivery, in two partitions, judged and kept as a night does it."""
    now = BEGUN + night * DAY
    rng = np.random.default_rng(int(night))
    tallies = [counts(news // 2, now, rng), counts(news - news // 2, now, rng)]
    address = ["https://user:word@city.example/feed.csv?token=abc&year=2023"]
    found = judge(str(root), tallies, news, news, {}, address, now, ZONE, LIMITS, accept)
    if keep:
        save(str(root), found)
    return found


def history(root: Path, nights: int = 20) -> None:
    for night in range(nights + 1):
        take(root, night, 190 + night % 5 if night else 50_000)


def test_the_first_spans_nothing_and_the_next_the_time_since_there_was_news(tmp_path: Path) -> None:
    assert take(tmp_path, 0, 500).span_days is None
    assert take(tmp_path, 1, 190).span_days == 1
    assert take(tmp_path, 2, 0).span_days == 1
    later = take(tmp_path, 3, 390)
    assert later.span_days == 2
    assert later.rows.news == 390
    assert sum(later.category.values()) == 390


def test_a_refused_delivery_is_not_lost_and_not_compared_with(tmp_path: Path) -> None:
    history(tmp_path)
    before = read_past(str(tmp_path))
    for hour in range(3):  # a scheduler tries again
        with pytest.raises(DataError, match="19 incidents are new"):
            take(tmp_path, 21 + hour / 24, 19)
    assert read_past(str(tmp_path)) == before
    refused = read_refused(str(tmp_path))
    assert refused is not None
    assert refused.errors
    assert refused.rows.news == 19
    corrected = take(tmp_path, 21.2, 190)
    assert corrected.span_days == pytest.approx(1.2)
    assert read_refused(str(tmp_path)) is None


def test_the_next_night_takes_the_refused_one_with_it(tmp_path: Path) -> None:
    history(tmp_path)
    with pytest.raises(DataError):
        take(tmp_path, 21, 19)
    both = take(tmp_path, 22, 19 + 190)
    assert both.span_days == 2
    assert not both.warnings


def test_an_operator_lets_it_through_once(tmp_path: Path) -> None:
    history(tmp_path)
    accepted = take(tmp_path, 21, 19, accept=True)
    assert accepted.accepted
    assert any("19 incidents" in text for text in accepted.warnings)
    assert not take(tmp_path, 22, 20).errors
    take(tmp_path, 23, 190)
    with pytest.raises(DataError):
        take(tmp_path, 24, 19)


def test_a_refused_deletion_leaves_its_record_and_an_accepted_one_its_trace(tmp_path: Path) -> None:
    history(tmp_path, 2)
    now, root = BEGUN + 3 * DAY, str(tmp_path)
    tallies = [counts(190, now, np.random.default_rng(0))]
    few = {"deleted": 300, "live": 1000}
    with pytest.raises(DataError, match=r"300 of 1,000 incidents, more than 5.0%.*--accept-qual"):
        judge(root, tallies, 190, 190, {}, ["a"], now, ZONE, LIMITS, **few)
    refused = read_refused(root)
    assert refused is not None
    assert (refused.deleted, refused.live, len(refused.errors)) == (300, 1000, 1)
    found = judge(root, tallies, 190, 190, {}, ["a"], now, ZONE, LIMITS, accept=True, **few)
    assert found.accepted == {"deleted": 0.3}


def test_no_secret_of_an_address_is_kept_or_said(tmp_path: Path) -> None:
    history(tmp_path)
    with pytest.raises(DataError) as fault:
        take(tmp_path, 21, 19)
    refused = (folder_of(str(tmp_path)) / "refused.json").read_text()
    kept = "".join(path.read_text() for path in folder_of(str(tmp_path)).rglob("*.json"))
    for text in (str(fault.value), refused, kept):
        assert "city.example/feed.csv?token=***&year=2023" in text
        assert "word" not in text
        assert "abc" not in text


def test_a_delivery_of_the_past_is_judged_by_what_came_before_it(tmp_path: Path) -> None:
    history(tmp_path)
    assert take(tmp_path, 10.5, 90, keep=False).span_days == 0.5


def test_the_record_stays_small(tmp_path: Path) -> None:
    """However many days a history has, and however many names a column of free text."""
    days = {(BEGUN + timedelta(days=n)).date().isoformat(): 5 for n in range(6000)}
    many = counts(9000, BEGUN, np.random.default_rng(0)) | {
        "occurred": days,
        "known": days,
        "category": {f"text {n}": 1 + (n == 4000) for n in range(8999)},
    }
    found = measure(many, 9000, 9000, {}, ["a"], BEGUN, ZONE, None)
    assert len(found.occurred) == len(found.known) == NEWEST_DAYS
    assert max(found.occurred) == max(days)
    assert len(found.category) == MOST_NAMES + 1
    assert next(iter(found.category)) == "text 4000"
    assert sum(found.category.values()) == 9000
    assert found.category[REST] > 8000
    assert len(found.model_dump_json()) < 10_000


def test_default_times_stand_beside_an_even_spread() -> None:
    tally = counts(1000, BEGUN, np.random.default_rng(0))
    tally["clock"] = {"whole_hour": 480, "midnight": 100, "noon": 40, "month": 30, "year": 12}
    tally["occurred"] = {f"2022-{m:02d}-{d:02d}": 1 for m in range(1, 5) for d in range(1, 26)}
    found = measure(tally, 1000, 1000, {}, ["a"], BEGUN, ZONE, None).defaults
    assert found["midnight"].share == 0.1
    assert found["midnight"].even == found["noon"].even == 0.02  # 480 / 24 of 1000
    assert found["month"].even == pytest.approx(0.1 * 4 / 100)
    assert found["year"].even == pytest.approx(0.1 * 1 / 100)
    assert record(0).defaults["noon"].share == 0
