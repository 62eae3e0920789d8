"""Models from what was known at a past cutoff, for those who look at many nights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cluster.lazy import LazyCluster
from pipeline.known import Known
from pipeline.learning.model import Model
from pipeline.state import State, advance, empty_state


def train_at(
    known: Known,
    cutoff: datetime,
    targets: Sequence[str],
    districts: NDArray[np.int64],
    cluster: LazyCluster,
    require: Callable[[State, datetime], None],
) -> list[Model]:
    """A model of every target from what was known at ``cutoff``.

    ``districts``: (cell,) index of each cell's district. ``require``: raises where the state at the
    cutoff holds too little, given when the data begin.
    """
    from cluster.again import once_more  # Dask takes seconds to load
    from pipeline.learning.train import train

    spec, then = known.city.spec, known.at(cutoff).arrivals
    state = advance(empty_state(spec), then, cutoff, spec)
    require(state, spec.started)
    axis = known.info.categories
    what = known.config, known.city, axis, targets, then, state, districts, cluster.client
    return once_more(cluster.client, partial(train, *what))
