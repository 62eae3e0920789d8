"""Rows of an ablation: cell-hours with incidents and weighted empty ones, night by night."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from pipeline.learning.features import Feature, build_features, start
from pipeline.learning.rows import sampled, sampling_shares
from pipeline.night import Night
from pipeline.replay import Block, City, counts_of, nights_of
from pipeline.state import Floats


@dataclass(frozen=True)
class Rows:
    """(row,) of cell-hours with incidents, and empty ones with their weights."""

    codes: NDArray[np.uint8]
    starts: NDArray[np.float32]
    reference: NDArray[np.float32]
    counts: NDArray[np.float32]
    weights: NDArray[np.float32]

    def log_score(self, expected: NDArray[np.float32]) -> float:
        """Poisson's, estimated for all cell-hours of the nights."""
        m = expected.astype(np.float64)
        return float(self.weights @ (xlogy(self.counts, m) - m - gammaln(self.counts + 1)))


@dataclass(frozen=True)
class Work:
    city: City
    blocks: list[Block]
    members: tuple[int, ...]
    features: tuple[Feature, ...]
    empty: float


_WORK: Work


def make_rows(work: Work, processes: int) -> list[Rows]:
    """Rows of every night, in order; blocks are split over forked processes."""
    global _WORK
    _WORK = work  # children are forked: nothing needs to be pickled on the way in
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        parts = pool.imap(_rows_of_block, range(len(work.blocks)))
        return [rows for part in parts for rows in part]


def _rows_of_block(at: int) -> list[Rows]:
    block = _WORK.blocks[at]
    return [_rows(night, block) for night in nights_of(_WORK.city, block, _WORK.members)]


def _rows(night: Night, block: Block) -> Rows:
    counts, share = counts_of(night, block.labels), sampling_shares(night, _WORK.empty)
    chosen = sampled(_WORK.city.cell_keys, night.hours, share) | (counts > 0)
    at = cells, hours = np.nonzero(chosen)
    weights = 1.0 / np.where(counts > 0, 1.0, share)
    values = start(night), night.reference, counts, weights
    codes = build_features(night, cells, hours, _WORK.features)
    return Rows(codes, *[each[at].astype(np.float32) for each in values])


def by_night(rows: Rows, expected: NDArray[np.float32], ends: NDArray[np.int64]) -> Floats:
    """(night,) log score of a forecast of the rows."""
    nights = [slice(first, last) for first, last in pairwise([0, *ends])]
    parts = [Rows(*[getattr(rows, f.name)[at] for f in fields(Rows)]) for at in nights]
    return np.array([p.log_score(expected[at]) for p, at in zip(parts, nights, strict=True)])


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows of several nights as one."""
    return Rows(*[np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Rows)])
