"""Which past nights a model is fitted on, and which newer ones its candidate is held to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from forecasts.bootstrap import LEAST_NIGHTS
from grids.clock import nightly_cutoffs
from pipeline.config import Config
from pipeline.delay import maturity, reported_share
from pipeline.replay import City, mature_nights
from pipeline.state import State

WARM_UP = timedelta(days=28)  # no night is learned from whose rates are younger than this


@dataclass(frozen=True)
class Plan:
    """Mature nights in order: those that the candidate is ``fit`` on, then the ``rest``.

    ``holdout``: the newest of the rest, which the candidate is judged on. Between it and ``fit``
    lie nights that share hours with both. ``wait``: how long labels take until they are mature.
    """

    fit: tuple[datetime, ...]
    rest: tuple[datetime, ...]
    holdout: tuple[datetime, ...]
    wait: timedelta


def plan_nights(config: Config, city: City, state: State) -> Plan:
    """Nights whose labels are mature at the state's cutoff; the newest are held out.

    Of a short history a quarter, so that more is learned from than judged on.
    """
    cutoff = state.as_of
    wait = maturity(reported_share(state.delay, cutoff))
    nights = nightly_cutoffs(city.spec.started + WARM_UP, cutoff, config.cutoff, config.zone)
    mature = mature_nights(city, nights, cutoff, wait)[-config.model.nights :]
    held = min(config.model.holdout_nights, max(LEAST_NIGHTS, len(mature) // 4))
    # Horizons of several days overlap: no hour may be learned from and judged on.
    apart = held + config.horizon_days - 1
    return Plan(tuple(mature[:-apart]), tuple(mature[-apart:]), tuple(mature[-held:]), wait)
