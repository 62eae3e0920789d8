"""Kernel density of the yearly rates x the city's hour of week, with 1 % uniform.

Gaussian around incidents that lie evenly within their cells (``spread``), of the bandwidth that
scored best on the past. Chainey, Tompson and Uhlig 2008, "The utility of hotspot mapping for
predicting spatial patterns of crime", Security Journal 21.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.baselines.parts import Parts, clocked, with_uniform
from pipeline.baselines.past import PastNight, evidence
from pipeline.baselines.spread import spread
from pipeline.night import YEAR, Night
from pipeline.state import Floats

BANDWIDTHS = (25.0, 50.0, 100.0, 200.0, 400.0, 800.0)  # metres
UNFITTED: dict[str, Any] = {"bandwidth_m": BANDWIDTHS[0]}


def fit_kernel(past: Sequence[PastNight]) -> dict[str, Any]:
    """``bandwidth_m``: the best of BANDWIDTHS by Poisson log score."""
    scores = evidence(past, lambda night: _parts(night, BANDWIDTHS)).scores
    return {"bandwidth_m": BANDWIDTHS[int(np.argmax(scores))]}


def forecast_kernel(night: Night, parameters: dict[str, Any]) -> Floats:
    """(cell, hour) expected counts."""
    return _parts(night, (parameters["bandwidth_m"],)).mixed(np.ones(1))


def _parts(night: Night, bandwidths: Sequence[float]) -> Parts:
    yearly = night.rates[:, YEAR]
    smooth = [spread(night.place, bandwidth) @ yearly for bandwidth in bandwidths]
    return clocked(night, with_uniform(np.stack(smooth, axis=1)))
