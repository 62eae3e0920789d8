"""What a model has to beat: the plain forecasts, behind the interface that the model has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from pipeline.errors import MissingInputError
from pipeline.night import Night
from pipeline.state import Floats, State

# From a night to the expected count of every (cell, hour).
Forecaster = Callable[[Night], Floats]

REFERENCE = "reference"  # the fixed yardstick: gains over it compare between cities and versions

BASELINES: Mapping[str, Forecaster] = {
    REFERENCE: lambda night: night.reference,
    "blend": lambda night: night.blend,
}

MIN_NIGHTS = 28
MIN_INCIDENTS = 200


def require_history(state: State, start: datetime) -> None:
    """Raise MissingInputError where even a baseline would be made of too little."""
    nights = (state.as_of - start).days
    if nights < MIN_NIGHTS or state.incidents < MIN_INCIDENTS:
        raise MissingInputError(
            f"{state.incidents} incidents of {max(nights, 0)} nights are known at "
            f"{state.as_of:%Y-%m-%dT%H:%MZ}, a baseline needs {MIN_INCIDENTS} of {MIN_NIGHTS}: "
            "deliver more history, correct source.start, or forecast a later night"
        )
