"""The FEATURES table: what the model sees of a night, one function for training and forecasting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pipeline.context.calendar import Calendar, since_first_or_fifteenth
from pipeline.context.context import Context
from pipeline.context.tables import LEVELS
from pipeline.delay import DELAY_EDGES
from pipeline.night import LONG, MONTH, QUARTER, WEEK, YEAR, Night
from pipeline.state import HOUR_SLOT_OF, PART_SLOT_OF, Floats

MISSING = 255  # the code of a missing value, which only columns of tables have
LEAST_EXPECTED = 1e-9  # where nothing at all is known
THREE_DAYS = int(np.searchsorted(DELAY_EDGES, 72.0))


def log_code(values: Floats, low: float, high: float) -> NDArray[np.uint8]:
    """0 for nothing, else 1 to LEVELS on fixed logarithmic edges, whatever the data.

    Fixed codes instead of learned bins make the model the same on any number of workers.
    """
    scaled = np.log(np.maximum(values, low) / low) * (LEVELS / np.log(high / low))
    return np.where(values > 0, 1 + np.clip(scaled, 0, LEVELS - 1), 0).astype(np.uint8)


def _rate(values: Floats) -> NDArray[np.uint8]:
    return log_code(values, 1e-6, 10.0)


def _ratio(values: Floats) -> NDArray[np.uint8]:
    return log_code(values, 1 / 64, 64.0)


def _share(values: Floats) -> NDArray[np.uint8]:
    return np.clip(values * LEVELS, 0, LEVELS).astype(np.uint8)


def _count(values: Floats) -> NDArray[np.uint8]:
    return values.astype(np.uint8)


def _degrees(values: Floats) -> NDArray[np.uint8]:
    """Of an elevation, -90 to 90."""
    return _share((values + 90) / 180)


@dataclass(frozen=True)
class Feature:
    """A named column: a night's values as (cell, 1), (1, hour) or (cell, hour), and their codes."""

    name: str
    values: Callable[[Night], Floats]
    encode: Callable[[Floats], NDArray[np.uint8]]


def _cells(values: Floats) -> Floats:
    return values[:, None]


def _over_time(values: list[int]) -> Floats:
    return np.array([values], np.float64)


def _trend(night: Night) -> Floats:
    """The last month against the last year, both drawn to the city's mean where counts are few."""
    prior = night.rates[:, YEAR].mean() + 1e-12
    trend: Floats = (night.rates[:, MONTH] + prior) / (night.rates[:, YEAR] + prior)
    return trend


def _kernel(night: Night) -> Floats:
    """The yearly rate smoothed over two rings x the city's hour of week."""
    place = 0.5 * night.rates + 0.3 * night.ring1 + 0.2 * night.ring2
    return place[:, [YEAR]] * night.week_factor


def _city(night: Night, half_life: int) -> Floats:
    recent, yearly = night.rates[:, half_life].sum(), night.rates[:, YEAR].sum()
    return np.array([[recent / yearly if yearly > 0 else 1.0]])


def _ring_of_hours(night: Night) -> Floats:
    around = np.asarray(night.place.ring1 @ night.hour_rates)
    return night.over_hours(around, HOUR_SLOT_OF)


def _ring_of_parts(night: Night) -> Floats:
    return night.over_hours(np.asarray(night.place.ring1 @ night.slot_rates), PART_SLOT_OF)


def _ring_of_all(night: Night) -> Floats:
    return _cells(np.asarray(night.place.ring1 @ night.all_rates)[:, MONTH])


FEATURES: tuple[Feature, ...] = (
    Feature("rate_7d", lambda n: _cells(n.rates[:, WEEK]), _rate),
    Feature("rate_28d", lambda n: _cells(n.rates[:, MONTH]), _rate),
    Feature("rate_90d", lambda n: _cells(n.rates[:, QUARTER]), _rate),
    Feature("rate_365d", lambda n: _cells(n.rates[:, YEAR]), _rate),
    Feature("rate_1095d", lambda n: _cells(n.rates[:, LONG]), _rate),
    Feature("ring1_7d", lambda n: _cells(n.ring1[:, WEEK]), _rate),
    Feature("ring1_28d", lambda n: _cells(n.ring1[:, MONTH]), _rate),
    Feature("ring1_90d", lambda n: _cells(n.ring1[:, QUARTER]), _rate),
    Feature("ring1_365d", lambda n: _cells(n.ring1[:, YEAR]), _rate),
    Feature("ring1_1095d", lambda n: _cells(n.ring1[:, LONG]), _rate),
    Feature("ring2_28d", lambda n: _cells(n.ring2[:, MONTH]), _rate),
    Feature("ring2_365d", lambda n: _cells(n.ring2[:, YEAR]), _rate),
    Feature("all_7d", lambda n: _cells(n.all_rates[:, WEEK]), _rate),
    Feature("all_28d", lambda n: _cells(n.all_rates[:, MONTH]), _rate),
    Feature("all_365d", lambda n: _cells(n.all_rates[:, YEAR]), _rate),
    Feature("all_1095d", lambda n: _cells(n.all_rates[:, LONG]), _rate),
    Feature("all_ring1_28d", _ring_of_all, _rate),
    Feature("trend", lambda n: _cells(_trend(n)), _ratio),
    Feature("hour_of_day", lambda n: n.over_hours(n.hour_rates, HOUR_SLOT_OF), _rate),
    Feature("hour_of_day_ring1", _ring_of_hours, _rate),
    Feature("part_of_week", lambda n: n.over_hours(n.slot_rates, PART_SLOT_OF), _rate),
    Feature("part_of_week_ring1", _ring_of_parts, _rate),
    Feature("hour_unsmoothed", lambda n: n.over_hours(n.slot_rates, HOUR_SLOT_OF), _rate),
    Feature("mixture", lambda n: n.mixture, _rate),
    Feature("own_hours", lambda n: n.own_hours, _ratio),
    Feature("own_parts", lambda n: n.own_parts, _ratio),
    Feature("own_days", lambda n: n.own_days, _ratio),
    Feature("mixture_own_hours", lambda n: n.mixture * n.own_hours, _rate),
    Feature("adapted", lambda n: _cells(n.adapted), _ratio),
    Feature("adapted_rate", lambda n: _cells(n.adapted * n.rates[:, LONG]), _rate),
    Feature("composed", lambda n: n.composed, _rate),
    Feature("reference", lambda n: n.reference, _rate),
    Feature("blend", lambda n: n.blend, _rate),
    Feature("kernel", _kernel, _rate),
    Feature("city_week_factor", lambda n: n.week_factor[None, :], _ratio),
    Feature("city_7d", lambda n: _city(n, WEEK), _ratio),
    Feature("city_28d", lambda n: _city(n, MONTH), _ratio),
    Feature("local_hour", lambda n: _over_time([t.hour for t in n.local_times]), _count),
    Feature("weekday", lambda n: _over_time([t.weekday() for t in n.local_times]), _count),
    Feature("day_of_month", lambda n: _over_time([t.day for t in n.local_times]), _count),
    Feature("month", lambda n: _over_time([t.month for t in n.local_times]), _count),
    Feature("reported_3d", lambda n: np.array([[n.shares[THREE_DAYS]]]), _share),
)
FEATURE_NAMES = tuple(feature.name for feature in FEATURES)


