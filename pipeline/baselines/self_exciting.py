"""A self-exciting point process: an incident makes others near by more likely for some days.

Mohler, Short, Brantingham, Schoenberg and Tita 2011, "Self-exciting point process modeling of
crime", JASA 106:100, by cell and hour, with parametric kernels:

    lambda(c, t) = mu(c) x hour of week(t) + branching x sum over incidents before t of
                   exp(-age / memory) / memory x spread(sigma)(c, incident's cell)

mu is a mixture of the cells' yearly rate, that rate smoothed, and their quarterly rate: what drifts
slowly is not to pass for excitation. An incident that is not known counts by its expectation, the
yearly rate: those of the past that are not reported yet (by the share known at each age) or lie
beyond the incidents that a night sees, and those of the hours ahead.

The weights of mu and the branching ratio, of sum 1, come from EM, which shares every incident out
to background and excitation; memory and sigma from maximum likelihood over a grid of those. The
likelihood is that of past nights' incidents given what was known at their cutoffs: offences of one
event, which share cell and hour and are not excited by each other, are all on the same side of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.baselines.mixture import Evidence, fit_weights
from pipeline.baselines.parts import Parts, clocked, with_uniform
from pipeline.baselines.past import PastNight, evidence
from pipeline.baselines.recent import ages
from pipeline.baselines.spread import spread
from pipeline.delay import share_at
from pipeline.night import QUARTER, RECENT_DAYS, YEAR, Night
from pipeline.state import Floats, age_of_data

BACKGROUND = ("yearly", "smoothed", "quarterly")
SMOOTHED = 100.0  # metres
MEMORIES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # days
SIGMAS = (0.0, 50.0, 100.0, 200.0, 400.0)  # metres
FINER = 2.0 ** (np.arange(-2, 3) / 3)  # then steps of a quarter about the best

Choice = tuple[float, float, float, Floats]  # score, memory, sigma, weights


def fit_self_exciting(past: Sequence[PastNight]) -> dict[str, Any]:
    """``branching``, ``memory_days`` (e-folding), ``sigma_m`` and the shares of ``background``."""
    plain = evidence(past, background)
    first = _best(past, plain, MEMORIES, SIGMAS)
    memories, sigmas = first[1] * FINER, first[2] * FINER if first[2] else (0.0,)
    _, memory, sigma, weights = _best(past, plain, [float(m) for m in memories], sigmas)
    return {
        "branching": float(weights[-1]),
        "memory_days": memory,
        "sigma_m": sigma,
        "background": dict(zip(BACKGROUND, weights[:-1].tolist(), strict=True)),
    }


def forecast_self_exciting(night: Night, parameters: dict[str, Any]) -> Floats:
    """(cell, hour) expected counts."""
    memory, sigma = parameters["memory_days"], parameters["sigma_m"]
    shares = np.array([parameters["background"][name] for name in BACKGROUND])
    excited = excitation(night, [memory], sigma).mixed(np.ones(2))
    return background(night).mixed(shares) + parameters["branching"] * excited


def background(night: Night) -> Parts:
    """The parts of mu x the city's hour of week."""
    yearly = night.rates[:, YEAR]
    smoothed = spread(night.place, SMOOTHED) @ yearly
    parts = np.column_stack([yearly, smoothed, night.rates[:, QUARTER]])
    return clocked(night, with_uniform(parts))


def excitation(night: Night, memories: Sequence[float], sigma: float) -> Parts:
    """What one incident with one expected child excites, summed over all, for each memory (days).

    Parts: for each memory that of the incidents until the cutoff, which fades over the hours ahead;
    then for each that of the incidents expected after it, which grows by what the other loses.
    """
    around = spread(night.place, sigma)
    until_now = around @ _traces(night, memories)
    ahead = (np.arange(len(night.hours)) + 0.5) / 24
    faded = np.exp(-ahead / np.array(memories)[:, None])
    expected = np.repeat((around @ night.rates[:, YEAR])[:, None], len(memories), axis=1)
    return Parts(np.column_stack([until_now, expected]), np.concatenate([faded, 1 - faded]))


def _traces(night: Night, memories: Sequence[float]) -> Floats:
    """(cell, memory) per hour: what the incidents of a cell excite in all, at the cutoff."""
    events, age = night.recent, ages(night)
    seen_hours = min(24.0 * RECENT_DAYS, age_of_data(night.state, night.spec).total_seconds() / 3600)
    steps = np.arange(0.5, seen_hours)
    hidden = 1 - share_at(night.shares, steps)
    traces = np.empty((night.spec.cells, len(memories)))
    for column, days in enumerate(memories):
        memory = 24.0 * days
        known = events.sign * np.exp(-age / memory) / memory
        traces[:, column] = np.bincount(events.cell, known, minlength=night.spec.cells)
        missing = (hidden * np.exp(-steps / memory)).sum() / memory + np.exp(-seen_hours / memory)
        traces[:, column] += missing * night.rates[:, YEAR]
    return traces


def _best(
    past: Sequence[PastNight], plain: Evidence, memories: Sequence[float], sigmas: Sequence[float]
) -> Choice:
    """The likeliest memory and sigma, and the weights of background and excitation for them."""
    found: list[Choice] = []
    for sigma in sigmas:
        sums = evidence(past, lambda night, sigma=sigma: excitation(night, memories, sigma))
        for column, memory in enumerate(memories):
            both = [column, column + len(memories)]
            at = np.column_stack([plain.at, sums.at[:, both].sum(axis=1)])
            totals = np.append(plain.totals, sums.totals[both].sum())
            seen = Evidence(at, plain.count, totals)
            weights = fit_weights(seen)
            found.append((seen.score(weights), memory, float(sigma), weights))
    return max(found, key=lambda choice: choice[0])
