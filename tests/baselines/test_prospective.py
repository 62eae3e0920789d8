"""Bowers' formula by hand, and its share in a mixture."""

from __future__ import annotations

import numpy as np
import pytest
from processes import ALL, CITY, FIRST, PLACE, Process, blocks_before, midnight, night_of, uneven

from grids.clock import EPOCH, HOUR
from grids.counts import Events
from pipeline.baselines.past import past_nights
from pipeline.baselines.prospective import fit_prospective, forecast_prospective, risk_of
from pipeline.night import Night
from pipeline.silver import Arrivals, sort_arrivals


def night_with(*incidents: tuple[int, float, int]) -> Night:
    """The night of day 100 that knows of (cell, days ago, sign), at once."""
    now = int((midnight(100) - EPOCH) / HOUR)
    cell, ago, sign = (np.array(column) for column in zip(*incidents, strict=True))
    hour = now - (24 * ago).astype(np.int64)
    signs = sign.astype(np.int8)
    events = Events(hour, cell.astype(np.int32), np.zeros(len(cell), np.int8), signs)
    known = (hour * 3_600_000_000 + 1).astype(np.int64)
    return night_of(sort_arrivals([Arrivals(known, signs > 0, events)]), 100)


def neighbours(cell: int) -> np.ndarray:
    return PLACE.ring1[[cell]].nonzero()[1]


def test_risk_halves_in_the_next_cell_and_fades_by_whole_weeks() -> None:
    middle = int(np.argmin(np.linalg.norm(PLACE.metres, axis=1)))
    risk = risk_of(night_with((middle, 3, 1), (middle, 10, 1), (middle, 60, 1), (middle, 62, 1)))
    own = 1 + 1 / 2 + 1 / 9  # this week, last week, eight weeks ago, beyond two months
    assert risk[middle] == pytest.approx(own)
    np.testing.assert_allclose(risk[neighbours(middle)], own / 2)
    assert len(neighbours(middle)) == 6
    assert np.count_nonzero(risk) == 7


def test_what_was_taken_back_leaves_no_risk() -> None:
    assert not risk_of(night_with((5, 3, 1), (5, 3, -1))).any()
    assert risk_of(night_with((5, 3, 1), (9, 3, -1)))[5] == pytest.approx(1)


def test_a_late_citys_new_incidents_stand_for_those_not_reported() -> None:
    """Per incident that happened, not per one that is known: the youngest days are not short."""
    arrivals = Process(uneven(150), days=300, late=0.5, late_hours=240.0).arrivals()
    whole = arrivals.until(midnight(300))
    at_once = Arrivals(whole.events.hour * 3_600_000_000 + 1, whole.first, whole.events)
    order = np.argsort(at_once.known, kind="stable")
    for day in (200, 250):
        late, told = risk_of(night_of(arrivals, day)), risk_of(night_of(at_once[order], day))
        assert late.sum() == pytest.approx(told.sum(), rel=0.05)


def wandering(day: int) -> np.ndarray:
    return np.random.default_rng(day // 30).gamma(0.3, size=len(uneven(1))) + 0.01


def test_the_share_is_greater_where_hot_places_move() -> None:
    share = {}
    for name, factor in (("still", None), ("moving", wandering)):
        arrivals = Process(uneven(80), factor=factor).arrivals()
        past = past_nights(CITY, blocks_before(arrivals, 270, 60), ALL)
        share[name] = fit_prospective(past)["recent_share"]
    assert share["moving"] > 0.3
    assert share["still"] < 0.1


def test_the_level_is_the_citys_rate_of_the_last_month() -> None:
    night = night_of(Process(uneven(60), days=120).arrivals(), 110)
    forecast = forecast_prospective(night, {"recent_share": 1.0})
    per_hour = night.rates[:, 1].sum() * night.week_factor
    np.testing.assert_allclose(forecast.sum(axis=0), per_hour)
    risk = risk_of(night)
    np.testing.assert_allclose(forecast[:, 0] / per_hour[0], risk / risk.sum())


def test_without_recent_incidents_it_is_the_yearly_rate() -> None:
    night = night_with((3, 70, 1), (4, 90, 1))
    assert len(night.recent) == 0
    np.testing.assert_allclose(forecast_prospective(night, {"recent_share": 0.4}), night.reference)
    assert int((midnight(100) - EPOCH) / HOUR) - FIRST == pytest.approx(2400, abs=1)
