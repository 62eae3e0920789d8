"""The demo city's truth: what is expected, given what was known by a night."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import time, timedelta

import h3
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from village import (
    CITY,
    CUTOFF,
    the_incidents,  # noqa: F401 -- a fixture
    the_versions,  # noqa: F401 -- a fixture
)

from grids.clock import nightly_cutoffs, reference_hour
from grids.hexgrid import OUTSIDE
from grids.hours import HourRange, horizon, hours_to_times
from pipeline.demo.kinds import DELAY_MEANS_HOURS
from pipeline.demo.simulate import Incidents, expected_given, hidden_share


def known_at_once(incidents: Incidents) -> pd.DataFrame:
    """Versions of a city where everything is known, and right, the moment it happens."""
    times = hours_to_times(incidents.hour)
    return pd.DataFrame(
        {
            "report_no": [f"{n}" for n in range(len(incidents))],
            "version": 1,
            "status": "ACTIVE",
            "cell": incidents.cell,
            "category": incidents.category,
            "occurred_at": times,
            "known_at": times,
        }
    )


def test_truth_is_the_background_without_excitation(incidents: Incidents) -> None:
    calm = dataclasses.replace(CITY, branching=0.0)
    hours = horizon(CUTOFF, CITY.timezone)
    truth = expected_given(calm, known_at_once(incidents), CUTOFF, hours)
    np.testing.assert_array_equal(truth, calm.background(hours).transpose(1, 0, 2))


def test_truth_of_the_next_hour_is_background_plus_every_known_incidents_kernel(
    incidents: Incidents,
) -> None:
    city = dataclasses.replace(CITY, delay_scale=1e-9)
    now = city.hours.start + 40 * 24
    cutoff = hours_to_times(np.array([now]))[0].to_pydatetime()
    rho = np.exp(-1 / (24 * city.memory_days))
    oracle = city.background(HourRange(now, now + 1))[0]
    past = incidents.hour < now
    for hour, cell, category in zip(
        incidents.hour[past], incidents.cell[past], incidents.category[past], strict=True
    ):
        size = city.branching * (1 - rho) / rho * rho ** (now - hour)
        ring = h3.api.basic_int.grid_ring(int(city.grid.cells[cell]), 1)
        around = city.grid.index_of(np.array(ring, np.uint64))
        around = around[around != OUTSIDE]
        oracle[cell, category] += 0.7 * size
        oracle[around, category] += 0.3 * size / len(around)
    truth = expected_given(city, known_at_once(incidents), cutoff, HourRange(now, now + 1))
    np.testing.assert_allclose(truth[:, 0], oracle, rtol=1e-6)


def test_truth_of_an_unreported_city_is_its_mean(versions: pd.DataFrame) -> None:
    """What happens before the first report: the whole city's mean has a scalar recursion."""
    silent = dataclasses.replace(CITY, delay_scale=1e12)
    hours = HourRange(CITY.hours.start + 240, CITY.hours.start + 480)
    cutoff = hours_to_times(hours.values)[0].to_pydatetime()
    background = CITY.background(HourRange(CITY.hours.start, hours.stop)).sum(axis=1)
    rho = np.exp(-1 / (24 * CITY.memory_days))
    trigger, mean = np.zeros(background.shape[1]), np.empty_like(background)
    for hour, rate in enumerate(background):
        mean[hour] = rate + trigger
        trigger = rho * trigger + CITY.branching * (1 - rho) * mean[hour]
    truth = expected_given(silent, versions.iloc[:0], cutoff, hours)
    np.testing.assert_allclose(truth.sum(axis=0), mean[240:], rtol=1e-8)


def test_hidden_share_is_what_the_reports_still_hide(
    incidents: Incidents, versions: pd.DataFrame
) -> None:
    first = versions[(versions["version"] == 1) & (versions["incident"] >= 0)]
    hour = incidents.hour[first["incident"]]
    hidden, expected = np.zeros(len(CITY.categories)), np.zeros(len(CITY.categories))
    for day in range(20, 200, 3):
        now = CITY.hours.start + 24 * day
        cutoff = hours_to_times(np.array([now]))[0]
        recent = HourRange(now - 72, now)
        inside = (hour >= recent.start) & (hour < recent.stop)
        late = first[inside & (first["reported_at"] > cutoff)]
        hidden += np.bincount(late["category"], minlength=len(hidden))
        counts = incidents.counts(recent).sum(axis=0)
        expected += (counts * hidden_share(CITY, recent, cutoff.to_pydatetime())).sum(axis=0)
    # Revised categories blur the first versions by 3 %; an error in F would be far larger.
    assert np.abs(hidden - expected).max() < 4 * np.sqrt(expected.max())
    assert hidden.sum() == pytest.approx(expected.sum(), rel=0.05)


def test_hidden_share_at_its_ends() -> None:
    now = reference_hour(CUTOFF)
    shares = hidden_share(CITY, HourRange(now - 24 * 365, now + 2), CUTOFF + timedelta(minutes=30))
    assert (shares[-1] == 1).all()  # all of the future
    assert (shares[-2] > 0.5).all()  # half of this hour and most of its other half
    assert (shares[-2] < 1).all()
    assert (np.diff(shares, axis=0) >= 0).all()
    assert shares[0].max() < 1e-9
    mean_delay = DELAY_MEANS_HOURS @ np.array([0.5, 0.38, 0.12])  # hours hidden in all: thefts
    hidden_hours = shares[:-1, CITY.categories.index("THEFT")].sum()
    assert hidden_hours == pytest.approx(mean_delay + 0.5, rel=1e-6)


