"""What a model has to beat: the plain forecasts, behind the interface that the model has.

Some are fixed; of the others a few numbers are chosen on past nights, each as it was known then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from pipeline.baselines.kernel import fit_kernel, forecast_kernel
from pipeline.baselines.mixture import LEAST
from pipeline.baselines.past import PastNight, past_nights
from pipeline.baselines.prospective import fit_prospective, forecast_prospective
from pipeline.baselines.rate import fit_rate, forecast_rate
from pipeline.baselines.self_exciting import fit_self_exciting, forecast_self_exciting
from pipeline.night import Night
from pipeline.replay import Block, City
from pipeline.state import Floats

# From a night to the expected count of every (cell, hour).
Forecaster = Callable[[Night], Floats]
Parameters = dict[str, Any]  # as JSON has them: kept with the model

REFERENCE = "reference"  # the fixed yardstick: gains over it compare between cities and versions


@dataclass(frozen=True)
class Baseline:
    """``fit``: parameters from past nights. ``forecast``: (cell, hour) expected counts by them."""

    fit: Callable[[Sequence[PastNight]], Parameters]
    forecast: Callable[[Night, Parameters], Floats]


def _fixed(forecast: Forecaster) -> Baseline:
    return Baseline(lambda _past: {}, lambda night, _parameters: forecast(night))


BASELINES: Mapping[str, Baseline] = {
    REFERENCE: _fixed(lambda night: night.reference),
    "blend": _fixed(lambda night: night.blend),
    "rate": Baseline(fit_rate, forecast_rate),
    "kernel": Baseline(fit_kernel, forecast_kernel),
    "prospective": Baseline(fit_prospective, forecast_prospective),
    "self_exciting": Baseline(fit_self_exciting, forecast_self_exciting),
}


def fit_baselines(
    city: City, blocks: Sequence[Block], members: tuple[int, ...]
) -> dict[str, Parameters]:
    """Parameters of every baseline, by name, chosen on the newest nights of ``blocks``.

    The blocks: mature nights, with labels as known when the choice is made. Their nights are played
    again once, in this process; without a night every baseline falls back to the yearly rate.
    """
    past = past_nights(city, blocks, members)
    return {name: baseline.fit(past) for name, baseline in BASELINES.items()}


def forecaster(name: str, parameters: Parameters) -> Forecaster:
    """The baseline with its parameters, from a night to (cell, hour) expected counts above 0.

    Pickles. Raises KeyError for a name that is none of BASELINES.
    """
    BASELINES[name]
    return partial(_forecast, name, parameters)


def _forecast(name: str, parameters: Parameters, night: Night) -> Floats:
    return np.maximum(BASELINES[name].forecast(night, parameters), LEAST)
