"""One task of a backtest: a chunk of nights forecast by every rival, and what is counted of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecasts.counting import POISSON
from forecasts.scores import pairs_within_cells
from pipeline.backtest.counting import Held, Made, count_covered, count_held, count_made
from pipeline.backtest.rivals import ISSUED, Rivals
from pipeline.backtest.tallies import SCOPES, Tallies, Unit
from pipeline.baselines.recipe import REFERENCE
from pipeline.districts import Districts
from pipeline.night import Night
from pipeline.replay import Block, City, counts_of, nights_of

_OF_NIGHTS = "first_day hour_of_day cell_hours incidents most district_observed".split()
_OF_RIVALS = (
    "log_score expected divergence squared_error hits decile_expected decile_observed "
    "district_expected bins"
).split()


def tally_block(
    city: City,
    block: Block,
    rivals: Sequence[Rivals],
    members: Mapping[str, tuple[int, ...]],
    districts: Districts,
) -> Unit:
    """Forecast the nights of the block with every rival of every target; the sums that are left.

    One replay serves all targets. ``members``: a target's places on the category axis. All targets
    have the same rivals, in the same order.
    """
    began = perf_counter()
    names = tuple(rivals[0].forecasters)
    assert all(tuple(each.forecasters) == names for each in rivals)
    leads = 24 * city.horizon_days + 1  # clocks are put back in autumn
    parts = {r.target: _Part(r, members[r.target], districts, leads, block) for r in rivals}
    for night in nights_of(city, block, ()):
        for part in parts.values():
            part.add(replace(night, members=part.members))
    tallies = {target: part.tallies() for target, part in parts.items()}
    return Unit(names, tallies, perf_counter() - began)


class _Part:
    """One target's sums while the nights go by."""

    def __init__(
        self,
        rivals: Rivals,
        members: tuple[int, ...],
        districts: Districts,
        leads: int,
        block: Block,
    ) -> None:
        self.members = members
        self._rivals, self._districts, self._leads, self._block = rivals, districts, leads, block
        self._held: list[Held] = []
        self._made: list[list[Made]] = []
        self._covered: list[NDArray[np.int64]] = []
        chosen = np.isin(block.labels.category, members) & (block.labels.change != 0)
        self._touched = np.unique(block.labels.cell[chosen])
        self._counts: list[NDArray[np.int64]] = []
        self._touched_expected: list[list[NDArray[np.float64]]] = []

    def add(self, night: Night) -> None:
        counts = counts_of(night, self._block.labels)
        held = count_held(night, counts, self._districts, self._leads)
        rivals, laws = self._rivals.forecasters, self._rivals.laws
        law = POISSON if laws is None else laws.cell_hour
        # What is issued is one of the others: it need not be made, and counted, twice.
        made = {each: each(night) for each in dict.fromkeys(rivals.values())}
        reference = made[rivals[REFERENCE]]
        counted = {
            each: count_made(held, expected, counts, reference, self._districts, law)
            for each, expected in made.items()
        }
        self._held.append(held)
        self._made.append([counted[each] for each in rivals.values()])
        self._counts.append(counts[self._touched])
        self._touched_expected.append([made[each][self._touched] for each in rivals.values()])
        covered = np.zeros((len(SCOPES), 3), np.int64)
        if laws is not None and ISSUED in rivals:
            covered = count_covered(held, made[rivals[ISSUED]], counts, self._districts, laws)
        self._covered.append(covered)

    def tallies(self) -> Tallies:
        counts = np.concatenate(self._counts, axis=1)
        rivals = zip(*self._touched_expected, strict=True)
        pairs = [pairs_within_cells(np.concatenate(nights, axis=1), counts) for nights in rivals]
        cells = np.zeros(len(self._districts.of_cell), np.int64)
        cells[self._touched] = counts.sum(axis=1)
        nights = np.array([int(night.timestamp()) for night in self._block.nights])
        return Tallies(
            nights=nights,
            **{name: self._of_nights(name) for name in _OF_NIGHTS},
            **{name: self._of_rivals(name) for name in _OF_RIVALS},
            covered=np.stack(self._covered),
            chunk_first=nights[:1],
            within_right=np.array([[right for right, _ in pairs]]),
            within_pairs=np.array([pairs[0][1]]),
            cell_log_score=self._of_rivals("cell_log_score").sum(axis=0, keepdims=True),
            cell_incidents=cells[None],
        )

    def _of_nights(self, name: str) -> NDArray[Any]:
        return np.stack([getattr(held, name) for held in self._held])

    def _of_rivals(self, name: str) -> NDArray[Any]:
        return np.stack([np.stack([getattr(made, name) for made in each]) for each in self._made])
