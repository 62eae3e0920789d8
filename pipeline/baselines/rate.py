"""The cells' own rates over the past week, month, quarter and year, mixed as the past tells.

Every half-life's rate x the city's hour of week, with 1 % uniform. One of them alone is a mixture,
too, so that the choice among half-lives is part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.baselines.mixture import fit_weights
from pipeline.baselines.parts import Parts, clocked, with_uniform
from pipeline.baselines.past import PastNight, evidence
from pipeline.night import Night
from pipeline.state import HALF_LIVES, Floats

DAYS = tuple(f"{hours / 24:g}" for hours in HALF_LIVES)
UNFITTED: dict[str, Any] = {"weights": {days: float(days == "365") for days in DAYS}}


def fit_rate(past: Sequence[PastNight]) -> dict[str, Any]:
    """``weights``: the share of each half-life, by its days."""
    weights = fit_weights(evidence(past, _parts))
    return {"weights": dict(zip(DAYS, weights.tolist(), strict=True))}


def forecast_rate(night: Night, parameters: dict[str, Any]) -> Floats:
    """(cell, hour) expected counts."""
    return _parts(night).mixed(np.array([parameters["weights"][days] for days in DAYS]))


def _parts(night: Night) -> Parts:
    return clocked(night, with_uniform(night.rates))
