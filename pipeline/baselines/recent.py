"""The single incidents that a night sees: how long ago they happened."""

from __future__ import annotations

import numpy as np

from grids.clock import EPOCH, HOUR
from pipeline.night import Night
from pipeline.state import Floats


def ages(night: Night) -> Floats:
    """(event,) hours from the middle of each recent incident's hour to the cutoff, 0 or more."""
    now = (night.state.as_of - EPOCH) / HOUR
    return np.asarray(np.maximum(now - night.recent.hour - 0.5, 0.0))