def _calendar(night: Night) -> Calendar:
    assert night.context.calendar is not None, "calendar features without a calendar"
    return night.context.calendar


# Only where the configuration asks for a calendar.
HOLIDAYS: tuple[Feature, ...] = (
    Feature("holiday", lambda n: _calendar(n).days(n.local_dates)[None], _count),
)
PAYDAYS: tuple[Feature, ...] = (
    Feature("since_1_or_15", lambda n: since_first_or_fifteenth(n.local_dates)[None], _count),
    Feature(
        "since_last_workday",
        lambda n: _calendar(n).since_last_workday(n.local_dates)[None],
        _count,
    ),
)
DAYLIGHT: tuple[Feature, ...] = (
    Feature("sun", lambda n: _calendar(n).sun(n.hours)[None], _degrees),
)
CALENDAR = (*HOLIDAYS, *PAYDAYS, *DAYLIGHT)

# By column of a city's tables, where its codes begin: kept with the model that learned from them.
Edges = Mapping[str, Sequence[float]]
NO_EDGES: Edges = MappingProxyType({})


def feature_names(context: Context) -> tuple[str, ...]:
    """What a model of the city sees: FEATURES, its calendar, the columns of its tables."""
    calendar = tuple(feature.name for feature in CALENDAR) if context.calendar else ()
    return (*FEATURE_NAMES, *calendar, *context.columns)


def features_of(context: Context, edges: Edges) -> tuple[Feature, ...]:
    """The features of ``feature_names``; ``edges``: of every column of the tables."""
    calendar = CALENDAR if context.calendar else ()
    columns = [
        Feature(name, partial(_column, name), partial(_coded, edges[name]))
        for name in context.columns
    ]
    return (*FEATURES, *calendar, *columns)


def _column(name: str, night: Night) -> Floats:
    table = night.context.table_of(name)
    return table.column(name, night.state.as_of, night.hours, night.spec.cells)


def _coded(edges: Sequence[float], values: Floats) -> NDArray[np.uint8]:
    codes = np.searchsorted(edges, values, side="right")
    return np.where(np.isnan(values), MISSING, codes).astype(np.uint8)


def build_features(
    night: Night,
    cells: NDArray[np.int64],
    hours: NDArray[np.int64],
    features: Sequence[Feature] = FEATURES,
) -> NDArray[np.uint8]:
    """Codes (row, feature) uint8 for rows of (cell index, hour offset from the reference time).

    Training passes a sample of a past night's rows, forecasting all of tonight's.
    """
    out = np.empty((len(cells), len(features)), np.uint8)
    for column, feature in enumerate(features):
        values = feature.values(night)
        row = cells if values.shape[0] > 1 else 0
        hour = hours if values.shape[1] > 1 else 0
        if values.size < len(cells):  # the same codes, of fewer values
            out[:, column] = feature.encode(values)[row, hour]
        else:
            out[:, column] = feature.encode(values[row, hour])
    return out


def all_rows(night: Night) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every (cell, hour) of a night, cell by cell."""
    cells = np.arange(night.spec.cells)
    hours = np.arange(len(night.hours))
    return np.repeat(cells, len(hours)), np.tile(hours, len(cells))


def night_codes(night: Night, features: Sequence[Feature] = FEATURES) -> NDArray[np.uint8]:
    """Features of every (cell, hour) of a night, cell by cell."""
    return build_features(night, *all_rows(night), features)


def start(night: Night) -> Floats:
    """(cell, hour) log of the expected count that boosting starts from: it learns corrections.

    A hot cell's correction is then learned from all cells, and not from the few that are as hot.
    """
    return np.asarray(np.log(np.maximum(night.composed, LEAST_EXPECTED)))
