"""Past nights played again as they could be seen then, to learn from and to be scored on.

Nights are cut into blocks, each with the state at its start and what became known in it, so that
blocks run in parallel and in any order. The split is over time, never over space: rings need the
whole cell axis.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from grids.clock import EPOCH, HOUR
from grids.counts import Events, SparseCounts, net_changes
from grids.hours import HourRange, horizon
from pipeline.context.context import NOTHING, Context
from pipeline.night import RECENT_DAYS, Night, Place
from pipeline.silver import Arrivals
from pipeline.state import State, StateSpec, advance, empty_state

BLOCK_NIGHTS = 56
RECENT = timedelta(days=RECENT_DAYS)


@dataclass(frozen=True)
class City:
    """What every night of a city shares. ``cell_keys``: (cell,) uint64 H3 ids, for sampling."""

    spec: StateSpec
    place: Place
    cell_keys: NDArray[np.uint64]
    horizon_days: int
    context: Context = NOTHING

    def hours_ahead(self, cutoff: datetime) -> HourRange:
        """The hours that a forecast made at ``cutoff`` is for."""
        return horizon(cutoff, self.spec.zone, self.horizon_days)


@dataclass(frozen=True)
class Block:
    """Consecutive nights: the state at the first, what became known up to the last, and the counts
    of their hours as known when the model is made.

    ``arrivals`` begin RECENT_DAYS before the first night, whose news they are.
    """

    nights: tuple[datetime, ...]
    state: State
    arrivals: Arrivals
    labels: SparseCounts


def cut_blocks(
    city: City, arrivals: Arrivals, nights: Sequence[datetime], size: int = BLOCK_NIGHTS
) -> list[Block]:
    """Blocks of ``size`` nights. ``arrivals``: all that is known when the model is made."""
    groups = (tuple(nights[at : at + size]) for at in range(0, len(nights), size))
    return list(blocks_of(city, arrivals, groups))


def blocks_of(
    city: City, arrivals: Arrivals, groups: Iterable[tuple[datetime, ...]]
) -> Iterator[Block]:
    """A block of each group of nights, one after the other; groups and nights in order."""
    state, before = empty_state(city.spec), arrivals
    for group in groups:
        state = advance(state, before.until(group[0]), group[0], city.spec)
        before = arrivals.after(group[0])
        inside = arrivals.after(group[0] - RECENT).until(group[-1])
        yield Block(group, state, inside, _labels(city, arrivals.events, group))


def _labels(city: City, events: Events, nights: tuple[datetime, ...]) -> SparseCounts:
    first, last = city.hours_ahead(nights[0]), city.hours_ahead(nights[-1])
    inside = np.flatnonzero((events.hour >= first.start) & (events.hour < last.stop))
    return net_changes(events[inside], city.spec.cells, city.spec.categories)


def nights_of(city: City, block: Block, members: tuple[int, ...]) -> Iterator[Night]:
    """Every night of the block as it could be seen at its cutoff."""
    yield night_at(city, block.state, block.arrivals, members)
    state = block.state
    for before, cutoff in pairwise(block.nights):
        state = advance(state, block.arrivals.after(before).until(cutoff), cutoff, city.spec)
        yield night_at(city, state, block.arrivals, members)


def night_at(city: City, state: State, arrivals: Arrivals, members: tuple[int, ...]) -> Night:
    """The night of a state; of ``arrivals`` it sees what became known in the RECENT days before."""
    news = arrivals.after(state.as_of - RECENT).until(state.as_of)
    hours = city.hours_ahead(state.as_of)
    return Night(state, news, city.spec, city.place, hours, members, city.context)


def counts_of(night: Night, labels: SparseCounts) -> NDArray[np.int64]:
    """(cell, hour) counts of the target in the night's hours, as in ``labels``."""
    low, high = np.searchsorted(labels.hour, [night.hours.start, night.hours.stop])
    chosen = np.isin(labels.category[low:high], night.members)
    counts = np.zeros((night.spec.cells, len(night.hours)), np.int64)
    at = labels.cell[low:high][chosen], labels.hour[low:high][chosen] - night.hours.start
    np.add.at(counts, at, labels.change[low:high][chosen])
    return counts


def mature_nights(
    city: City, nights: Sequence[datetime], cutoff: datetime, wait: timedelta
) -> list[datetime]:
    """Nights whose last hour is at least ``wait`` old at ``cutoff``: their labels are in."""
    return [at for at in nights if EPOCH + city.hours_ahead(at).stop * HOUR + wait <= cutoff]
