"""Forecasts that are products of place and time, or mixtures of such."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.night import UNIFORM_SHARE, Night
from pipeline.state import Floats


@dataclass(frozen=True)
class Parts:
    """Several forecasts of one night: part p expects ``cells[:, p]`` x ``hours[p]``.

    ``cells`` (cell, part), ``hours`` (part, hour); their products are expected counts.
    """

    cells: Floats
    hours: Floats

    def mixed(self, weights: Floats) -> Floats:
        """(cell, hour) expected counts of the mixture with these weights (part,)."""
        return np.asarray((self.cells * weights) @ self.hours)

    def at(self, cell: NDArray[np.int64], hour: NDArray[np.int64]) -> Floats:
        """(slot, part) expected counts of single cell-hours."""
        return np.asarray(self.cells[cell] * self.hours.T[hour])

    @property
    def totals(self) -> Floats:
        """(part,) expected counts of the whole night."""
        return np.asarray(self.cells.sum(axis=0) * self.hours.sum(axis=1))


def clocked(night: Night, cells: Floats) -> Parts:
    """Rates per hour (cell, part), each x the city's hour of week."""
    return Parts(cells, np.tile(night.week_factor, (cells.shape[1], 1)))


def with_uniform(rates: Floats) -> Floats:
    """Rates (cell, part), 1 % of each spread evenly: a cell without history stays possible."""
    return np.asarray((1 - UNIFORM_SHARE) * rates + UNIFORM_SHARE * rates.mean(axis=0))
