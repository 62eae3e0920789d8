"""What a forecast gains over another, by night, with the interval that a city's scores have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecasts.estimates import Estimate, gain
from forecasts.scores import poisson_log_score
from grids.hours import HOURS_OF_WEEK


def over_start(expected: NDArray[np.float32], nights: Sequence[Any]) -> dict[str, float | None]:
    """Gain over the start that boosting had, of every cell-hour of ``nights``, one after the other.

    ``nights``: of each its rows, with ``starts`` and ``counts``.
    """
    ends = np.cumsum([len(night.counts) for night in nights])
    parts = zip(np.split(expected, ends[:-1]), nights, strict=True)
    return gained([(m[None], np.exp(n.starts)[None], n.counts[None]) for m, n in parts])


def gained(nights: Sequence[tuple[Any, Any, Any]]) -> dict[str, float | None]:
    """A forecast's gain over another, nats per incident, with its interval.

    ``nights``: of each, both forecasts and the counts, (cell, hour).
    """
    scores = [[poisson_log_score(m, counts) for m in two] for *two, counts in nights]
    made: Estimate = gain(*np.transpose(scores), [counts.sum() for *_, counts in nights])
    return made.to_dict()


def mean_forecast(
    counts: NDArray[Any], of_week: NDArray[Any], ahead: NDArray[Any]
) -> NDArray[np.float64]:
    """(night, cell, hour): a cell's mean, with half an incident more, x the city's hours of week.

    ``counts`` (cell, hour); ``of_week`` of these hours and, (night, hour), of those ``ahead``.
    """
    happened = np.bincount(of_week, counts.sum(axis=0), HOURS_OF_WEEK)
    hours = np.bincount(of_week, minlength=HOURS_OF_WEEK)
    shape = (happened + 1) / np.maximum(hours, 1)
    shape /= (shape * hours).sum() / hours.sum()
    mean = (counts.sum(axis=1, dtype=np.float64) + 0.5) / counts.shape[1]
    return np.asarray(mean[None, :, None] * shape[ahead][:, None, :])
