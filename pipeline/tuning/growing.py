"""One booster of a trial: grown by one task on one worker, on one thread.

So the same parameters give the same booster, to the bit, on every cluster, and as many boosters
grow at once as there are cores, without waiting for each other after every level of every tree.
A fold's rows have to fit on one worker here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost
from scipy.special import gammaln, xlogy

from pipeline.learning.features import MISSING
from pipeline.learning.rows import Rows, joined
from pipeline.state import Floats
from pipeline.tuning.folds import Fold

PATIENCE = 40  # rounds without a better score


@dataclass(frozen=True)
class Growth:
    """How far a booster grows: ``most`` rounds, not fewer than ``least``, not beyond ``until``.

    ``until``: in seconds of the epoch.
    """

    least: int
    most: int
    until: float


@dataclass(frozen=True, eq=False)
class Grown:
    """``scores``: (round, night) log score in nats of a fold's held nights, after every round.

    ``incidents``: (night,). ``seconds``: of one core. ``is_cut``: the time was over.
    """

    scores: Floats
    incidents: Floats
    seconds: float
    is_cut: bool


def grow(
    fitted: Sequence[Sequence[Rows]],
    held: Sequence[Sequence[Rows]],
    since: int,
    fold: Fold,
    parameters: Mapping[str, Any],
    growth: Growth,
) -> Grown:
    """Fit on a fold and score its held nights after every round.

    ``fitted``: rows by block and night, from the first night on; ``held``: from night ``since`` on.
    Stops where the score has not risen for PATIENCE rounds.
    """
    began = time.perf_counter()
    fit = joined([night for block in fitted for night in block][: fold.fit])
    newest = [night for block in held for night in block]
    nights = newest[fold.first - since : fold.last - since]
    watch = _Watch(nights, growth)
    matrix = _matrix(fit, parameters["max_bin"])
    xgboost.train(
        {**parameters, "nthread": 1, "disable_default_eval_metric": True},
        matrix,
        num_boost_round=growth.most,
        evals=[(_matrix(joined(nights), parameters["max_bin"], matrix), "held")],
        custom_metric=watch.score,
        callbacks=[watch],
        verbose_eval=False,
    )
    incidents = np.array([night.counts.sum() for night in nights], np.float64)
    seconds = time.perf_counter() - began
    return Grown(np.stack(watch.scores), incidents, seconds, watch.is_cut)


def _matrix(
    rows: Rows, max_bin: int, ref: xgboost.DMatrix | None = None
) -> xgboost.QuantileDMatrix:
    return xgboost.QuantileDMatrix(
        rows.codes,
        rows.counts,
        weight=rows.weights,
        base_margin=rows.starts,
        missing=MISSING,
        max_bin=max_bin,
        ref=ref,
        nthread=1,
    )


class _Watch(xgboost.callback.TrainingCallback):
    """Scores every night after every round, and says when it is enough."""

    def __init__(self, nights: Sequence[Rows], growth: Growth) -> None:
        super().__init__()
        rows = joined(nights)
        self._growth, self._nights = growth, len(nights)
        self._night = np.repeat(np.arange(len(nights)), [len(each.counts) for each in nights])
        self._counts, self._weights = rows.counts.astype(np.float64), rows.weights
        self._log_factorials = gammaln(self._counts + 1)
        self.scores: list[Floats] = []
        self.is_cut = False

    def score(self, expected: Floats, _: xgboost.DMatrix) -> tuple[str, float]:
        """XGBoost's form of a metric: the log score of all held nights."""
        each = xlogy(self._counts, expected) - expected - self._log_factorials
        scores = np.bincount(self._night, self._weights * each, minlength=self._nights)
        self.scores.append(scores.astype(np.float64))
        return "log_score", float(self.scores[-1].sum())

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
        """Whether to stop."""
        totals = [scores.sum() for scores in self.scores]
        rounds = epoch + 1
        self.is_cut = time.time() > self._growth.until
        waited = rounds - 1 - int(np.argmax(totals))
        return self.is_cut or (rounds >= self._growth.least and waited >= PATIENCE)
