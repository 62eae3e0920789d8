"""The demo city: its shape and clocks, and the process that draws its incidents."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray
from village import (
    CITY,
    the_incidents,  # noqa: F401 -- a fixture
)

from grids.clock import reference_hour
from grids.hours import HourRange, hours_to_times
from pipeline.demo.city import DemoCity
from pipeline.demo.kinds import CELL_TYPES
from pipeline.demo.simulate import Incidents, simulate

# The city


def test_default_city_is_as_large_as_promised() -> None:
    city = DemoCity()
    assert 600 <= len(city.grid) <= 800
    assert city.boundary.is_valid
    assert set(city.cell_types) == set(range(len(CELL_TYPES)))
    first, end = hours_to_times(np.array([city.hours.start, city.hours.stop]))
    assert str(first.tz_convert(city.timezone)) == "2023-01-01 00:00:00-06:00"
    assert str(end.tz_convert(city.timezone)) == "2026-01-01 00:00:00-06:00"


def test_background_factors_leave_the_rates_their_level() -> None:
    np.testing.assert_allclose(CITY.clock.mean(axis=0), 1)
    assert CITY.rates.sum() * 24 == pytest.approx(60 * (1 - CITY.branching))
    assert (CITY.drift @ CITY.rates.sum(axis=1)).mean() == pytest.approx(CITY.rates.sum())


def test_hotspots_drift_over_months_and_not_over_days() -> None:
    log = np.log(CITY.drift)
    assert np.abs(log[120] - log[0]).mean() > 0.2
    assert np.abs(np.diff(log, axis=0)).max() < 0.1


def test_cells_of_different_types_live_by_different_clocks() -> None:
    profiles = CITY.clock.mean(axis=2).reshape(7, 24, len(CELL_TYPES)).mean(axis=0)
    assert profiles.argmax(axis=0)[0] in range(12, 18)  # downtown
    assert profiles.argmax(axis=0)[1] in (22, 23, 0, 1)  # nightlife


def test_background_follows_the_local_clock_over_the_change() -> None:
    """From noon to one the step is the same on both sides of a change, drift and season aside."""
    steps = []
    for noon in (datetime(2025, 3, 4, 18, tzinfo=UTC), datetime(2025, 3, 11, 17, tzinfo=UTC)):
        hour = reference_hour(noon)
        first, second = CITY.background(HourRange(hour, hour + 2))
        steps.append(second / first)
    np.testing.assert_allclose(steps[0], steps[1], rtol=1e-4)
    assert np.abs(steps[0] - 1).max() > 0.1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"branching": 1.0}, "explodes"),
        ({"start": datetime(2024, 1, 1)}, "aware"),
        ({"start": datetime(2024, 1, 1, 0, 30, tzinfo=UTC)}, "full hour"),
        ({"days": 0}, "positive"),
        ({"delay_scale": 0.0}, "delay_scale"),
    ],
)
def test_impossible_cities_are_refused(fault: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DemoCity(**fault)  # type: ignore[arg-type]


# The process


def poisson_z(count: NDArray[np.int64], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((count - mean) / np.sqrt(mean))


def test_counts_are_poisson_about_the_integrated_intensity(incidents: Incidents) -> None:
    counts = incidents.counts(CITY.hours).sum(axis=1)
    assert counts.sum() == len(incidents)
    assert np.abs(poisson_z(counts.sum(axis=0), incidents.integrated.sum(axis=0))).max() < 4
    z = poisson_z(counts.sum(axis=1), incidents.integrated.sum(axis=1))
    assert 0.6 < (z**2).mean() < 1.5
    assert len(incidents) / CITY.days == pytest.approx(60, rel=0.1)


def test_hourly_counts_are_poisson_about_a_calm_background() -> None:
    calm = dataclasses.replace(CITY, branching=0.0)
    counts = simulate(calm).counts(calm.hours).sum(axis=(0, 2))
    z = poisson_z(counts, calm.background(calm.hours).sum(axis=(1, 2)))
    assert (z**2).mean() == pytest.approx(1, abs=0.1)
    assert z.mean() == pytest.approx(0, abs=0.05)


def neighbours_in_time(incidents: Incidents, near: int, far: int) -> float:
    """Pairs of one cell and category ``near`` to ``far`` hours apart, per incident."""
    slot = incidents.cell.astype(np.int64) * len(CITY.categories) + incidents.category
    key = np.sort(slot * 10**7 + incidents.hour)
    parents = key[key % 10**7 < CITY.hours.stop - 409]  # the same ones for every distance
    pairs = np.searchsorted(key, parents + far) - np.searchsorted(key, parents + near)
    return float(pairs.mean())


def test_incidents_have_offspring() -> None:
    excess = {}
    for branching in (0.0, 0.25):
        # A quiet city, where few pairs are chance.
        quiet = dataclasses.replace(CITY, branching=branching, incidents_per_day=15)
        drawn = simulate(quiet)
        # Two weeks later at the same hours of the day: the same place, without the children.
        near, late = neighbours_in_time(drawn, 1, 73), neighbours_in_time(drawn, 337, 409)
        excess[branching] = near - late
    # 0.25 children, 0.7 of them in the own cell, 1 - 1 / e of those within three days: 0.11.
    assert abs(excess[0.0]) < 0.06 < excess[0.25] < 0.25


def test_simulation_depends_on_nothing_but_the_seed(incidents: Incidents) -> None:
    again, other = simulate(dataclasses.replace(CITY)), simulate(dataclasses.replace(CITY, seed=4))
    for field in ("hour", "cell", "category", "integrated"):
        np.testing.assert_array_equal(getattr(again, field), getattr(incidents, field))
    assert len(other) != len(incidents)
