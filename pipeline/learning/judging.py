"""Rivals on nights that none of them was made from: scores, paired gains, the spread of counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecasts import scores
from forecasts.counting import CountLaws, fit_laws
from forecasts.estimates import gain
from forecasts.scores import AREA_SHARES
from forecasts.sums import Sums, joined, shifts, sums_of
from pipeline.baselines.recipe import REFERENCE, Forecaster
from pipeline.night import Night
from pipeline.replay import Block, City, counts_of, nights_of
from pipeline.state import Floats

Scores = dict[str, dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Judged:
    """What rivals did on the nights held out.

    ``scores``: by rival, over all nights. ``log_score``: by rival, (night,) in nats. ``incidents``:
    (night,). ``sums``: by rival, of what was expected and counted.
    """

    scores: Scores
    log_score: Mapping[str, Floats]
    incidents: NDArray[np.int64]
    sums: Mapping[str, Sums]

    def laws(self, rival: str) -> CountLaws:
        """How counts spread around what the rival expects."""
        return fit_laws(self.sums[rival])

    def paired_gain(self, rival: str, other: str) -> dict[str, float] | None:
        """Gain of one rival over another, nats per incident, with a 95 % interval of night blocks.

        None where nights or incidents are too few for an interval.
        """
        found = gain(self.log_score[rival], self.log_score[other], self.incidents)
        ends = {"gain": float(found.value), "low": float(found.low), "high": float(found.high)}
        return ends if np.isfinite(list(ends.values())).all() else None


def play(
    city: City,
    blocks: Sequence[Block],
    nights: Sequence[datetime],
    members: tuple[int, ...],
    rivals: Mapping[str, Forecaster],
    districts: NDArray[np.int64],
) -> Judged:
    """Rivals on those ``nights`` of the blocks, each forecast from what was known then.

    Without gains over the reference, which may be played elsewhere. ``districts``: (cell,) index of
    each cell's district.
    """
    played = [
        _of_night(night, counts_of(night, block.labels), rivals, districts)
        for block in blocks
        for night in nights_of(city, block, members)
        if night.state.as_of in nights
    ]
    counts = np.concatenate([each.counts for each in played], axis=1)
    log_score = {n: np.array([each.log_score[n] for each in played]) for n in rivals}
    expected = {n: np.concatenate([each.expected[n] for each in played], axis=1) for n in rivals}
    return Judged(
        scores={n: _scores(expected[n], counts, float(log_score[n].sum())) for n in rivals},
        log_score=log_score,
        incidents=np.array([each.counts.sum() for each in played]),
        sums={n: joined([each.sums[n] for each in played]) for n in rivals},
    )


def together(parts: Sequence[Judged], names: Sequence[str]) -> Judged:
    """Rivals that were played apart on the same nights, in the order of ``names``, which has the
    reference; with gains over it.
    """
    of = {name: part for part in parts for name in part.log_score}
    reference = float(of[REFERENCE].log_score[REFERENCE].sum())

    def gained(found: Mapping[str, Any]) -> dict[str, Any]:
        over = scores.information_gain(found["log_score"], reference, found["incidents"])
        return {**found, "gain_over_reference": None if np.isnan(over) else over}

    return Judged(
        scores={name: gained(of[name].scores[name]) for name in names},
        log_score={name: of[name].log_score[name] for name in names},
        incidents=parts[0].incidents,
        sums={name: of[name].sums[name] for name in names},
    )


@dataclass(frozen=True, eq=False)
class _Played:
    counts: NDArray[np.int64]
    expected: dict[str, NDArray[np.float32]]  # for what needs all nights at once
    log_score: dict[str, float]
    sums: dict[str, Sums]


def _of_night(
    night: Night,
    counts: NDArray[np.int64],
    rivals: Mapping[str, Forecaster],
    districts: NDArray[np.int64],
) -> _Played:
    shift = shifts(night.of_week)
    made = {name: rival(night) for name, rival in rivals.items()}
    return _Played(
        counts,
        {name: m.astype(np.float32) for name, m in made.items()},
        {name: scores.poisson_log_score(m, counts) for name, m in made.items()},
        {name: sums_of(m, counts, districts, shift) for name, m in made.items()},
    )


def _scores(
    expected: NDArray[np.float32], counts: NDArray[np.int64], log_score: float
) -> dict[str, Any]:
    incidents = int(counts.sum())
    rates = scores.hit_rates(expected, counts, AREA_SHARES)
    found = {
        "incidents": incidents,
        "expected": float(expected.sum(dtype=np.float64)),
        "log_score": log_score,
        "auc": scores.auc(expected, counts),
        "average_precision": scores.average_precision(expected, counts),
        **{f"hit_rate_{s:.0%}": rate for s, rate in zip(AREA_SHARES, rates, strict=True)},
    }
    # JSON has no nan: a score that nothing can be said about is null.
    return {name: None if np.isnan(value) else value for name, value in found.items()}
