"""Past nights played again as they could be seen then: rows to learn from, nights to be scored on.

Nights are cut into blocks, each with the state at its start and what became known in it, so that
blocks run in parallel and in any order. The split is over time, never over space: rings need the
whole cell axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from grids.counts import Events, SparseCounts, net_changes
from grids.hours import EPOCH, HOUR, HourRange, horizon
from pipeline.features import all_rows, build_features
from pipeline.night import Night, Place
from pipeline.silver import Arrivals
from pipeline.state import State, StateSpec, advance, empty_state

BLOCK_NIGHTS = 56


@dataclass(frozen=True)
class City:
    """What every night of a city shares. ``cell_keys``: (cell,) uint64 H3 ids, for sampling."""

    spec: StateSpec
    place: Place
    cell_keys: NDArray[np.uint64]
    horizon_days: int

    def hours_ahead(self, cutoff: datetime) -> HourRange:
        """The hours that a forecast made at ``cutoff`` is for."""
        return horizon(cutoff, self.spec.zone, self.horizon_days)


@dataclass(frozen=True)
class Block:
    """Consecutive nights: the state before the first, what became known up to the last, and the
    counts of their hours as known when the model is made."""

    nights: tuple[datetime, ...]
    state: State
    arrivals: Arrivals
    labels: SparseCounts


@dataclass(frozen=True)
class Rows:
    """``codes`` (row, feature) uint8; ``counts`` and ``weights`` (row,) float32, of ``nights``."""

    codes: NDArray[np.uint8]
    counts: NDArray[np.float32]
    weights: NDArray[np.float32]
    nights: int


def cut_blocks(city: City, arrivals: Arrivals, nights: Sequence[datetime]) -> list[Block]:
    """Blocks of ``nights``. ``arrivals``: all that is known when the model is made."""
    starts = list(range(0, len(nights), BLOCK_NIGHTS))
    groups = [tuple(nights[at : at + BLOCK_NIGHTS]) for at in starts]
    state = empty_state(city.spec)
    blocks: list[Block] = []
    for group in groups:
        before = arrivals.after(state.as_of) if blocks else arrivals
        state = advance(state, before.until(group[0]), group[0], city.spec)
        inside = arrivals.after(group[0]).until(group[-1])
        blocks.append(Block(group, state, inside, _labels(city, arrivals.events, group)))
    return blocks


def _labels(city: City, events: Events, nights: tuple[datetime, ...]) -> SparseCounts:
    first, last = city.hours_ahead(nights[0]), city.hours_ahead(nights[-1])
    inside = np.flatnonzero((events.hour >= first.start) & (events.hour < last.stop))
    chosen = Events(
        events.hour[inside], events.cell[inside], events.category[inside], events.sign[inside]
    )
    return net_changes(chosen, city.spec.cells, city.spec.categories)


def nights_of(city: City, block: Block, members: tuple[int, ...]) -> Iterator[Night]:
    """Every night of the block as it could be seen at its cutoff."""
    state = block.state
    yield Night(state, city.spec, city.place, city.hours_ahead(block.nights[0]), members)
    for before, cutoff in pairwise(block.nights):
        news = block.arrivals.after(before).until(cutoff)
        state = advance(state, news, cutoff, city.spec)
        yield Night(state, city.spec, city.place, city.hours_ahead(cutoff), members)


def counts_of(night: Night, labels: SparseCounts) -> NDArray[np.int64]:
    """(cell, hour) counts of the target in the night's hours, as in ``labels``."""
    low, high = np.searchsorted(labels.hour, [night.hours.start, night.hours.stop])
    chosen = np.isin(labels.category[low:high], night.members)
    counts = np.zeros((night.spec.cells, len(night.hours)), np.int64)
    at = labels.cell[low:high][chosen], labels.hour[low:high][chosen] - night.hours.start
    np.add.at(counts, at, labels.change[low:high][chosen])
    return counts


def training_rows(city: City, block: Block, members: tuple[int, ...], empty_share: float) -> Rows:
    """All cell-hours with an incident, and a share of the empty ones with weight 1 / share.

    Expectations, and so calibration and the log score, stay those of all cell-hours. Which empty
    ones are taken hangs on cell and hour alone, so that it is the same in every run and split.
    """
    parts = []
    for night in nights_of(city, block, members):
        counts = counts_of(night, block.labels)
        chosen = sampled(city.cell_keys, night.hours, empty_share) | (counts > 0)
        cells, hours = np.nonzero(chosen)
        label = counts[cells, hours].astype(np.float32)
        weight = np.where(label > 0, 1.0, 1.0 / empty_share).astype(np.float32)
        parts.append((build_features(night, cells, hours), label, weight))
    codes, labels, weights = zip(*parts, strict=True)
    joined = (np.concatenate(codes), np.concatenate(labels), np.concatenate(weights))
    return Rows(*joined, nights=len(block.nights))


def sampled(cell_keys: NDArray[np.uint64], hours: HourRange, share: float) -> NDArray[np.bool_]:
    """(cell, hour) mask that takes ``share`` of all cell-hours by a hash (SplitMix64's finaliser).

    Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
    """
    golden = np.uint64(0x9E3779B97F4A7C15)
    key = cell_keys[:, None] + golden * hours.values.astype(np.uint64)[None, :]
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    key ^= key >> np.uint64(31)
    return np.asarray(key <= np.uint64(min(int(share * 2.0**64), 2**64 - 1)))


def mature_nights(
    city: City, nights: Sequence[datetime], cutoff: datetime, wait: timedelta
) -> list[datetime]:
    """Nights whose last hour is at least ``wait`` old at ``cutoff``: their labels are in."""
    return [at for at in nights if EPOCH + city.hours_ahead(at).stop * HOUR + wait <= cutoff]


def night_codes(night: Night) -> NDArray[np.uint8]:
    """Features of every (cell, hour) of a night, cell by cell."""
    return build_features(night, *all_rows(night))
