"""Rows made once, and boosters grown on them trial after trial, by tasks on a Dask cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from distributed import Client, Future

from cluster.again import never_without_workers, once_more
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


@dataclass(frozen=True)
class _Sent:
    """Rows on the workers, by target: those that are fitted, and those that are scored."""

    fitted: Mapping[str, Parts]
    held: Mapping[str, Parts]


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
        self._client, self._known, self._until = client, known, until
        self._members, self._nights = members, nights
        self._device = device_of(client, known.config.model.device)
        self._oldest = min(fold.first for fold in folds) // BLOCK_NIGHTS
        self._sent: _Sent | None = None

    @property
    def at_once(self) -> int:
        """How many trials keep every core at work."""
        cores = int(sum(self._client.nthreads().values()))
        return cores // len(self._members) or cores

    def __call__(self, fold: Fold, trials: Sequence[Trial]) -> list[Mapping[str, Grown]]:
        """Of every trial, what each target's booster scored on the fold.

        Where a worker is lost, rows are made and boosters grown once more on those that are left.
        Raises ClusterUnavailableError where none is.
        """

        def grown() -> list[Mapping[str, Grown]]:
            sent, self._sent = self._sent or self._send(), None  # kept where none was lost
            asked = [
                {target: self._submit(sent, fold, trial, target) for target in self._members}
                for trial in trials
            ]
            with never_without_workers(self._client, [f for each in asked for f in each.values()]):
                found: list[Mapping[str, Grown]] = self._client.gather(asked)
            self._sent = sent
            return found

        return once_more(self._client, grown)

    def _send(self) -> _Sent:
        client, city = self._client, self._known.city
        edges = city.context.edges(self._nights[-1])
        blocks = spread(client, cut_blocks(city, self._known.arrivals, self._nights))
        held = client.scatter(city, hash=False)

        def rows(members: tuple[int, ...], of: Sequence[Future[Block]], empties: float) -> Parts:
            how = members, empties, edges
            return [client.submit(rows_by_night, held, block, *how, pure=False) for block in of]

        targets = self._members.items()
        return _Sent(
            fitted={name: rows(of, blocks, FITTED_EMPTIES) for name, of in targets},
            held={name: rows(of, blocks[self._oldest :], HELD_EMPTIES) for name, of in targets},
        )

    def _submit(self, sent: _Sent, fold: Fold, trial: Trial, target: str) -> Future[Grown]:
        rounds = self._known.config.model.rounds
        # The defaults grow as far as they are used, so that they can be scored as they are.
        least = 1 if trial["number"] else rounds
        growth = Growth(least, max(int(MOST_ROUNDS * rounds), 1), self._until)
        parameters = {**PARAMETERS, **trial["parameters"], "device": self._device}
        fitted = sent.fitted[target][: -(-fold.fit // BLOCK_NIGHTS)]
        held, since = sent.held[target], self._oldest * BLOCK_NIGHTS
        return self._client.submit(grow, fitted, held, since, fold, parameters, growth, pure=False)
