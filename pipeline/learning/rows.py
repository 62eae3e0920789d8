"""Rows to learn from: every cell-hour with an incident, and some empty ones for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grids.hours import HourRange
from pipeline.learning.features import NO_EDGES, Edges, build_features, features_of, start
from pipeline.night import Night
from pipeline.replay import Block, City, counts_of, nights_of
from pipeline.state import Floats

EVEN = 0.25  # of the empty cell-hours that are taken, which share is taken anywhere
EMPTY_PER_INCIDENT = (4.0, 20.0)  # fewer blur what is learned, more cost time and add nothing


@dataclass(frozen=True)
class Rows:
    """``codes`` (row, feature) uint8; ``counts``, ``weights`` and ``starts`` (row,) float32.

    ``starts``: the log of the expected count that boosting starts from. ``nights``: how many.
    """

    codes: NDArray[np.uint8]
    counts: NDArray[np.float32]
    weights: NDArray[np.float32]
    starts: NDArray[np.float32]
    nights: int


def empty_per_incident(incidents: int, empty_rows: int) -> float:
    """How many empty cell-hours are taken for each incident, so that they are ``empty_rows``."""
    least, most = EMPTY_PER_INCIDENT
    return min(max(empty_rows / max(incidents, 1), least), most)


def training_rows(
    city: City,
    block: Block,
    members: tuple[int, ...],
    empty_per_incident: float,
    edges: Edges = NO_EDGES,
) -> Rows:
    """All cell-hours with an incident, and a share of the empty ones with weight 1 / share.

    Expectations, and so calibration and the log score, stay those of all cell-hours. ``edges``: of
    the codes of the city's tables.
    """
    return joined(rows_by_night(city, block, members, empty_per_incident, edges))


def rows_by_night(
    city: City,
    block: Block,
    members: tuple[int, ...],
    empty_per_incident: float,
    edges: Edges = NO_EDGES,
) -> list[Rows]:
    """The same, night by night."""
    parts, features = [], features_of(city.context, edges)
    for night in nights_of(city, block, members):
        counts = counts_of(night, block.labels)
        share = sampling_shares(night, empty_per_incident)
        chosen = sampled(city.cell_keys, night.hours, share) | (counts > 0)
        cells, hours = np.nonzero(chosen)
        label = counts[cells, hours].astype(np.float32)
        starts = start(night)[cells, hours].astype(np.float32)
        weight = (1.0 / np.where(label > 0, 1.0, share[cells, hours])).astype(np.float32)
        codes = build_features(night, cells, hours, features)
        parts.append(Rows(codes, label, weight, starts, nights=1))
    return parts


def joined(parts: Sequence[Rows]) -> Rows:
    """The rows of all parts, one after the other."""
    columns = ((each.codes, each.counts, each.weights, each.starts) for each in parts)
    codes, counts, weights, starts = map(np.concatenate, zip(*columns, strict=True))
    return Rows(codes, counts, weights, starts, sum(each.nights for each in parts))


def sampling_shares(night: Night, empty_per_incident: float) -> Floats:
    """(cell, hour) with which share an empty cell-hour is taken.

    A quarter of them evenly, the others where incidents are expected: an hour without one tells
    more of a cell that has many. Estimates from k empty ones for each incident spread as if there
    were 1 + 1 / k times fewer incidents.
    """
    expected = night.blend
    # As if one incident were expected at least: a night of which nothing is known keeps its share.
    even = max(expected.mean(), 1 / expected.size)
    share = empty_per_incident * (EVEN * even + (1 - EVEN) * expected)
    return np.asarray(np.minimum(share, 1.0))


def sampled(cell_keys: NDArray[np.uint64], hours: HourRange, shares: Floats) -> NDArray[np.bool_]:
    """(cell, hour) mask that takes each cell-hour with its share, by a hash of cell and hour.

    So the same ones are taken in every run and split of the work. SplitMix64's finaliser:

    Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
    """
    golden = np.uint64(0x9E3779B97F4A7C15)
    key = cell_keys[:, None] + golden * hours.values.astype(np.uint64)[None, :]
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    key ^= key >> np.uint64(31)
    return np.asarray((key >> np.uint64(11)) * 2.0**-53 < shares)