@pytest.fixture(scope="module")
def nights(incidents: Incidents, versions: pd.DataFrame) -> list[tuple[HourRange, NDArray]]:
    """The horizons and truths of thirty nights."""
    first, last = CUTOFF - timedelta(days=15), CUTOFF + timedelta(days=14, hours=12)
    cutoffs = nightly_cutoffs(first, last, time(6), CITY.timezone)
    ranges = [horizon(cutoff, CITY.timezone) for cutoff in cutoffs]
    return [
        (hours, expected_given(CITY, versions, cutoff, hours))
        for cutoff, hours in zip(cutoffs, ranges, strict=True)
    ]


def log_score(
    incidents: Incidents,
    nights: list[tuple[HourRange, NDArray]],
    forecast: Callable[[HourRange, NDArray], NDArray],
) -> float:
    """Poisson log score over the nights, nats, up to the counts' own term."""
    score = 0.0
    for hours, truth in nights:
        counts, mean = incidents.counts(hours), forecast(hours, truth)
        score += float((counts * np.log(mean)).sum() - mean.sum())
    return score


def test_truth_beats_the_background_and_the_cells_own_rate(
    incidents: Incidents, nights: list[tuple[HourRange, NDArray]]
) -> None:
    def background(hours: HourRange, truth: NDArray) -> NDArray:
        return CITY.background(hours).transpose(1, 0, 2) / (1 - CITY.branching)

    def cell_rate(hours: HourRange, truth: NDArray) -> NDArray:
        past = HourRange(CITY.hours.start, hours.start)
        rate = incidents.counts(past).sum(axis=1)[:, None] / len(past)
        return np.broadcast_to(0.99 * rate + 0.01 * rate.mean(), truth.shape)

    def itself(hours: HourRange, truth: NDArray) -> NDArray:
        return truth

    assert len(nights) == 30
    best = log_score(incidents, nights, itself)
    assert best > log_score(incidents, nights, background) + 10
    assert best > log_score(incidents, nights, cell_rate) + 100


def test_truth_expects_what_happens(
    incidents: Incidents, nights: list[tuple[HourRange, NDArray]]
) -> None:
    observed = sum(incidents.counts(hours).sum() for hours, _ in nights)
    expected = sum(truth.sum() for _, truth in nights)
    # Clusters make the variance of a day's total larger than Poisson, by up to (1 - b) ** -2.
    assert abs(observed - expected) < 3 * np.sqrt(expected) / (1 - CITY.branching)


def test_truth_uses_nothing_that_became_known_later(versions: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    hours = horizon(CUTOFF, CITY.timezone)
    truth = expected_given(CITY, versions, CUTOFF, hours)
    late = np.flatnonzero(versions["known_at"] > CUTOFF)
    assert len(late) > 100
    assert (versions["occurred_at"].iloc[late] < CUTOFF).sum() > 50  # hidden at the cutoff
    scrambled = versions.copy()
    contents = ["report_no", "version", "status", "cell", "category", "occurred_at"]
    for name in contents:
        mixed = versions[name].iloc[rng.permutation(late)]
        scrambled.iloc[late, scrambled.columns.get_loc(name)] = mixed.to_numpy()
    scrambled = scrambled.iloc[rng.permutation(len(scrambled))]
    assert expected_given(CITY, scrambled, CUTOFF, hours).tobytes() == truth.tobytes()
    deleted = versions.drop(versions.index[late])
    assert expected_given(CITY, deleted, CUTOFF, hours).tobytes() == truth.tobytes()


def test_truth_uses_what_became_known_before(versions: pd.DataFrame) -> None:
    hours = horizon(CUTOFF, CITY.timezone)
    recent = versions["occurred_at"].between(CUTOFF - timedelta(days=2), CUTOFF)
    known = versions.index[recent & (versions["known_at"] <= CUTOFF)]
    fewer = expected_given(CITY, versions.drop(known), CUTOFF, hours)
    assert fewer.sum() < expected_given(CITY, versions, CUTOFF, hours).sum() - 1


def test_truth_takes_the_latest_version_and_no_unfounded_report(incidents: Incidents) -> None:
    hours = horizon(CUTOFF, CITY.timezone)
    plain = known_at_once(incidents)
    right = expected_given(CITY, plain, CUTOFF, hours)
    wrong = plain.iloc[::5].assign(category=lambda first: (first["category"] + 1) % 7)
    corrected = plain.iloc[::5].assign(version=2)
    revised = pd.concat([corrected, wrong, plain.drop(plain.index[::5])])
    np.testing.assert_array_equal(expected_given(CITY, revised, CUTOFF, hours), right)
    false = plain.iloc[::5].assign(report_no=lambda rows: "false " + rows["report_no"])
    retracted = pd.concat([plain, false, false.assign(version=2, status="UNFOUNDED")])
    np.testing.assert_array_equal(expected_given(CITY, retracted, CUTOFF, hours), right)


def test_truth_refuses_hours_before_the_cutoff(versions: pd.DataFrame) -> None:
    past = HourRange(reference_hour(CUTOFF) - 1, reference_hour(CUTOFF) + 1)
    with pytest.raises(ValueError, match="begins at or after its cutoff"):
        expected_given(CITY, versions, CUTOFF, past)
    with pytest.raises(ValueError, match="before the city's first"):
        CITY.background(HourRange(CITY.hours.start - 1, CITY.hours.start))
