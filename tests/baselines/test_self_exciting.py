"""The process that made the data is found again, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from processes import (
    ALL,
    CITY,
    PLACE,
    ZONE,
    Process,
    blocks_before,
    midnight,
    night_of,
    uneven,
)

from forecasts.scores import poisson_log_score
from grids.clock import EPOCH, HOUR
from grids.counts import Events
from pipeline.baselines import self_exciting
from pipeline.baselines.past import Evidence, evidence, past_nights
from pipeline.baselines.self_exciting import (
    UNFITTED,
    excess_parts,
    fit_branching,
    fit_self_exciting,
    forecast_self_exciting,
    mean_parts,
)
from pipeline.baselines.spread import spread
from pipeline.night import YEAR
from pipeline.replay import counts_of, nights_of
from pipeline.silver import Arrivals, sort_arrivals

BRANCHING, MEMORY, SIGMA = 0.35, 3.0, 150.0
EXCITED = Process(
    uneven(250), days=400, branching=BRANCHING, memory_days=MEMORY, sigma=SIGMA, seed=11
)


@pytest.fixture(scope="module")
def excited() -> Arrivals:
    return EXCITED.arrivals()


@pytest.fixture(scope="module")
def found(excited: Arrivals) -> dict:
    return fit_self_exciting(past_nights(CITY, blocks_before(excited, 350, 91), ALL))


def test_branching_memory_and_reach_are_found(found: dict) -> None:
    assert found["branching"] == pytest.approx(BRANCHING, abs=0.12)
    assert MEMORY / 1.8 < found["memory_days"] < MEMORY * 1.8
    assert SIGMA / 2 < found["sigma_m"] < SIGMA * 2
    assert found["mean"]["yearly"] + found["mean"]["quarterly"] > 0.8
    assert sum(found["mean"].values()) == pytest.approx(1)


def test_the_forecast_gains_from_what_it_found(excited: Arrivals, found: dict) -> None:
    plain, excites, incidents = 0.0, 0.0, 0
    for block in blocks_before(excited, 378, 28):
        for night in nights_of(CITY, block, ALL):
            counts = counts_of(night, block.labels)
            incidents += counts.sum()
            plain += poisson_log_score(forecast_self_exciting(night, UNFITTED), counts)
            excites += poisson_log_score(forecast_self_exciting(night, found), counts)
    assert (excites - plain) / incidents > 0.0015


def test_where_nothing_excites_nothing_is_found() -> None:
    arrivals = Process(uneven(150), seed=5).arrivals()
    past = past_nights(CITY, blocks_before(arrivals, 270, 91), ALL)
    assert fit_self_exciting(past)["branching"] < 0.06


def test_offences_of_one_event_are_no_excitation() -> None:
    arrivals = Process(uneven(80), seed=6).arrivals()
    thrice = sort_arrivals([arrivals, arrivals, arrivals])
    past = past_nights(CITY, blocks_before(thrice, 270, 91), ALL)
    # Counted within the hour, two of three would be children of the first.
    assert fit_self_exciting(past)["branching"] < 0.12


def test_unreported_incidents_are_no_lack(excited: Arrivals) -> None:
    """Over nights and cells the excess is nothing: what is known is held against what can be."""
    excess, usual = 0.0, 0.0
    for day in range(200, 380, 6):
        night = night_of(excited, day)
        excess += excess_parts(night, [0.5, 3.0, 16.0], 200.0).cells.sum(axis=0)
        usual += night.rates[:, YEAR].sum()
    assert (np.abs(excess) < 0.05 * usual).all()


def test_the_excess_of_one_incident_by_hand() -> None:
    cell = 40
    events = Events(
        np.array([int((midnight(100) - EPOCH) / HOUR) - 24]),
        np.array([cell], np.int32),
        np.zeros(1, np.int8),
        np.ones(1, np.int8),
    )
    known = events.hour * 3_600_000_000 + 1
    night = night_of(Arrivals(known, np.ones(1, bool), events), 100)
    parts = excess_parts(night, [2.0], 120.0)
    around = spread(PLACE, 120.0)[:, [cell]].toarray()[:, 0]
    # Its own mean is taken off: the rate in each hour of 63 days, as far as it is known by now.
    mean = 0.0
    for age in np.arange(0.5, 63 * 24):
        then = (midnight(100) - age * HOUR).astimezone(ZONE)
        usual = night.rates[cell, YEAR] * night.week_factors[then.weekday() * 24 + then.hour]
        known = min(age, 1.0)  # this one was known when its hour had passed
        mean += usual * known * np.exp(-age / 48) / 48
    lasting = np.exp(-23.5 / 48) / 48 - mean
    np.testing.assert_allclose(parts.cells[:, 0], around * lasting, rtol=1e-6)
    np.testing.assert_allclose(parts.hours[0, :3], np.exp(-np.array([0.5, 1.5, 2.5]) / 48))
    assert len(parts.hours[0]) == len(night.hours)


def test_the_forecast_is_mean_plus_branching_times_excess_but_never_far_below() -> None:
    night = night_of(Process(uneven(20, shape=0.2), days=150).arrivals(), 130)
    chosen = {
        "branching": 0.8,
        "memory_days": 2.0,
        "sigma_m": 400.0,
        "mean": {"yearly": 0.4, "smoothed": 0.2, "quarterly": 0.3, "monthly": 0.1},
    }
    mean = mean_parts(night).mixed(np.array([0.4, 0.2, 0.3, 0.1]))
    expected = mean + 0.8 * excess_parts(night, [2.0], 400.0).mixed(np.ones(1))
    forecast = forecast_self_exciting(night, chosen)
    above = expected > 0.1 * mean
    assert 0.5 < above.mean() < 1
    np.testing.assert_allclose(forecast[above], expected[above])
    np.testing.assert_allclose(forecast[~above], 0.1 * mean[~above])


def test_no_other_branching_is_likelier(excited: Arrivals) -> None:
    past = past_nights(CITY, blocks_before(excited, 300, 20), ALL)
    mean = evidence(past, mean_parts)
    excess = evidence(past, lambda night: excess_parts(night, [3.0], 150.0))
    score, weights, _ = fit_branching(mean, excess.at[:, 0], excess.totals[0])

    def likelihood(branching: float, share: float) -> float:
        mixed = np.array([share, 0.0, 1 - share, 0.0])
        expected = mean.at @ mixed + branching * excess.at[:, 0]
        expected = np.maximum(expected, 0.1 * mean.at @ mixed)
        total = mean.totals @ mixed + branching * excess.totals[0]
        return float(mean.count @ np.log(expected) - total)

    grid = [likelihood(b, s) for b in np.linspace(0, 0.9, 37) for s in np.linspace(0, 1, 21)]
    assert score >= max(grid) - 0.01
    assert 0 < weights[-1] < 0.9


@pytest.mark.parametrize("astray", [False, True])
def test_where_the_fit_is_lost_the_best_weights_on_its_way_are_taken(
    excited: Arrivals, monkeypatch: pytest.MonkeyPatch, astray: bool
) -> None:
    from scipy import optimize

    past = past_nights(CITY, blocks_before(excited, 350, 14), ALL)
    mean = evidence(past, mean_parts)
    excess = evidence(past, lambda night: excess_parts(night, [3.0], 150.0))
    best, _, note = fit_branching(mean, excess.at[:, 0], excess.totals[0])
    assert note == ""
    minimize = optimize.minimize

    def hasty(*arguments: object, options: dict, **named: object) -> object:
        found = minimize(*arguments, options=options | {"maxiter": 1}, **named)
        if astray:
            found.x = np.full_like(found.x, np.nan)
        return found

    monkeypatch.setattr(optimize, "minimize", hasty)
    score, weights, note = fit_branching(mean, excess.at[:, 0], excess.totals[0])
    start = [0.25, 0.25, 0.25, 0.25, 0.1]
    assert (weights.tolist() == start) == astray
    assert ("it failed" if astray else "as far as") in note
    assert "(Iteration limit reached)" in note
    began, reached = (log_score(mean, excess, at) for at in (np.array(start), weights))
    assert score == pytest.approx(reached)
    assert (began if astray else began + 1e-6) <= score < best
    monkeypatch.setattr(self_exciting, "MEMORIES", (3.0,))
    monkeypatch.setattr(self_exciting, "SIGMAS", (0.0, 150.0))
    assert fit_self_exciting(past)["note"] == note


def log_score(mean: Evidence, excess: Evidence, weights: np.ndarray) -> float:
    usual = mean.at @ weights[:-1]
    expected = np.maximum(usual + weights[-1] * excess.at[:, 0], 0.1 * usual)
    total = mean.totals @ weights[:-1] + weights[-1] * excess.totals[0]
    return float(mean.count @ np.log(expected) - total)
