"""Rows made once, and boosters grown on them trial after trial, by tasks on a Dask cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from distributed import Client, Future

from cluster.gpu import device_of
from pipeline.known import Known
from pipeline.learning.boosting import PARAMETERS
from pipeline.learning.rows import EMPTY_PER_INCIDENT, Rows, rows_by_night
from pipeline.learning.train import spread
from pipeline.replay import BLOCK_NIGHTS, Block, cut_blocks
from pipeline.tuning.folds import Fold
from pipeline.tuning.growing import Grown, Growth, grow
from pipeline.tuning.trial import Trial

MOST_ROUNDS = 2.5  # times model.rounds
# A trial has to be quick: it is fitted on every incident, but on few empty cell-hours for each.
# Scores take many, so that little of what two trials differ by is chance.
FITTED_EMPTIES, HELD_EMPTIES = EMPTY_PER_INCIDENT
Parts = list[Future[list[Rows]]]


class Grower:
    """Grows the boosters of trials on a fold; the rows stay on the workers until it goes.

    ``members``: the targets that are searched, with their places on the category axis.
    """

    def __init__(
        self,
        client: Client,
        known: Known,
        members: Mapping[str, tuple[int, ...]],
        nights: Sequence[datetime],
        folds: Sequence[Fold],
        until: float,
    ) -> None:
        self._client, self._config, self._until = client, known.config, until
        self._device = device_of(client, known.config.model.device)
        edges = known.city.context.edges(nights[-1])
        city = client.scatter(known.city, hash=False)
        blocks = spread(client, cut_blocks(known.city, known.arrivals, nights))
        oldest = min(fold.first for fold in folds) // BLOCK_NIGHTS
        self._since = oldest * BLOCK_NIGHTS

        def rows(members: tuple[int, ...], of: Sequence[Future[Block]], empties: float) -> Parts:
            how = members, empties, edges
            return [client.submit(rows_by_night, city, block, *how) for block in of]

        targets = members.items()
        self._fitted = {name: rows(of, blocks, FITTED_EMPTIES) for name, of in targets}
        self._held = {name: rows(of, blocks[oldest:], HELD_EMPTIES) for name, of in targets}

    @property
    def at_once(self) -> int:
        """How many trials keep every core at work."""
        cores = int(sum(self._client.nthreads().values()))
        return cores // len(self._fitted) or cores

    def __call__(self, fold: Fold, trials: Sequence[Trial]) -> list[Mapping[str, Grown]]:
        """Of every trial, what each target's booster scored on the fold."""
        asked = [
            {target: self._submit(fold, trial, target) for target in self._fitted}
            for trial in trials
        ]
        found: list[Mapping[str, Grown]] = self._client.gather(asked)
        return found

    def _submit(self, fold: Fold, trial: Trial, target: str) -> Future[Grown]:
        rounds = self._config.model.rounds
        # The defaults grow as far as they are used, so that they can be scored as they are.
        least = 1 if trial["number"] else rounds
        growth = Growth(least, max(int(MOST_ROUNDS * rounds), 1), self._until)
        parameters = {**PARAMETERS, **trial["parameters"], "device": self._device}
        fitted = self._fitted[target][: -(-fold.fit // BLOCK_NIGHTS)]
        held = self._held[target]
        return self._client.submit(
            grow, fitted, held, self._since, fold, parameters, growth, pure=False
        )
