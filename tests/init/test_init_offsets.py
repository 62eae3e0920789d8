from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from pipeline.init.formats import find_reading, parse
from pipeline.init.offsets import Offsets, judge_offsets

ZONE = ZoneInfo("America/Denver")


def local_times(midnights: float = 0.05) -> pd.Series:
    """Times of two thousand incidents, fewest at six, some at a midnight that means unknown."""
    rng = np.random.default_rng(5)
    clock = 1 + 0.8 * np.cos(2 * np.pi * (np.arange(24) - 18) / 24)
    hour = rng.choice(24, 2000, p=clock / clock.sum())
    minute = 1440 * rng.integers(0, 55, 2000) + 60 * hour + rng.integers(1, 60, 2000)
    times = pd.Series(pd.Timestamp("2023-04-01") + pd.to_timedelta(minute, unit="min"))
    return times.where(rng.random(2000) > midnights, times.dt.normalize())


def judged(times: pd.Series, form: str) -> Offsets:
    texts = times.dt.strftime(form).astype("str")
    reading = find_reading(texts.value_counts(), dated=True)
    assert reading is not None
    distinct = pd.Series(texts.unique(), dtype="str")
    return judge_offsets(distinct, reading, parse(texts, reading.formats), ZONE)


def in_utc(times: pd.Series) -> pd.Series:
    return times.dt.tz_localize(ZONE).dt.tz_convert("UTC").dt.tz_localize(None)


FORMS = {
    "%Y-%m-%dT%H:%M:%S.000Z": ("%Y-%m-%dT%H:%M:%S.%fZ", "ISO8601"),
    "%Y/%m/%d %H:%M:%S+00": ("%Y/%m/%d %H:%M:%S+00", "%Y/%m/%d %H:%M:%S%z"),
    "%Y-%m-%d %H:%M:%S+00:00": ("%Y-%m-%d %H:%M:%S+00:00", "ISO8601"),
    "%m/%d/%Y %H:%M UTC": ("%m/%d/%Y %H:%M UTC", "%m/%d/%Y %H:%M %Z"),
}


@pytest.mark.parametrize("midnights", [0.05, 0.0])
@pytest.mark.parametrize("form", FORMS)
def test_tells_local_clocks_from_instants(form: str, midnights: float) -> None:
    local = local_times(midnights)
    as_local, as_instant = FORMS[form]
    assert judged(local, form).reading.formats == (as_local,)
    assert judged(in_utc(local), form).reading.formats == (as_instant,)


def test_what_is_read_so_is_the_clock_that_was_meant() -> None:
    local = local_times()
    found = judged(local, "%Y-%m-%dT%H:%M:%S.000Z")
    texts = local.dt.strftime("%Y-%m-%dT%H:%M:%S.000Z").astype("str")
    assert (parse(texts, found.reading.formats) == local).all()


def test_doubts_clocks_that_seem_to_be_in_utc() -> None:
    assert judged(local_times(), "%Y-%m-%d %H:%M").doubt == ""
    assert "may be in UTC" in judged(in_utc(local_times()), "%Y-%m-%d %H:%M").doubt
