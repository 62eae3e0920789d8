"""Rolling origin: on which past nights parameters are tried, and on which newer ones scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from forecasts.bootstrap import BLOCK_NIGHTS
from pipeline.errors import MissingInputError

ORIGINS = 2
HELD_NIGHTS = 56
LEAST_HELD = BLOCK_NIGHTS  # of a fold: together they give an interval
LEAST_FIT = 28


@dataclass(frozen=True)
class Fold:
    """Boosters are fitted on the first ``fit`` nights and scored on nights ``[first, last)``.

    Numbers count the nights from the oldest on.
    """

    fit: int
    first: int
    last: int

    def describe(self, nights: Sequence[datetime]) -> dict[str, Any]:
        """What it is, for a record."""
        held = nights[self.first], nights[self.last - 1]
        return {"fit_nights": self.fit, "held": [night.isoformat() for night in held]}


def plan_folds(nights: Sequence[datetime], horizon_days: int) -> tuple[Fold, ...]:
    """The newest nights, HELD_NIGHTS an origin, newest first; of a short history a sixth.

    No hour is both fitted on and scored. Raises MissingInputError where too few nights are left to
    fit on.
    """
    held = min(HELD_NIGHTS, max(LEAST_HELD, len(nights) // 6))
    apart = horizon_days - 1
    firsts = [len(nights) - held * (back + 1) for back in range(ORIGINS)]
    if firsts[-1] - apart < LEAST_FIT:
        need = LEAST_FIT + apart + ORIGINS * LEAST_HELD
        raise MissingInputError(
            f"{len(nights)} nights can be learned from, a search needs {need} or more: tune later"
        )
    return tuple(Fold(first - apart, first, first + held) for first in firsts)
