"""Sums of cell-hours that people plan by: a district's shift, and the whole city's hour.

A single cell and hour has next to no incidents: how far counts lie from what was expected, and
whether intervals hold, is seen on sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SHIFTS = 3  # of a day, eight hours each
FIRST_SHIFT = 6  # local hour at which the first one begins
BINS_AN_OCTAVE = 4  # of expected counts, for cell-hours that are told together


def shifts(local_hours: ArrayLike) -> Ints:
    """(hour,) the shift that each hour of a horizon falls in: 0, 1, 2 on its first day, then 3...

    ``local_hours``: (hour,) hours of the day, or of the week, by the city's clock. A day is a full
    turn of that clock from the first hour on: three shifts each, whatever hour that is, so from
    midnight the third one is the early morning and the late evening of one date. Where clocks
    change, an hour is missing from its shift, or in it twice.
    """
    hours = np.asarray(local_hours, np.int64)
    # By the clock's own steps, since on the day of a change a day has 23 or 25 hours.
    clock = np.concatenate([np.zeros(min(len(hours), 1), np.int64), np.cumsum(np.diff(hours) % 24)])
    return clock // 24 * SHIFTS + (hours - FIRST_SHIFT) % 24 // 8


def shift_sums(values: ArrayLike, district: ArrayLike, shift: ArrayLike) -> Floats:
    """(district, shift) sums of ``values`` (cell, hour).

    ``district``: (cell,) index; cells with a negative one are left out. ``shift``: (hour,), as
    ``shifts`` tells it.
    """
    v, d, s = np.asarray(values, np.float64), np.asarray(district), np.asarray(shift)
    if v.shape != (len(d), len(s)):
        raise ValueError(f"values are {v.shape}, but {len(d)} cells and {len(s)} hours have groups")
    by_shift = np.zeros((len(d), int(s.max(initial=-1)) + 1))
    np.add.at(by_shift.T, s, v.T)
    sums = np.zeros((int(d.max(initial=-1)) + 1, by_shift.shape[1]))
    np.add.at(sums, d[d >= 0], by_shift[d >= 0])
    return sums


@dataclass(frozen=True, eq=False)
class Sums:
    """Expected and counted numbers of some nights, by what is counted.

    ``district_shift`` and ``city_hour`` are (2, n): expected, then counted. ``cell_hour`` is
    (3, n): expected, counted, and how many cell-hours that stands for. Those with incidents stand
    for themselves; empty ones, nearly all, are told together where they were expected to have
    about the same.
    """

    cell_hour: Floats
    district_shift: Floats
    city_hour: Floats


def sums_of(expected: ArrayLike, counts: ArrayLike, district: ArrayLike, shift: ArrayLike) -> Sums:
    """The sums of one night. ``expected``, ``counts``: (cell, hour); the groups as in shift_sums.

    Districts without a cell have no sums.
    """
    m, n = np.asarray(expected, np.float64), np.asarray(counts, np.float64)
    if m.shape != n.shape:
        raise ValueError(f"expected is {m.shape}, counts {n.shape}: both must be (cell, hour)")
    has_cells = np.unique(np.asarray(district)[np.asarray(district) >= 0])
    by_shift = [shift_sums(values, district, shift)[has_cells].ravel() for values in (m, n)]
    return Sums(
        cell_hour=_cell_hours(m, n),
        district_shift=np.stack(by_shift),
        city_hour=np.stack([m.sum(axis=0), n.sum(axis=0)]),
    )


def _cell_hours(m: Floats, n: Floats) -> Floats:
    some, empty = n > 0, m[n == 0]
    bins = np.floor(BINS_AN_OCTAVE * np.log2(np.maximum(empty, 1e-12)))
    _, place, number = np.unique(bins, return_inverse=True, return_counts=True)
    mean = np.bincount(place, empty, minlength=len(number)) / number
    alone = np.stack([m[some], n[some], np.ones(int(some.sum()))])
    together = np.stack([mean, np.zeros(len(number)), number.astype(np.float64)])
    return np.concatenate([alone, together], axis=1)


def joined(nights: Sequence[Sums]) -> Sums:
    """The sums of several nights as one."""
    return Sums(
        cell_hour=np.concatenate([night.cell_hour for night in nights], axis=1),
        district_shift=np.concatenate([night.district_shift for night in nights], axis=1),
        city_hour=np.concatenate([night.city_hour for night in nights], axis=1),
    )
