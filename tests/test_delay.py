"""How long it takes until incidents are known, estimated from those that are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad

from grids.clock import EPOCH, HOUR
from grids.counts import Events
from pipeline.delay import (
    DELAY_DAYS,
    DELAY_EDGES,
    count_delays,
    exposures,
    maturity,
    newest_occurrence,
    newest_report,
    reported_share,
    share_at,
)
from pipeline.silver import Arrivals, microseconds

START = datetime(2022, 1, 1, tzinfo=UTC)
EMPTY = np.zeros((DELAY_DAYS, len(DELAY_EDGES) + 1), np.int64)
HOUR_US = 3_600_000_000


def arrivals(hour: NDArray[np.int64], delay: NDArray[np.float64]) -> Arrivals:
    """First reports of incidents, ``delay`` hours after the start of their hour."""
    known = hour * HOUR_US + (delay * HOUR_US).astype(np.int64)
    order = np.argsort(known, kind="stable")
    size = len(hour)
    events = Events(
        hour[order], np.zeros(size, np.int32), np.zeros(size, np.int8), np.ones(size, np.int8)
    )
    return Arrivals(known[order], np.ones(size, np.bool_), events)


def exponential(days: int, per_day: int, mean_hours: float, seed: int = 4) -> Arrivals:
    rng = np.random.default_rng(seed)
    size = days * per_day
    hour = (START - EPOCH) // HOUR + np.sort(rng.integers(0, days * 24, size))
    return arrivals(hour, rng.exponential(mean_hours, size))


def night_by_night(some: Arrivals, last: datetime, days: int = 1) -> NDArray[np.int64]:
    table, at = EMPTY, START
    while at < last:
        then = min(at + timedelta(days=days), last)
        table = count_delays(table, some.after(at).until(then), at, then)
        at = then
    return table


def oracle(some: Arrivals, cutoff: datetime) -> NDArray[np.float64]:
    """The reverse hazard, edge by edge, straight from the incidents."""
    now = (cutoff - EPOCH) / HOUR
    hour, age = some.events.hour, some.known / HOUR_US - some.events.hour
    day_end = (hour // 24 + 1) * 24
    recent = hour // 24 > (cutoff - EPOCH).days - DELAY_DAYS
    shares, left = [1.0], 1.0
    for low, edge in zip(DELAY_EDGES[-2::-1], DELAY_EDGES[:0:-1], strict=True):
        seen = recent & (day_end + edge <= now) & (some.known <= microseconds(cutoff))
        by_edge = (seen & (age <= edge)).sum()
        left *= 1 - ((seen & (age > low) & (age <= edge)).sum() / by_edge if by_edge else 0)
        shares.append(left)
    return np.array(shares[::-1])


CUTOFF = START + timedelta(days=90, hours=7, minutes=30)
TRUE_MEAN = 240.0


@pytest.fixture(scope="module")
def delayed() -> Arrivals:
    return exponential(days=90, per_day=300, mean_hours=TRUE_MEAN)


@pytest.fixture(scope="module")
def table(delayed: Arrivals) -> NDArray[np.int64]:
    return night_by_night(delayed.until(CUTOFF), CUTOFF)


def test_the_share_is_the_oracles(delayed, table):
    np.testing.assert_allclose(reported_share(table, CUTOFF), oracle(delayed, CUTOFF))


def test_the_share_is_right_where_the_plain_average_is_not(delayed, table):
    truth = (1 - np.exp(-DELAY_EDGES / TRUE_MEAN)) / (1 - np.exp(-DELAY_EDGES[-1] / TRUE_MEAN))
    estimate = reported_share(table, CUTOFF)
    known = delayed.until(CUTOFF)
    age = known.known / HOUR_US - known.events.hour
    plain = (age[:, None] <= DELAY_EDGES).mean(axis=0)
    assert np.abs(estimate - truth).max() < 0.02
    middle = (DELAY_EDGES > 96) & (DELAY_EDGES < 400)
    assert (plain - truth)[middle].min() > 0.03
    assert (np.diff(estimate) >= 0).all()
    assert estimate[-1] == 1


def test_days_too_young_for_an_age_are_not_used(table):
    today = (CUTOFF - EPOCH).days
    days = np.arange(today - DELAY_DAYS + 1, today + 1)
    age_of_day = (CUTOFF - EPOCH) / HOUR - (days + 1) * 24
    young = age_of_day[:, None] < np.append(DELAY_EDGES, np.inf)
    scrambled = table.copy()
    noise = np.random.default_rng(1).integers(0, 10**6, table.shape)
    scrambled[days % DELAY_DAYS] = np.where(young, noise, table[days % DELAY_DAYS])
    assert (scrambled != table).any(axis=1).sum() > 50
    np.testing.assert_array_equal(reported_share(scrambled, CUTOFF), reported_share(table, CUTOFF))


def test_what_becomes_known_after_the_cutoff_does_not_count(delayed, table):
    """Other arrivals from then on: the estimate at the cutoff is the same, a later one is not."""
    hour = delayed.events.hour
    early = delayed.known <= microseconds(CUTOFF)
    later = np.where(early, delayed.known, delayed.known + 500 * HOUR_US)
    other = arrivals(hour, later / HOUR_US - hour)
    again = night_by_night(other.until(CUTOFF), CUTOFF)
    np.testing.assert_array_equal(again, table)
    after = CUTOFF + timedelta(days=30)
    moved = [night_by_night(some.until(after), after) for some in (delayed, other)]
    assert (moved[0] != moved[1]).any()


@pytest.mark.parametrize("days", [1, 7, 450])
def test_the_ring_of_days_equals_a_table_made_at_once(days):
    long = exponential(days=1000, per_day=3, mean_hours=2400)  # some take more than a year
    cutoff = START + timedelta(days=1000, hours=5)
    at_once = count_delays(EMPTY, long.until(cutoff), START, cutoff)
    stepwise = night_by_night(long, cutoff, days)
    np.testing.assert_array_equal(stepwise, at_once)
    recent = long.until(cutoff).events.hour // 24 > (cutoff - EPOCH).days - DELAY_DAYS
    assert stepwise.sum() == recent.sum() > 500


def test_two_cutoffs_on_a_day_keep_the_first_ones_counts():
    some = exponential(days=2, per_day=50, mean_hours=1)
    noon, evening = START + timedelta(days=1, hours=12), START + timedelta(days=1, hours=20)
    table = count_delays(EMPTY, some.until(noon), START, noon)
    table = count_delays(table, some.after(noon).until(evening), noon, evening)
    assert table.sum() == len(some.until(evening))


def test_only_first_reports_count():
    some = exponential(days=3, per_day=10, mean_hours=1)
    events = Events(some.events.hour, some.events.cell, some.events.category, -some.events.sign)
    end = START + timedelta(days=9)
    out = Arrivals(some.known, some.first, events)
    revised = Arrivals(some.known, ~some.first, some.events)
    assert [count_delays(EMPTY, a, START, end).sum() for a in (some, out, revised)] == [30, 0, 0]


def test_without_data_everything_counts_as_reported():
    assert reported_share(EMPTY, CUTOFF).tolist() == [1.0] * len(DELAY_EDGES)
    assert maturity(reported_share(EMPTY, CUTOFF)) == timedelta(hours=1)


def test_a_constant_lag_of_a_week_is_a_step():
    hour = (START - EPOCH) // HOUR + np.arange(24 * 100)
    table = night_by_night(arrivals(hour, np.full(len(hour), 168.0)).until(CUTOFF), CUTOFF)
    shares = reported_share(table, CUTOFF)
    assert shares.tolist() == [0.0 if edge < 168 else 1.0 for edge in DELAY_EDGES]
    assert maturity(shares) == timedelta(hours=168)
    assert share_at(shares, np.array([0.0, 144.0, 168.0, 5000.0])).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("days", [0.2, 7, 45, 62, 95, 115, 140])
def test_labels_of_a_feed_that_lags_wait_for_it(days):
    """No incident of the newest days is known, and they must not be taken for calm."""
    hour = (START - EPOCH) // HOUR + np.arange(24 * 500, dtype=np.int64)
    known = arrivals(hour, np.full(len(hour), 24.0 * days))
    cutoff = START + timedelta(days=500)
    table = night_by_night(known.until(cutoff), cutoff)
    wait = maturity(reported_share(table, cutoff))
    assert timedelta(days=days) <= wait <= timedelta(days=1.4 * days + 1)
    newest = newest_occurrence(table, cutoff)
    assert newest is not None
    assert timedelta(0) <= cutoff - newest <= timedelta(days=days + 1)


@pytest.mark.parametrize("lag", [0.0, 30.0, 24 * 7.0])
@pytest.mark.parametrize("silent_days", [0, 1, 10])
def test_the_newest_report_is_known_to_a_day(lag, silent_days):
    some = exponential(60, 20, 5.0)
    some = arrivals(some.events.hour, (some.known / HOUR_US - some.events.hour) + lag)
    last = EPOCH + timedelta(microseconds=int(some.known[-1]))
    cutoff = last + timedelta(days=silent_days)
    found = newest_report(count_delays(EMPTY, some, START, cutoff), cutoff)
    assert found is not None
    assert timedelta(days=-1) <= found - last <= timedelta(days=1)
    assert found <= cutoff


def test_nothing_known_has_no_newest_report():
    assert newest_report(EMPTY, START) is None


def test_maturity_is_the_first_edge_with_the_share():
    shares = np.linspace(0.5, 1, len(DELAY_EDGES))
    assert maturity(shares, 0.5) == timedelta(hours=DELAY_EDGES[0])
    assert maturity(shares, 1.0) == timedelta(hours=DELAY_EDGES[-1])
    edge = int(np.flatnonzero(shares >= 0.95)[0])
    assert maturity(shares) == timedelta(hours=DELAY_EDGES[edge])


HALF_LIVES = np.array([24.0, 168.0, 8760.0])


@pytest.mark.parametrize("age", [5.0, 1000.0, 1440.0, 50_000.0])
def test_exposures_are_the_integral(age):
    shares = 1 - np.exp(-DELAY_EDGES / TRUE_MEAN)
    shares /= shares[-1]

    def integral(half_life: float) -> float:
        ends = [0.0, *DELAY_EDGES[age > DELAY_EDGES], age]
        pieces = pairwise(ends)

        def inside(a: float) -> float:
            return float(0.5 ** (a / half_life) * share_at(shares, np.array([a]))[0])

        return sum(quad(inside, low, high)[0] for low, high in pieces)

    expected = [integral(half_life) for half_life in HALF_LIVES]
    assert exposures(shares, HALF_LIVES, age) == pytest.approx(expected, rel=2e-3)


def test_exposures_leave_a_delayed_rate_whole():
    """Decayed counts of what is known, divided by the exposure, give the true rate."""
    delayed = exponential(days=300, per_day=200, mean_hours=TRUE_MEAN)
    cutoff = START + timedelta(days=300)
    known = delayed.until(cutoff)
    shares = reported_share(night_by_night(known, cutoff), cutoff)
    age = (cutoff - EPOCH) / HOUR - known.events.hour
    decayed = np.array([(0.5 ** (age / half_life)).sum() for half_life in HALF_LIVES])
    rates = decayed / exposures(shares, HALF_LIVES, 300 * 24.0)
    naive = decayed / exposures(np.ones_like(shares), HALF_LIVES, 300 * 24.0)
    true = 200 / 24
    assert rates[1:] == pytest.approx([true] * 2, rel=0.06)  # a day's counts are too few
    assert naive[1] < 0.7 * true


def test_no_time_has_passed():
    assert (exposures(np.ones(len(DELAY_EDGES)), HALF_LIVES, 0.0) > 0).all()
