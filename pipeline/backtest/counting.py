"""What is counted of one night: of what happened, and of one forecast of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from forecasts import scores
from forecasts.calibration import deciles
from forecasts.counting import CountLaw, CountLaws
from forecasts.coverage import coverages
from forecasts.ranking import hotspot_count, positions
from forecasts.sums import shifts, sums_of
from grids.hours import horizon
from pipeline.backtest.tallies import (
    CURVE_SHARES,
    DECILES,
    HIGHEST_RATE,
    LOWEST_RATE,
    RATE_BINS,
)
from pipeline.districts import Districts
from pipeline.night import Night

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Held:
    """What happened in a night; names and axes as in Tallies, without the night's.

    ``cell``, ``hour``, ``count``: the cell-hours with incidents. ``shift``: (hour,) of the first
    day.
    """

    first_day: int
    hour_of_day: Ints
    cell_hours: int
    incidents: Ints
    most: Ints
    district_observed: Ints
    cell: Ints
    hour: Ints
    count: Ints
    shift: Ints


@dataclass(frozen=True, eq=False)
class Made:
    """What one forecast was worth; names and axes as in Tallies, without night and rival."""

    log_score: Floats
    expected: Floats
    divergence: float
    squared_error: float
    hits: Ints
    decile_expected: Floats
    decile_observed: Ints
    district_expected: Floats
    bins: Ints
    cell_log_score: Floats


def count_held(night: Night, counts: Ints, districts: Districts, leads: int) -> Held:
    """``counts``: (cell, hour) incidents. ``leads``: hours of the longest night."""
    cell, hour = np.nonzero(counts)
    count = counts[cell, hour]
    of_day = night.of_week % 24
    first_day = len(horizon(night.state.as_of, night.spec.zone))
    once = hour < first_day
    return Held(
        first_day=first_day,
        hour_of_day=np.pad(of_day, (0, leads - len(of_day)), constant_values=-1),
        cell_hours=counts.size,
        incidents=np.pad(counts.sum(axis=0), (0, leads - counts.shape[1])),
        most=_hits(counts.astype(np.float64), counts),
        district_observed=_by_district(count[once], cell[once], districts).astype(np.int64),
        cell=cell,
        hour=hour,
        count=count,
        shift=shifts(night.of_week[:first_day]),
    )


def count_made(
    held: Held,
    expected: Floats,
    counts: Ints,
    reference: Floats,
    districts: Districts,
    law: CountLaw,
) -> Made:
    """``expected``, ``counts``, ``reference``: (cell, hour). ``law``: of a cell-hour's count."""
    _require_counts(expected, counts)
    cell, hour, count = held.cell, held.hour, held.count
    cells, longer = len(expected), (0, len(held.incidents) - counts.shape[1])
    # Nearly all cell-hours are empty: -m everywhere, the rest only where something happened.
    gained = xlogy(count, expected[cell, hour]) - gammaln(count + 1)
    by_hour = np.bincount(hour, gained, counts.shape[1]) - expected.sum(axis=0)
    by_cell = np.bincount(cell, gained, cells) - expected.sum(axis=1)
    first = expected[:, : held.first_day]
    once = hour < held.first_day
    decile = deciles(first)
    in_decile = _sums(decile[cell[once], hour[once]], count[once], DECILES)
    return Made(
        log_score=np.pad(by_hour, longer),
        expected=np.pad(expected.sum(axis=0), longer),
        divergence=scores.divergence(expected, reference),
        squared_error=scores.brier(law.probability(expected), counts) * counts.size,
        hits=_hits(expected, counts),
        decile_expected=_sums(decile.ravel(), first.ravel(), DECILES),
        decile_observed=in_decile.astype(np.int64),
        district_expected=_by_district(first.sum(axis=1), np.arange(cells), districts),
        bins=_rate_bins(expected, cell, hour),
        cell_log_score=by_cell,
    )


def count_covered(
    held: Held, expected: Floats, counts: Ints, districts: Districts, laws: CountLaws
) -> Ints:
    """(scope, 3) sums of the first day that lay below, in and above their interval."""
    first = slice(held.first_day)
    sums = sums_of(expected[:, first], counts[:, first], districts.of_cell, held.shift)
    found = coverages(laws, sums)
    return np.array([[each.below, each.inside, each.above] for each in found.values()], np.int64)


def _require_counts(expected: Floats, counts: Ints) -> None:
    assert expected.shape == counts.shape, "a forecast has every cell and hour of its night"
    if not (np.isfinite(expected) & (expected >= 0)).all():
        raise ValueError("a forecast holds values that are negative or not finite")


def _hits(expected: Floats, counts: Ints) -> Ints:
    """(scale, share) incidents in the hottest cells, chosen every hour and once for the night."""
    of_night = expected.sum(axis=1, keepdims=True), counts.sum(axis=1, keepdims=True)
    return np.stack([_in_hottest(expected, counts), _in_hottest(*of_night)])


def _in_hottest(expected: Floats, counts: Ints) -> Ints:
    """(share,) incidents in the cells that stand first in their column."""
    cells = len(expected)
    first = np.array([hotspot_count(cells, share) for share in CURVE_SHARES])
    at = np.nonzero(counts)
    by_place = _sums(positions(expected)[at], counts[at], cells).astype(np.int64)
    return np.asarray(np.cumsum(by_place)[first - 1])


def _by_district(values: NDArray[Any], cell: Ints, districts: Districts) -> Floats:
    return _sums(districts.of_cell[cell], values, len(districts.names))


def _sums(place: Ints, values: NDArray[Any], size: int) -> Floats:
    return np.asarray(np.bincount(place, values, size), np.float64)


def _rate_bins(expected: Floats, cell: Ints, hour: Ints) -> Ints:
    """(2, bin) cell-hours with and without incidents."""
    scale = RATE_BINS / np.log(HIGHEST_RATE / LOWEST_RATE)
    height = np.log(np.maximum(expected, LOWEST_RATE) / LOWEST_RATE) * scale
    place = np.minimum(height.astype(np.int64), RATE_BINS - 1)
    every = np.bincount(place.ravel(), minlength=RATE_BINS)
    hits = np.bincount(place[cell, hour], minlength=RATE_BINS)
    return np.stack([hits, every - hits])
