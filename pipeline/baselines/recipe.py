"""What a model has to beat: the plain forecasts, behind the interface that the model has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.night import Night
from pipeline.state import Floats

# From a night to the expected count of every (cell, hour).
Forecaster = Callable[[Night], Floats]

REFERENCE = "reference"  # the fixed yardstick: gains over it compare between cities and versions

BASELINES: Mapping[str, Forecaster] = {
    REFERENCE: lambda night: night.reference,
    "blend": lambda night: night.blend,
}
