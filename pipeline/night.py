"""A night as it could be seen at its cutoff: rates, rings, calendar, and the two plain forecasts.

A ``Night`` holds the state at the cutoff and the calendar of the hours ahead, and no count of any
of them: whatever is computed from it can only use what was known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from grids.clock import EPOCH, HOUR
from grids.counts import Events
from grids.hexgrid import HexGrid
from grids.hours import HourRange
from pipeline.clocks import own_clock, smoothed, week_factors
from pipeline.context.context import NOTHING, Context
from pipeline.delay import exposures, reported_share
from pipeline.drift import adapted
from pipeline.season import at_decayed, at_hours, seasons
from pipeline.silver import Arrivals
from pipeline.state import (
    DAY_SLOT_OF,
    HALF_LIVES,
    HOUR_SLOT_OF,
    HOUR_SLOTS,
    PART_SLOT_OF,
    SLOT_HALF_LIVES,
    Floats,
    State,
    StateSpec,
    age_of_data,
)

WEEK, MONTH, QUARTER, YEAR, LONG = range(5)  # half-lives of 7, 28, 90, 365 and 1,095 days
HALF_YEAR, LONG_SLOT = range(2)  # half-lives of slots, 180 and 1,095 days
PARENT_STEPS = 2  # H3 resolutions up
RECENT_DAYS = 63  # how far back single incidents are looked at
REFERENCE_SHARE = 0.03
UNIFORM_SHARE = 0.01  # keeps a cell without history from an infinite loss


@dataclass(frozen=True, eq=False)
class Place:
    """The grid's neighbourhoods: means over the cells one and two steps away.

    ``metres``: (cell, 2) where the cells' centres are, metres east and north of the middle.
    ``parent``: (cell,) index of the H3 cell two resolutions up, about 49 cells to one.
    """

    ring1: csr_array
    ring2: csr_array
    metres: Floats
    parent: NDArray[np.int64]

    @classmethod
    def of(cls, grid: HexGrid) -> Place:
        """The rings of every cell of ``grid``."""
        return cls(grid.ring(1), grid.ring(2), grid.metres, grid.parents(PARENT_STEPS)[1])


@dataclass(frozen=True)
class Night:
    """One cutoff and one target: the state as known then, and the hours to forecast.

    ``news``: what became known in the last RECENT_DAYS, for those who look at single incidents.
    ``members``: indices on the category axis that the target sums. Rates are incidents per hour.
    ``context``: what is not incidents; ask it for what was known at ``state.as_of`` only.
    """

    state: State
    news: Arrivals
    spec: StateSpec
    place: Place
    hours: HourRange
    members: tuple[int, ...]
    context: Context = NOTHING

    @cached_property
    def recent(self) -> Events:
        """The target's incidents of the last RECENT_DAYS, as known: changes as plus and minus."""
        events = self.news.events
        first = (self.state.as_of - EPOCH) / HOUR - 24 * RECENT_DAYS
        return events[(events.hour >= first) & np.isin(events.category, self.members)]

    @cached_property
    def shares(self) -> Floats:
        """(edge,) shares reported by age, as estimated at the cutoff."""
        return reported_share(self.state.delay, self.state.as_of)

    @cached_property
    def _exposure(self) -> Floats:
        age = age_of_data(self.state, self.spec) / HOUR
        return exposures(self.shares, np.append(HALF_LIVES, SLOT_HALF_LIVES), age)

    @cached_property
    def _reported(self) -> Floats:
        """(half-life,) what reporting delay leaves of the slots' exposure."""
        age = age_of_data(self.state, self.spec) / HOUR
        full = exposures(np.ones_like(self.shares), SLOT_HALF_LIVES, age)
        return np.asarray(self._exposure[-len(full) :] / full)

    @cached_property
    def rates(self) -> Floats:
        """(cell, half-life) the target's rate, per hour."""
        return np.asarray(
            self.state.rate[:, self.members].sum(axis=1) / self._exposure[: len(HALF_LIVES)]
        )

    @cached_property
    def season(self) -> Floats:
        """(half-life,) the season of the hours ahead against that of the incidents in the rates."""
        began, now = self.spec.started, self.state.as_of
        of_year = seasons(self.state.daily, self.members, self.shares, began, now)
        then = at_decayed(of_year, self.shares, HALF_LIVES, began, now)
        return np.asarray(at_hours(of_year, self.hours.values) / then)

    @cached_property
    def adapted(self) -> Floats:
        """(cell,) how far the target's rate has moved from the long-run one, as a factor.

        From the three years to the year, the quarter, the month and the week, each brought to the
        season of the hours ahead.
        """
        places = (np.zeros(len(self.rates), np.int64), self.place.parent)
        steps = [YEAR, QUARTER, MONTH, WEEK]
        rates, exposure = self.rates * self.season, self._exposure[:LONG] / self.season[:LONG]
        moved = adapted(rates[:, LONG], rates[:, steps], exposure[steps], places)
        return np.asarray(self.season[LONG] * moved)

    @cached_property
    def all_rates(self) -> Floats:
        """(cell, half-life) rate of all categories together, per hour."""
        return np.asarray(self.state.rate.sum(axis=1) / self._exposure[: len(HALF_LIVES)])

    @cached_property
    def slot_rates(self) -> Floats:
        """(cell, slot) the target's rate in each local hour of day and part of week, per hour."""
        return self.slot_counts / self._slot_hours(LONG_SLOT)

    def _slot_hours(self, half_life: int) -> Floats:
        exposure = self.state.slot_exposure[:, half_life] * self._reported[half_life]
        return np.asarray(np.maximum(exposure, 1e-9))

    def _slot_counts(self, half_life: int) -> Floats:
        return np.asarray(self.state.slot[half_life][:, self.members].sum(axis=1))

    @cached_property
    def hour_rates(self) -> Floats:
        """(cell, hour of day) smoothed over three hours with weights 1, 2, 1."""
        return smoothed(self.slot_rates[:, :HOUR_SLOTS])

    @cached_property
    def of_week(self) -> NDArray[np.int64]:
        """(hour,) local hours of the week of the hours ahead."""
        return self.hours.hours_of_week(self.spec.zone).astype(np.int64)

    @cached_property
    def week_factors(self) -> Floats:
        """(hour of week,) the city's hour of week against its mean, 1 where nothing is known."""
        counts = self.state.week[:, self.members].sum(axis=1)
        return week_factors(counts, self.state.week_exposure)

    @cached_property
    def week_factor(self) -> Floats:
        """(hour,) the factors of the hours ahead."""
        return self.week_factors[self.of_week]

    @cached_property
    def _group_rates(self) -> Floats:
        """(cell, group) long-run rates of the target's groups, per hour."""
        return np.asarray(self.state.rate[:, self.members, LONG] / self._exposure[LONG])

    @cached_property
    def _group_clocks(self) -> Floats:
        """(group, hour of week) the city's clock of each of the target's groups.

        A cell of bars and one of offices differ in what happens there, and so in when.
        """
        week, exposure = self.state.week, self.state.week_exposure
        return np.array([week_factors(week[:, member], exposure) for member in self.members])

    @cached_property
    def mixture(self) -> Floats:
        """(cell, hour) expected count: every group's long-run rate x its own hour of week."""
        return self._group_rates @ self._group_clocks[:, self.of_week]

    @cached_property
    def composed(self) -> Floats:
        """(cell, hour) expected count from all that is known of a cell: what, when, and lately.

        With as much of the reference as keeps every cell above nothing.
        """
        known = self.mixture * self.own_hours * self.adapted[:, None]
        return np.asarray((1 - REFERENCE_SHARE) * known + REFERENCE_SHARE * self.reference)

    @cached_property
    def slot_counts(self) -> Floats:
        """(cell, slot) decayed numbers of the target's incidents."""
        return self._slot_counts(LONG_SLOT)

    @cached_property
    def own_hours(self) -> Floats:
        """(cell, hour) the cell's own hours of day against the mixture, smoothed."""
        return self._own_clock(HOUR_SLOT_OF, 1.0, smooth=True)

    @cached_property
    def own_parts(self) -> Floats:
        """(cell, hour) the cell's own parts of the week against the mixture."""
        return self._own_clock(PART_SLOT_OF, 2.0, smooth=False)

    @cached_property
    def own_days(self) -> Floats:
        """(cell, hour) the cell's own days of the week against the mixture."""
        return self._own_clock(DAY_SLOT_OF, 3.0, smooth=False)

    def _own_clock(self, slot_of: NDArray[np.int64], prior: float, smooth: bool) -> Floats:
        slots = np.unique(slot_of)
        at = np.searchsorted(slots, slot_of)
        exposure = self.state.slot_exposure[slots, LONG_SLOT]
        usual = self._group_rates, self._group_clocks
        ratio = own_clock(self.slot_counts[:, slots], *usual, at, exposure, prior, smooth)
        return ratio[:, at[self.of_week]]

    @cached_property
    def ring1(self) -> Floats:
        """(cell, half-life) mean rate of the cells one step away."""
        return np.asarray(self.place.ring1 @ self.rates)

    @cached_property
    def ring2(self) -> Floats:
        """(cell, half-life) mean rate of the cells two steps away."""
        return np.asarray(self.place.ring2 @ self.rates)

    def over_hours(self, slots: Floats, slot_of: NDArray[np.int64]) -> Floats:
        """(cell, hour) from (cell, slot): every hour ahead takes its slot's value."""
        return slots[:, slot_of[self.of_week]]

    @cached_property
    def reference(self) -> Floats:
        """(cell, hour) expected count: 365-day rate with 1 % uniform x the city's hour of week."""
        yearly = self.rates[:, YEAR]
        base = (1 - UNIFORM_SHARE) * yearly + UNIFORM_SHARE * yearly.mean()
        return np.asarray(base[:, None] * self.week_factor)

    @cached_property
    def blend(self) -> Floats:
        """(cell, hour) expected count: 0.7 reference + 0.3 the cell's own hours of half a year."""
        rates = self._slot_counts(HALF_YEAR) / self._slot_hours(HALF_YEAR)
        hours = smoothed(rates[:, :HOUR_SLOTS])
        return 0.7 * self.reference + 0.3 * self.over_hours(hours, HOUR_SLOT_OF)

    @cached_property
    def local_times(self) -> list[datetime]:
        """(hour,) local starts of the hours ahead."""
        return list(self.hours.times.tz_convert(self.spec.zone).to_pydatetime())

    @cached_property
    def local_dates(self) -> list[date]:
        """(hour,) local dates of the hours ahead."""
        return [at.date() for at in self.local_times]
