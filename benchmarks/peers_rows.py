"""Rows that boosters are measured on: those of a night's training, and the nights held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from distributed import Client, Future

from pipeline.known import Known
from pipeline.learning.features import FEATURE_NAMES
from pipeline.learning.placing import place
from pipeline.learning.plan import Plan, plan_nights
from pipeline.learning.rows import Rows, empty_per_incident, joined, rows_by_night, training_rows
from pipeline.learning.train import count_incidents, spread
from pipeline.replay import cut_blocks
from pipeline.state import advance, empty_state

EVERY_ROW = float("inf")  # empty cell-hours for each incident: no sample


@dataclass(frozen=True)
class Task:
    """What one target is learned from at a cutoff. ``empties``: for each incident."""

    known: Known
    plan: Plan
    members: tuple[int, ...]
    incidents: int
    empties: float

    @classmethod
    def at(cls, known: Known, cutoff: datetime, target: str) -> Task:
        """The task that a training at ``cutoff`` has, by its configuration."""
        config, city = known.config, known.city
        state = advance(empty_state(city.spec), known.arrivals, cutoff, city.spec)
        plan = plan_nights(config, city, state)
        members = known.members[target]
        incidents = count_incidents(known.arrivals, members, plan.fit[0])
        empties = empty_per_incident(incidents, config.model.empty_rows)
        return cls(known, plan, members, incidents, empties)

    def rows(
        self, client: Client, nights: Sequence[datetime], empties: float, make: Any = training_rows
    ) -> list[Future[Any]]:
        """What ``make`` makes of those nights' blocks, by all workers in turn."""
        city = self.known.city
        blocks = spread(client, cut_blocks(city, self.known.arrivals, nights))
        return [client.submit(make, city, block, self.members, empties) for block in blocks]


def rows_of(
    known: Known, cutoff: datetime, target: str, client: Client
) -> tuple[list[Future[Rows]], int | None]:
    """Futures of the rows that the candidate is fitted on, where they are boosted, and threads."""
    task = Task.at(known, cutoff, target)
    made = task.rows(client, task.plan.fit, task.empties)
    placing = place(client, task.incidents * (1 + task.empties), len(FEATURE_NAMES), "cpu")
    return placing.bring(client, made), placing.threads


def both(
    known: Known, cutoff: datetime, target: str, client: Client, nights: int, held: int
) -> tuple[Rows, list[Rows]]:
    """Rows of the newest ``nights`` that the candidate is fitted on, and every cell-hour of each of
    the first ``held`` nights after them.
    """
    task = Task.at(known, cutoff, target)
    fit = task.rows(client, task.plan.fit[-nights:], task.empties)
    after = task.rows(client, task.plan.holdout[:held], EVERY_ROW, rows_by_night)
    return joined(client.gather(fit)), [night for part in client.gather(after) for night in part]
