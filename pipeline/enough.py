"""Whether enough is known, and recently enough, to say anything about the night ahead."""

from __future__ import annotations

from datetime import datetime, timedelta

from pipeline.delay import maturity, newest_occurrence, reported_share
from pipeline.errors import MissingInputError
from pipeline.state import State

MIN_NIGHTS = 28
MIN_INCIDENTS = 200
MAX_SILENCE = timedelta(days=14)  # beyond the time that the city's reports usually take


def require_enough(state: State, start: datetime) -> None:
    """Raise MissingInputError where the state holds too little, or nothing of late."""
    require_history(state.incidents, start, state.as_of)
    require_fresh(state)


def require_history(incidents: int, start: datetime, cutoff: datetime) -> None:
    """Raise MissingInputError where even a baseline would be made of too little."""
    nights = (cutoff - start).days
    if nights < MIN_NIGHTS or incidents < MIN_INCIDENTS:
        raise MissingInputError(
            f"{incidents} incidents of {max(nights, 0)} nights are known at "
            f"{cutoff:%Y-%m-%dT%H:%MZ}, a baseline needs {MIN_INCIDENTS} of {MIN_NIGHTS}: "
            "deliver more history, correct source.start, or forecast a later night"
        )


def require_fresh(state: State) -> None:
    """Raise MissingInputError where deliveries have stopped: silence is no calm."""
    newest = newest_occurrence(state.delay, state.as_of)
    usual = maturity(reported_share(state.delay, state.as_of))
    if newest is None or state.as_of - newest > usual + MAX_SILENCE:
        last = f"on {newest:%Y-%m-%d}" if newest else "more than a year before"
        raise MissingInputError(
            f"the newest incident known at {state.as_of:%Y-%m-%dT%H:%MZ} occurred {last}, and a "
            "city that delivers nothing is not calm: deliver what came since, or give --as-of"
        )
