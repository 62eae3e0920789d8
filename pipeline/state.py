"""The city's memory: decayed sums of incidents as they were known, moved on one night at a time.

When an incident becomes known, ``0.5 ** (age / half-life)`` is added to its slots; a retraction
takes the same out; time passing multiplies everything. The state is linear in the arrivals, so a
night costs what became known that night and nothing of history. Next to every sum stands the
integer number of incidents in it: where that is 0 the sum is set to exactly 0, since what floating
point leaves after a retraction would otherwise look like a trace of an incident.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from grids.clock import EPOCH, HOUR
from grids.hours import HOURS_OF_WEEK, HourRange, hours_of_week, hours_to_times
from pipeline.delay import DELAY_DAYS, DELAY_EDGES, count_delays
from pipeline.season import SEASON_DAYS, count_days
from pipeline.silver import Arrivals

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HALF_LIVES = 24.0 * np.array([7.0, 28.0, 90.0, 365.0, 1095.0])  # hours
SLOT_HALF_LIVES = 24.0 * np.array([180.0, 1095.0])
WEEK_HALF_LIFE = 24.0 * 365

# A cell's slots: the 24 hours of the day, 4 parts of the day on weekdays and on weekends, 7 days.
HOUR_SLOTS = 24
PART_SLOTS = 8
DAY_SLOTS = 7
SLOTS = HOUR_SLOTS + PART_SLOTS + DAY_SLOTS
_WEEK = np.arange(HOURS_OF_WEEK)
HOUR_SLOT_OF = _WEEK % 24
PART_SLOT_OF = HOUR_SLOTS + (_WEEK % 24) // 6 + 4 * (_WEEK // 24 >= 5)
DAY_SLOT_OF = HOUR_SLOTS + PART_SLOTS + _WEEK // 24
SLOTS_OF = (HOUR_SLOT_OF, PART_SLOT_OF, DAY_SLOT_OF)


# Names what is kept: sums of another form are of no use.
STATE_FORM = hashlib.sha256(
    repr(
        [HALF_LIVES, SLOT_HALF_LIVES, WEEK_HALF_LIFE, SLOTS, DELAY_DAYS, DELAY_EDGES, SEASON_DAYS]
    ).encode()
).hexdigest()[:12]


@dataclass(frozen=True)
class StateSpec:
    """The frozen axes of a state: cells, categories, the first hour of the data, the clock."""

    cells: int
    categories: int
    start: int
    zone: ZoneInfo

    @property
    def started(self) -> datetime:
        """The first instant of the data, UTC."""
        return EPOCH + self.start * HOUR


@dataclass(frozen=True)
class State:
    """Everything that features and baselines know, as known at ``as_of`` (aware, UTC).

    ``rate`` (cell, category, half-life), ``slot`` (half-life, cell, category, slot) and ``week``
    (hour of week, category): decayed numbers of incidents; ``*_count``: how many incidents are in
    them. ``slot_exposure`` (slot, half-life) and ``week_exposure`` (hour of week,): decayed numbers
    of times that this local hour occurred, so that days of 23 and 25 hours come out right.
    ``delay`` (day modulo DELAY_DAYS, age bin): incidents by day of occurrence and delay of the
    first report. ``daily`` (day modulo SEASON_DAYS, category): incidents by day of occurrence.
    """

    as_of: datetime
    rate: Floats
    rate_count: Ints
    slot: Floats
    slot_count: Ints
    week: Floats
    week_count: Ints
    slot_exposure: Floats
    week_exposure: Floats
    delay: Ints
    daily: Ints

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The arrays by name, to store or compare."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "as_of"}

    @property
    def incidents(self) -> int:
        """How many incidents the state holds."""
        return int(self.rate_count.sum())


def empty_state(spec: StateSpec) -> State:
    """Nothing known, at the first hour of the data."""
    cells, kinds = spec.cells, spec.categories
    return State(
        as_of=spec.started,
        rate=np.zeros((cells, kinds, len(HALF_LIVES))),
        rate_count=np.zeros((cells, kinds), np.int64),
        slot=np.zeros((len(SLOT_HALF_LIVES), cells, kinds, SLOTS)),
        slot_count=np.zeros((cells, kinds, SLOTS), np.int64),
        week=np.zeros((HOURS_OF_WEEK, kinds)),
        week_count=np.zeros((HOURS_OF_WEEK, kinds), np.int64),
        slot_exposure=np.zeros((SLOTS, len(SLOT_HALF_LIVES))),
        week_exposure=np.zeros(HOURS_OF_WEEK),
        delay=np.zeros((DELAY_DAYS, len(DELAY_EDGES) + 1), np.int64),
        daily=np.zeros((SEASON_DAYS, kinds), np.int64),
    )


def advance(state: State, arrivals: Arrivals, cutoff: datetime, spec: StateSpec) -> State:
    """The state at ``cutoff``, given exactly what became known in ``(state.as_of, cutoff]``.

    One step over many nights gives the same as many steps, within rounding.
    """
    if cutoff < state.as_of:
        raise ValueError(f"the state is of {state.as_of}, it cannot go back to {cutoff}")
    elapsed = (cutoff - state.as_of) / HOUR
    now = (cutoff - EPOCH) / HOUR
    events = arrivals.events
    age = np.asarray(now - events.hour, np.float64)
    of_week = _hours_of_week(events.hour, spec.zone)
    place = events.cell.astype(np.int64) * spec.categories + events.category
    sign = events.sign.astype(np.float64)

    rate_count = state.rate_count + _tally(place, sign, state.rate_count)
    rate = state.rate * 0.5 ** (elapsed / HALF_LIVES)
    for i, half_life in enumerate(HALF_LIVES):
        rate[..., i] += _tally(place, sign * 0.5 ** (age / half_life), rate[..., i])
    rate[rate_count == 0] = 0.0

    slot, slot_count = _advance_slots(state, place, of_week, sign, age, elapsed)
    kind = of_week.astype(np.int64) * spec.categories + events.category
    week_count = state.week_count + _tally(kind, sign, state.week_count)
    week = state.week * 0.5 ** (elapsed / WEEK_HALF_LIFE)
    week += _tally(kind, sign * 0.5 ** (age / WEEK_HALF_LIFE), week)
    week[week_count == 0] = 0.0
    slot_exposure, week_exposure = _advance_exposure(state, cutoff, spec.zone)
    return State(
        as_of=cutoff,
        rate=rate,
        rate_count=rate_count.astype(np.int64),
        slot=slot,
        slot_count=slot_count,
        week=week,
        week_count=week_count.astype(np.int64),
        slot_exposure=slot_exposure,
        week_exposure=week_exposure,
        delay=count_delays(state.delay, arrivals, state.as_of, cutoff),
        daily=count_days(state.daily, arrivals, state.as_of, cutoff),
    )


def _tally(place: Ints, weight: Floats, like: NDArray[np.generic]) -> Floats:
    """Sums of the weights per place, in the order of the events, in the shape of ``like``."""
    tally = np.bincount(place, weight, minlength=like.size)
    return np.asarray(tally.reshape(like.shape), np.float64)


def _advance_slots(
    state: State, place: Ints, of_week: Ints, sign: Floats, age: Floats, elapsed: float
) -> tuple[Floats, Ints]:
    slot, count = state.slot.copy(), state.slot_count.copy()
    slot *= 0.5 ** (elapsed / SLOT_HALF_LIVES)[:, None, None, None]
    weights = [sign * 0.5 ** (age / half_life) for half_life in SLOT_HALF_LIVES]
    for slot_of in SLOTS_OF:
        touched, where = _touched(place * SLOTS + slot_of[of_week], count.size)
        changes = np.bincount(where, sign, minlength=len(touched)).astype(np.int64)
        count.reshape(-1)[touched] += changes
        emptied = touched[count.reshape(-1)[touched] == 0]
        for sums, weight in zip(slot.reshape(len(slot), -1), weights, strict=True):
            sums[touched] += np.bincount(where, weight, minlength=len(touched))
            sums[emptied] = 0.0
    return slot, count


def _touched(at: Ints, size: int) -> tuple[Ints, Ints]:
    """The slots, in order, that any of ``at`` is, and which of them each is.

    To sort a night's few is quickest; of years, to mark all that are touched.
    """
    if len(at) * 16 < size:
        return np.unique(at, return_inverse=True)
    marked = np.zeros(size, bool)
    marked[at] = True
    return np.flatnonzero(marked), (marked.cumsum() - 1)[at]


def _advance_exposure(state: State, cutoff: datetime, zone: ZoneInfo) -> tuple[Floats, Floats]:
    """Add the whole hours between the two instants; a cutoff within an hour leaves it for later."""
    hours = HourRange((state.as_of - EPOCH) // HOUR, (cutoff - EPOCH) // HOUR)
    of_week = hours.hours_of_week(zone)
    age = (cutoff - EPOCH) / HOUR - hours.values
    elapsed = (cutoff - state.as_of) / HOUR
    slots = state.slot_exposure * 0.5 ** (elapsed / SLOT_HALF_LIVES)
    for i, half_life in enumerate(SLOT_HALF_LIVES):
        for slot_of in SLOTS_OF:
            weight = 0.5 ** (age / half_life)
            slots[:, i] += np.bincount(slot_of[of_week], weight, minlength=SLOTS)
    weeks = state.week_exposure * 0.5 ** (elapsed / WEEK_HALF_LIFE)
    weight = 0.5 ** (age / WEEK_HALF_LIFE)
    return slots, weeks + np.bincount(of_week, weight, minlength=HOURS_OF_WEEK)


def _hours_of_week(hours: Ints, zone: ZoneInfo) -> Ints:
    unique, place = np.unique(hours, return_inverse=True)
    return hours_of_week(hours_to_times(unique), zone).astype(np.int64)[place]


def age_of_data(state: State, spec: StateSpec) -> timedelta:
    """How long the data had run at the state's cutoff."""
    return state.as_of - spec.started
