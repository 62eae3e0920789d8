"""Signed incidents to counts per hour, cell and category: pure, whatever the partitioning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_COUNT = np.iinfo(np.uint16).max


@dataclass(frozen=True)
class Events:
    """Signed incidents: +1 where one became known, -1 where it was changed or retracted.

    ``hour``: (n,) int64 hours since the epoch, UTC; ``cell``: (n,) int32 index in the grid;
    ``category``: (n,) int8 index on the category axis; ``sign``: (n,) int8.
    """

    hour: NDArray[np.int64]
    cell: NDArray[np.int32]
    category: NDArray[np.int8]
    sign: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.hour)

    def __getitem__(self, rows: Any) -> Events:
        return Events(self.hour[rows], self.cell[rows], self.category[rows], self.sign[rows])


@dataclass(frozen=True)
class SparseCounts:
    """Net changes at single slots: ``hour``, ``cell``, ``category`` (n,), each slot once."""

    hour: NDArray[np.int64]
    cell: NDArray[np.int64]
    category: NDArray[np.int64]
    change: NDArray[np.int64]


def net_changes(events: Events, cells: int, categories: int) -> SparseCounts:
    """The net change of every slot that the events touch, in (hour, cell, category) order.

    Raises ValueError for an index outside its axis, which would count in another slot.
    """
    check_inside("cell", events.cell, cells)
    check_inside("category", events.category, categories)
    # int64 from the start: a flat index over decades of a city outgrows 32 bits.
    flat = (events.hour * cells + events.cell) * categories + events.category
    slots, place = np.unique(flat, return_inverse=True)
    change = np.bincount(place, weights=events.sign, minlength=len(slots)).astype(np.int64)
    touched = slots[change != 0]
    return SparseCounts(
        touched // (cells * categories),
        touched // categories % cells,
        touched % categories,
        change[change != 0],
    )


def check_inside(axis: str, index: NDArray[np.signedinteger[Any]], size: int) -> None:
    """Raise ValueError for an index outside its axis."""
    if index.size and not 0 <= index.min() <= index.max() < size:
        raise ValueError(
            f"{axis} {index.min()} to {index.max()} of an axis of {size}: drop what is outside"
        )


def checked_counts(counts: NDArray[np.int64]) -> NDArray[np.uint16]:
    """Counts as uint16. Raises ValueError on a negative one and on an overflow."""
    if counts.size and (counts.min() < 0 or counts.max() > MAX_COUNT):
        raise ValueError(
            f"a cell-hour counts {counts.min()} to {counts.max()} incidents, outside 0 to "
            f"{MAX_COUNT}: an incident was taken out that never came in, or coordinates are bogus"
        )
    return counts.astype(np.uint16)
