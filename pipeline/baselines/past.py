"""Past nights to choose a baseline's parameters on: what was seen, and what then happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.baselines.mixture import Evidence
from pipeline.baselines.parts import Parts
from pipeline.night import Night
from pipeline.replay import Block, City, counts_of, nights_of
from pipeline.state import State

NEWEST = 91  # nights: enough to choose a few numbers by, and as many of each weekday


@dataclass(frozen=True)
class PastNight:
    """A night without its slots, which only fixed baselines look at, and where incidents fell.

    ``cell``, ``hour`` (slot,): the night's cell-hours with incidents; ``count``: how many.
    """

    night: Night
    cell: NDArray[np.int64]
    hour: NDArray[np.int64]
    count: NDArray[np.int64]


def past_nights(
    city: City, blocks: Sequence[Block], members: tuple[int, ...], newest: int = NEWEST
) -> list[PastNight]:
    """The ``newest`` nights of the blocks, replayed once for all baselines that choose on them."""
    past: list[PastNight] = []
    for block in reversed(blocks):
        skip = max(0, len(block.nights) - (newest - len(past)))
        if skip < len(block.nights):
            replayed = enumerate(nights_of(city, block, members))
            past = [_past(night, block) for at, night in replayed if at >= skip] + past
    return past


def _past(night: Night, block: Block) -> PastNight:
    counts = counts_of(night, block.labels)
    cell, hour = np.nonzero(counts > 0)
    light = replace(night, state=_without_slots(night.state))
    return PastNight(light, cell, hour, counts[cell, hour])


def _without_slots(state: State) -> State:
    """Slots are most of a state's memory, and ninety states are held at once."""
    slot, count = state.slot[..., :0].copy(), state.slot_count[..., :0].copy()
    return replace(state, slot=slot, slot_count=count)  # a view would keep the whole alive


def evidence(past: Sequence[PastNight], parts_of: Callable[[Night], Parts]) -> Evidence:
    """What each part of a mixture expected of the past nights, each from what was known then."""
    parts = [parts_of(one.night) for one in past]
    at = [part.at(one.cell, one.hour) for part, one in zip(parts, past, strict=True)]
    totals = np.sum([part.totals for part in parts], axis=0)
    count = np.concatenate([one.count for one in past]).astype(np.float64)
    return Evidence(np.concatenate(at), count, totals)
