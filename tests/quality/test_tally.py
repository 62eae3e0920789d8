"""Counts of a delivery: what is counted, and that no partitioning changes it."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from pipeline.quality.tally import DELAY_HOURS, NO_DISTRICT, merge, tally

ZONE = ZoneInfo("America/Denver")
TIMES = ("occurred_from", "occurred_until", "occurred_at", "known_at")


def settled(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Settled revisions from a few values each; times by the city's clock."""
    usual = {"revision": 0, "retracted": False, "category": "theft", "district": "1"}
    frame = pd.DataFrame([usual | {"occurred_until": None} | row for row in rows])
    frame["occurred_at"] = frame.get("occurred_at", frame["occurred_from"])
    for name in TIMES:
        local = pd.to_datetime(frame[name], format="ISO8601").astype("datetime64[us]")
        frame[name] = local.dt.tz_localize(ZONE).dt.tz_convert("UTC")
    return frame


def incident(when: str, known: str = "2024-05-09 18:00", **more: Any) -> dict[str, Any]:
    return {"occurred_from": when, "known_at": known, **more}


def test_times_that_stand_for_unknown_are_counted_by_the_citys_clock() -> None:
    counts = tally(
        settled(
            [
                incident("2024-01-01 00:00"),  # 07:00 UTC
                incident("2024-02-01 00:00"),
                incident("2024-05-06 00:00"),
                incident("2024-05-06 00:00:01"),
                incident("2024-05-06 12:00"),  # in summer time
                incident("2024-05-06 13:00"),
                incident("2024-05-06 13:30"),
            ]
        ),
        ZONE,
    )
    expected = {"whole_hour": 5, "midnight": 3, "noon": 1, "month": 2, "year": 1}
    assert counts["clock"] == expected
    assert counts["occurred"] == {"2024-01-01": 1, "2024-02-01": 1, "2024-05-06": 5}
    assert counts["known"] == {"2024-05-09": 7}


def test_windows_and_delays_have_their_edges_inside() -> None:
    rows = [
        incident("2024-05-01 10:00", "2024-05-01 11:00", occurred_until="2024-05-02 10:00"),
        incident("2024-05-01 10:00", "2024-05-01 11:01", occurred_until="2024-05-02 10:01"),
        # Drawn from its window: its delay counts from there, its window from the first time.
        incident(
            "2024-05-01 10:00",
            "2024-05-04 10:00",
            occurred_until="2024-05-04 10:00",
            occurred_at="2024-05-04 09:30",
        ),
    ]
    frame = settled([{"occurred_at": rows[0]["occurred_from"]} | row for row in rows])
    counts = tally(frame, ZONE)
    assert counts["window"] == {"given": 3, "over_a_day": 2}
    assert counts["delay"] == {"1": 2, "6": 3} | {str(hours): 3 for hours in DELAY_HOURS[2:]}


def test_only_incidents_heard_of_for_the_first_time_count() -> None:
    rows = settled(
        [
            incident("2024-05-01 10:00", category="arson", district=""),
            incident("2024-05-01 10:00", revision=1),
            incident("2024-05-01 10:00", retracted=True),
        ]
    )
    counts = tally(rows, ZONE)
    assert counts["news"] == {"all": 1}
    assert counts["category"] == {"arson": 1}
    assert counts["district"] == {NO_DISTRICT: 1}


@pytest.mark.parametrize("parts", [1, 2, 7, 300])
def test_any_partitioning_gives_the_same_tally(parts: int) -> None:
    rng = np.random.default_rng(5)
    minutes = rng.integers(0, 60 * 24 * 40, 300) * 30
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(minutes, unit="min")
    late = when + pd.to_timedelta(rng.exponential(60 * 30, 300).astype(int), unit="min")
    kinds, districts = rng.choice(["theft", "arson", "fraud"], 300), rng.choice(["1", "2", ""], 300)
    rows = settled(
        [
            incident(str(w), str(k), category=str(c), district=str(d), revision=int(r))
            for w, k, c, d, r in zip(
                when, late, kinds, districts, rng.integers(0, 2, 300), strict=True
            )
        ]
    )
    whole = tally(rows, ZONE)
    piece_of = rng.integers(0, parts, 300)
    pieces = [tally(rows[piece_of == piece], ZONE) for piece in range(parts)]
    pieces = [json.loads(json.dumps(piece)) for piece in pieces]  # as it comes from a worker
    assert merge(pieces) == whole
    assert merge(reversed(pieces)) == whole
    assert whole["news"]["all"] == (rows["revision"] == 0).sum()


def test_nothing_tallies_to_nothing() -> None:
    none = settled([incident("2024-05-01 10:00")]).head(0)
    assert tally(none, ZONE)["news"] == {"all": 0}
    assert merge([]) == merge([tally(none, ZONE)]) == tally(none, ZONE)
