"""How far rates have moved lately, as far as counts that small can say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.state import Floats

DRAWN = (100.0, 30.0, 10.0)  # incidents by which city, surroundings and cell are drawn
LEAST_RATE = 1e-7  # incidents per hour


def adapted(
    base: Floats, lately: Floats, hours: Floats, places: Sequence[NDArray[np.int64]]
) -> Floats:
    """(cell,) how far a rate has moved from the ``base`` one, as a factor.

    ``lately``: (cell, step) rates over less and less time, of so many ``hours`` (step,);
    ``places``: (cell,) indices of the city and of the cell's surroundings. At each step the city
    first, then the surroundings, then the cell, each drawn to what is expected by then as by so
    many incidents (DRAWN). So a busy cell follows its last weeks, and a quiet one the city's.
    """
    base = np.maximum(base, LEAST_RATE)
    rate, alone = base, np.arange(len(base))
    for step, exposure in enumerate(hours):
        happened = lately[:, step] * exposure
        for of_cell, prior in zip((*places, alone), DRAWN, strict=True):
            found = np.bincount(of_cell, happened) + prior
            rate = rate * (found / (np.bincount(of_cell, rate * exposure) + prior))[of_cell]
    return np.asarray(rate / base)
