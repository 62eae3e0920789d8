"""A self-exciting point process: an incident makes others near by more likely for some days.

Mohler, Short, Brantingham, Schoenberg and Tita 2011, "Self-exciting point process modeling of
crime", JASA 106:100, by cell and hour and with parametric kernels:

    lambda(c, t) = mu(c, t) + branching x sum over incidents before t of
                   exp(-age / memory) / memory x spread(sigma)(c, the incident's cell)

A cell's mean is known far better than its background mu, and tells it: mu is that mean less what
incidents at their mean rate excite. So the forecast is the mean plus branching x the *excess* of
the sum over its own mean. Incidents that are not known (not reported yet, too long ago, or in the
hours ahead) count by their expectation and leave no excess. What is excited fades over the hours
ahead; offspring of offspring are left out.

The mean is a mixture of the cells' yearly rate, that rate smoothed, and their quarterly and monthly
rates, x the city's hour of week: what drifts slowly is not to pass for excitation. Its weights and
the branching ratio are of maximum likelihood for every memory and sigma of a grid, and so are those
two. The likelihood is that of past nights' incidents given what was known at their cutoffs. The
offences of one event, in the same cell and hour, are all on the same side of it and excite nothing
there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from grids.clock import EPOCH, HOUR
from grids.hours import HourRange
from pipeline.baselines.mixture import LEAST, Evidence
from pipeline.baselines.parts import Parts, clocked, with_uniform
from pipeline.baselines.past import PastNight, evidence
from pipeline.baselines.recent import ages
from pipeline.baselines.spread import spread
from pipeline.delay import share_at
from pipeline.night import MONTH, QUARTER, RECENT_DAYS, YEAR, Night
from pipeline.state import Floats, age_of_data

MEAN = ("yearly", "smoothed", "quarterly", "monthly")
SMOOTHED = 100.0  # metres
MEMORIES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # days
SIGMAS = (0.0, 50.0, 100.0, 200.0, 400.0)  # metres
FINER = 2.0 ** (np.arange(-2, 3) / 3)  # steps between those of the grid, about its best
MOST = 0.95  # a branching ratio of 1 would be an explosion
LEFT = 0.1  # share of the mean that no lack of incidents takes away

UNFITTED: dict[str, Any] = {
    "branching": 0.0,
    "memory_days": MEMORIES[0],
    "sigma_m": SIGMAS[0],
    "mean": {name: float(name == "yearly") for name in MEAN},
}


def fit_self_exciting(past: Sequence[PastNight]) -> dict[str, Any]:
    """``branching``, ``memory_days`` (e-folding), ``sigma_m`` and the weights of the ``mean``.

    And a ``note`` where no likeliest weights were found for them.
    """
    mean = evidence(past, mean_parts)
    first = _likeliest(past, mean, MEMORIES, SIGMAS)
    memories = np.clip(first.memory * FINER, MEMORIES[0], MEMORIES[-1])
    sigmas = np.clip(first.sigma * FINER, SIGMAS[1], SIGMAS[-1]) if first.sigma else [0.0]
    best = _likeliest(past, mean, np.unique(memories).tolist(), np.unique(sigmas).tolist())
    found = {
        "branching": float(best.weights[-1]),
        "memory_days": best.memory,
        "sigma_m": best.sigma,
        "mean": dict(zip(MEAN, best.weights[:-1].tolist(), strict=True)),
    }
    return {**found, "note": best.note} if best.note else found


def forecast_self_exciting(night: Night, parameters: dict[str, Any]) -> Floats:
    """(cell, hour) expected counts."""
    mean = mean_parts(night).mixed(np.array([parameters["mean"][name] for name in MEAN]))
    excess = excess_parts(night, [parameters["memory_days"]], parameters["sigma_m"])
    forecast = mean + excess.mixed(np.array([parameters["branching"]]))
    return np.maximum(forecast, LEFT * mean)


def mean_parts(night: Night) -> Parts:
    """The parts of the cells' mean x the city's hour of week."""
    yearly = night.rates[:, YEAR]
    smoothed = spread(night.place, SMOOTHED) @ yearly
    parts = np.column_stack([yearly, smoothed, night.rates[:, QUARTER], night.rates[:, MONTH]])
    return clocked(night, with_uniform(parts))


def excess_parts(night: Night, memories: Sequence[float], sigma: float) -> Parts:
    """For each memory (days), what the known incidents excite beyond what was to be expected.

    With one child per incident; from the cutoff on it fades.
    """
    events, age = night.recent, ages(night)
    past_age, usual = usually_known(night)
    excess = np.empty((night.spec.cells, len(memories)))
    for column, days in enumerate(memories):
        memory = 24.0 * days
        excites = events.sign * np.exp(-age / memory) / memory
        excess[:, column] = np.bincount(events.cell, excites, minlength=night.spec.cells)
        mean = usual @ np.exp(-past_age / memory) / memory
        excess[:, column] -= mean * night.rates[:, YEAR]
    ahead = np.arange(len(night.hours)) + 0.5
    fading = np.exp(-ahead / (24.0 * np.array(memories)[:, None]))
    return Parts(np.asarray(spread(night.place, sigma) @ excess), fading)


def usually_known(night: Night) -> tuple[Floats, Floats]:
    """Of the past hours that a night sees single incidents of: their ages, and how many hours'
    worth of a cell's rate is usually known of each, by the clock and by the share reported.
    """
    now = (night.state.as_of - EPOCH) / HOUR
    seen = min(24.0 * RECENT_DAYS, age_of_data(night.state, night.spec) / HOUR)
    past = HourRange(int(np.ceil(now - seen)), int(now))
    age = np.asarray(now - past.values - 0.5, np.float64)
    clock = night.week_factors[past.hours_of_week(night.spec.zone)]
    return age, clock * share_at(night.shares, age)


@dataclass(frozen=True)
class Choice:
    """``weights``: those of the mean's parts, of sum 1, then the branching ratio.

    ``note``: what was wrong with their fit, if anything.
    """

    score: float
    memory: float
    sigma: float
    weights: Floats
    note: str


def _likeliest(
    past: Sequence[PastNight], mean: Evidence, memories: Sequence[float], sigmas: Sequence[float]
) -> Choice:
    found = []
    for sigma in sigmas:
        excess = evidence(past, partial(excess_parts, memories=memories, sigma=sigma))
        for column, memory in enumerate(memories):
            score, weights, note = fit_branching(mean, excess.at[:, column], excess.totals[column])
            found.append(Choice(score, memory, sigma, weights, note))
    return max(found, key=lambda choice: choice.score)


def fit_branching(mean: Evidence, at: Floats, total: float) -> tuple[float, Floats, str]:
    """Log score and weights (the mean's parts, then the branching ratio) of greatest likelihood.

    ``at`` (slot,), ``total``: the excess where incidents fell, and in all. The likelihood is
    concave in the weights, so that any way up leads to its top. Where the way is lost, the best
    weights on it, and a note; else the note is empty.
    """
    from scipy.optimize import minimize  # not needed to forecast

    parts, incidents = len(mean.totals), mean.count.sum()
    totals = np.append(mean.totals, total)

    def loss(weights: Floats) -> tuple[float, Floats]:
        usual = np.maximum(mean.at @ weights[:-1], LEAST)
        expected = usual + weights[-1] * at
        enough = expected > LEFT * usual
        per_expected = mean.count / np.where(enough, expected, LEFT * usual)
        score = mean.count @ np.log(np.where(enough, expected, LEFT * usual)) - totals @ weights
        slope = mean.at.T @ (per_expected * np.where(enough, 1.0, LEFT))
        slope = np.append(slope, at @ (per_expected * enough)) - totals
        return -score / incidents, -slope / incidents

    one = {
        "type": "eq",
        "fun": lambda w: w[:-1].sum() - 1,
        "jac": lambda w: np.arange(len(w)) < parts,
    }
    start = np.append(np.full(parts, 1 / parts), 0.1)
    found = minimize(
        loss,
        start,
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * parts + [(0.0, MOST)],
        constraints=one,
        options={"ftol": 1e-9},
    )
    weights = np.maximum(found.x, 0.0)
    weights[:-1] /= weights[:-1].sum()
    reached, began = loss(weights)[0], loss(start)[0]
    if found.success:
        return -reached * incidents, weights, ""
    if np.isfinite(reached) and reached < began:
        note = f"the weights are as far as the fit came ({found.message})"
        return -reached * incidents, weights, note
    note = f"the weights are those that the fit began from: it failed ({found.message})"
    return -began * incidents, start, note
