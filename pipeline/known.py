"""All that silver holds, for those who look at many nights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from grids.clock import EPOCH
from grids.cube import CubeInfo, read_info
from grids.snapshots import BRANCH, open_repository
from pipeline.city import make_city
from pipeline.config import Config
from pipeline.delay import DELAY_DAYS, DELAY_EDGES, count_delays, maturity, reported_share
from pipeline.errors import MissingInputError
from pipeline.replay import City
from pipeline.silver import Arrivals, read_arrivals
from pipeline.store import Store

END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Known:
    """Everything that silver holds, and what every night shares."""

    config: Config
    city: City
    info: CubeInfo
    arrivals: Arrivals

    @property
    def until(self) -> datetime:
        """When the last of it became known."""
        return EPOCH + timedelta(microseconds=int(self.arrivals.known[-1]))

    @property
    def label_wait(self) -> timedelta:
        """The age at which counts are as good as complete, by the delays of the last year."""
        empty = np.zeros((DELAY_DAYS, len(DELAY_EDGES) + 1), np.int64)
        delays = count_delays(empty, self.arrivals, self.city.spec.started, self.until)
        return maturity(reported_share(delays, self.until))

    @property
    def members(self) -> dict[str, tuple[int, ...]]:
        """Of every target, its places on the category axis."""
        axis = self.info.categories
        return {t: tuple(map(axis.index, groups)) for t, groups in self.config.targets.items()}

    def at(self, instant: datetime) -> Known:
        """The part that was known at an instant."""
        return replace(self, arrivals=self.arrivals.until(instant))


def read_known(config: Config) -> Known:
    """All of silver, read once. Raises MissingInputError where it holds no incident."""
    store = Store(config.output.path)
    info = read_info(open_repository(store.cube).readonly_session(BRANCH).store)
    arrivals = read_arrivals(store.silver, info.grid, info.categories, END_OF_TIME)
    if not len(arrivals):
        raise MissingInputError(f"{store.silver} holds no incident: deliver some first")
    return Known(config, make_city(config, info), info, arrivals)
