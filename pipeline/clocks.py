"""When incidents happen: the city's hours of the week, and a cell's own against them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from grids.hours import HOURS_OF_WEEK
from pipeline.state import Floats


def week_factors(counts: Floats, exposure: Floats) -> Floats:
    """(hour of week,) rate against its mean, 1 where nothing is known.

    ``counts``, ``exposure``: (hour of week,) decayed incidents, and hours of the week seen.
    """
    if counts.sum() <= 0 or exposure.sum() <= 0:
        return np.ones(HOURS_OF_WEEK)
    mean = counts.sum() / exposure.sum()
    # One week's worth of the mean keeps an hour of week that has not occurred yet at 1.
    return np.asarray((counts + mean) / (exposure + 1.0) / mean)


def own_clock(
    counts: Floats,
    rates: Floats,
    clocks: Floats,
    at: NDArray[np.int64],
    exposure: Floats,
    prior: float,
    smooth: bool,
) -> Floats:
    """(cell, slot) how much of a cell's incidents fall into a slot, against what is expected.

    ``counts``: (cell, slot) decayed incidents; ``rates`` (cell, group) x ``clocks`` (group, hour of
    week): what is expected; ``at``: (hour of week,) its slot; ``exposure``: (slot,) hours seen.
    Drawn to 1 as by ``prior`` incidents; ``smooth``: over three slots with weights 1, 2, 1.
    """
    members = np.equal.outer(at, np.arange(len(exposure))) / np.bincount(at)
    share = rates @ (clocks @ (members * exposure))
    total = counts.sum(axis=1) + 0.5
    expected = share * (total / (share.sum(axis=1) + 1e-12))[:, None]
    if smooth:
        counts, expected = smoothed(counts), smoothed(expected)
    return np.asarray((counts + prior) / (expected + prior))


def smoothed(slots: Floats) -> Floats:
    """(cell, slot) each with its neighbours round the clock, with weights 1, 2, 1."""
    before, after = np.roll(slots, 1, axis=1), np.roll(slots, -1, axis=1)
    return np.asarray((before + 2 * slots + after) / 4)
