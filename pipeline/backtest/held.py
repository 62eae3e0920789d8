"""What a backtest leaves to be summed up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.backtest.schedule import Schedule
from pipeline.backtest.tallies import Tallies
from pipeline.districts import Districts
from pipeline.known import Known


@dataclass(frozen=True)
class Backtest:
    """What a backtest left. ``tallies``: by target; ``rivals``: names on their rival axis.

    ``made``: of every refit, the record of what was made, by target.
    """

    known: Known
    schedule: Schedule
    districts: Districts
    rivals: tuple[str, ...]
    tallies: dict[str, Tallies]
    made: list[dict[str, Any]]
    seconds: dict[str, float]
