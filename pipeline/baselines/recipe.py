"""What a model has to beat: the plain forecasts, behind the interface that the model has.

Some are fixed; of the others a few numbers are chosen on past nights, each as it was known then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from pipeline.baselines import kernel, prospective, rate, self_exciting
from pipeline.baselines.mixture import LEAST
from pipeline.baselines.past import PastNight, past_nights
from pipeline.night import Night
from pipeline.replay import Block, City
from pipeline.state import Floats

# From a night to the expected count of every (cell, hour).
Forecaster = Callable[[Night], Floats]
Parameters = dict[str, Any]  # as JSON has them: kept with the model

REFERENCE = "reference"  # the fixed yardstick: gains over it compare between cities and versions


@dataclass(frozen=True)
class Baseline:
    """``fit``: parameters from past nights with incidents. ``forecast``: (cell, hour) expected
    counts by them. ``unfitted``: parameters where nothing happened to choose by.
    """

    fit: Callable[[Sequence[PastNight]], Parameters]
    forecast: Callable[[Night, Parameters], Floats]
    unfitted: Parameters = field(default_factory=dict)


def _fixed(forecast: Forecaster) -> Baseline:
    return Baseline(lambda _past: {}, lambda night, _parameters: forecast(night))


BASELINES: Mapping[str, Baseline] = {
    REFERENCE: _fixed(lambda night: night.reference),
    "blend": _fixed(lambda night: night.blend),
    "rate": Baseline(rate.fit_rate, rate.forecast_rate, rate.UNFITTED),
    "kernel": Baseline(kernel.fit_kernel, kernel.forecast_kernel, kernel.UNFITTED),
    "prospective": Baseline(
        prospective.fit_prospective, prospective.forecast_prospective, prospective.UNFITTED
    ),
    "self_exciting": Baseline(
        self_exciting.fit_self_exciting,
        self_exciting.forecast_self_exciting,
        self_exciting.UNFITTED,
    ),
}


def fit_baselines(
    city: City, blocks: Sequence[Block], members: tuple[int, ...]
) -> dict[str, Parameters]:
    """Parameters of every baseline, by name, chosen on the newest nights of ``blocks``.

    The blocks: mature nights in order, with labels as known when the choice is made; of the blocks
    only the last few are looked at. Their nights are played again once, in this process. Where no
    incident happened in them, every baseline but the blend is the yearly rate's.
    """
    past = past_nights(city, blocks, members)
    happened = sum(int(one.count.sum()) for one in past)
    return {
        name: baseline.fit(past) if happened else dict(baseline.unfitted)
        for name, baseline in BASELINES.items()
    }


def forecaster(name: str, parameters: Parameters) -> Forecaster:
    """The baseline with its parameters, from a night to (cell, hour) expected counts above 0.

    Pickles. Raises KeyError for a name that is none of BASELINES.
    """
    BASELINES[name]
    return partial(_forecast, name, parameters)


def _forecast(name: str, parameters: Parameters, night: Night) -> Floats:
    return np.maximum(BASELINES[name].forecast(night, parameters), LEAST)
