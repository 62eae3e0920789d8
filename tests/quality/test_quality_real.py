"""Deliveries of a real city, night by night: what would have been stopped, and what was told."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from deliveries import LIMITS

from pipeline.quality.assess import assess, judged
from pipeline.quality.drift import LEAST
from pipeline.quality.history import READ
from pipeline.quality.record import QualityRecord, measure
from pipeline.quality.tally import tally

DATA = Path(os.environ.get("HEXCAST_DATA") or Path(__file__).parents[3] / "shared" / "data")
ZONE = ZoneInfo("America/Denver")
CLOCK = "%m/%d/%Y %I:%M:%S %p"
FROM, UNTIL = pd.Timestamp("2022-10-01"), pd.Timestamp("2024-10-26")
# On this day the city published four fifths of the incidents without coordinates: a true alarm.
BROKEN = "2023-08-03"

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data at {DATA}"),
    pytest.mark.timeout(600),
]


@lru_cache
def incidents() -> pd.DataFrame:
    """Denver's incidents in the columns that a tally needs; ``day``: when they were reported."""
    raw = pd.read_parquet(DATA / "denver.parquet")

    def instants(name: str) -> pd.Series:
        local = pd.to_datetime(raw[name], format=CLOCK, errors="coerce")
        placed = local.dt.tz_localize(ZONE, ambiguous=True, nonexistent="shift_forward")
        return placed.dt.tz_convert("UTC").astype("datetime64[us, UTC]")

    first = instants("FIRST_OCCURRENCE_DATE")
    rows = pd.DataFrame(
        {
            "occurred_from": first,
            "occurred_at": first,
            "occurred_until": instants("LAST_OCCURRENCE_DATE"),
            "known_at": instants("REPORTED_DATE"),
            "category": raw["OFFENSE_CATEGORY_ID"],
            "district": raw["DISTRICT_ID"],
            "has_place": raw["GEO_LON"] != "",
            "revision": 0,
            "retracted": False,
        }
    )
    local = rows["known_at"].dt.tz_convert(ZONE).dt.tz_localize(None)
    return rows.assign(day=local.dt.normalize())


def measured(rows: pd.DataFrame, at: datetime, since: datetime | None) -> QualityRecord:
    good = rows[rows["has_place"]]
    if since:  # a first delivery's rows were known when they were reported
        good = good.assign(known_at=pd.Timestamp(at).as_unit("us"))
    bad = len(rows) - len(good)
    reasons = Counter({"no coordinates": bad}) if bad else Counter()
    return measure(tally(good, ZONE), len(rows), len(good), reasons, ["denver"], at, ZONE, since)


def nights(
    is_delivered: pd.Series,
) -> Iterator[tuple[str, pd.DataFrame, QualityRecord, list[QualityRecord]]]:
    """Every delivery: its last day, its rows, its record and those before it."""
    every = incidents()
    history = every[every["day"] < FROM]
    at = FROM.tz_localize(ZONE).tz_convert("UTC").to_pydatetime()
    past = [measured(history, at, None)]
    since, waiting = at, []
    by_day = dict(list(every.groupby("day")))
    for day, delivered in is_delivered.items():
        waiting.append(by_day[day])
        if not delivered:
            continue
        at = (day + pd.Timedelta("1D")).tz_localize(ZONE).tz_convert("UTC").to_pydatetime()
        rows = pd.concat(waiting)
        found = measured(rows, at, since)
        yield str(day.date()), rows, found, past
        past = [*past, judged(found, past, LIMITS, accept=True)][-READ:]
        since, waiting = at, []


@pytest.mark.parametrize("weekends", ["every night", "some weekends left out"])
def test_two_years_of_denver(weekends: str) -> None:
    days = pd.Series(True, index=pd.date_range(FROM, UNTIL))
    if weekends != "every night":  # every fourth Friday and Saturday: three days come at once
        weeks = np.arange(len(days)) // 7
        days[np.isin(days.index.day_of_week, (4, 5)) & (weeks % 4 == 0)] = False
    rng = np.random.default_rng(3)
    stopped, warned, tenths = [], [], Counter[bool]()
    for day, rows, found, past in nights(days):
        result = assess(found, past, LIMITS)
        if result.errors:
            stopped.append(day)
        elif result.warnings:
            warned.append(day)
        if len(past) > LEAST:
            few = measured(rows[rng.random(len(rows)) < 0.1], found.made_at, past[-1].made_at)
            tenths[bool(assess(few, past, LIMITS).errors)] += 1
    assert stopped == [BROKEN]
    assert len(warned) <= 0.01 * len(days)
    assert tenths[True] > 600
    assert tenths[False] == 0
