"""How much of each of several forecasts to take: maximum likelihood by EM on past nights.

Dempster, Laird and Rubin 1977, "Maximum likelihood from incomplete data via the EM algorithm",
J. R. Stat. Soc. B 39:1; for point processes Veen and Schoenberg 2008, JASA 103:614.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from pipeline.state import Floats

LEAST = 1e-12  # expected counts below this are taken as this: no incident is impossible
_ROUNDS = 500
_TOLERANCE = 1e-6  # of a weight: far below what any number of incidents could tell


@dataclass(frozen=True)
class Evidence:
    """What several forecasts expected, and what happened.

    ``at`` (slot, part): expected counts of the cell-hours that had incidents; ``count`` (slot,):
    how many those were; ``totals`` (part,): expected counts of all cell-hours.
    """

    at: Floats
    count: Floats
    totals: Floats

    @property
    def scores(self) -> Floats:
        """(part,) Poisson log score of each part alone, less ``log n!``, which is the same."""
        logs = self.count @ np.log(np.maximum(self.at, LEAST))
        return np.asarray(logs) - self.totals

    def score(self, weights: Floats) -> float:
        """The same score of a mixture."""
        mixed = np.maximum(self.at @ weights, LEAST)
        return float(self.count @ np.log(mixed) - self.totals @ weights)


def fit_weights(seen: Evidence) -> Floats:
    """(part,) weights, 0 or more with sum 1, under which the incidents were most likely.

    Each round shares every incident out to the parts in proportion to what they expected (E), then
    takes the likeliest weights given those shares (M). Without incidents all is the first part's.
    """
    parts = len(seen.totals)
    if seen.count.sum() <= 0:
        return np.asarray(np.eye(parts)[0])
    at = np.maximum(seen.at, LEAST)
    weights = np.full(parts, 1 / parts)
    for _ in range(_ROUNDS):
        shared_out = weights * (at.T @ (seen.count / (at @ weights)))
        before, weights = weights, _likeliest(shared_out, seen.totals)
        if np.abs(weights - before).max() < _TOLERANCE:
            break
    return weights


def _likeliest(incidents: Floats, totals: Floats) -> Floats:
    """The weights of sum 1 that maximise ``sum(incidents * log(w) - totals * w)``.

    ``w = incidents / (totals + x)``, where x, Lagrange's multiplier, makes the sum 1.
    """
    low = float(np.max(incidents - totals))  # here one weight is 1, and the sum at least that
    high = float(incidents.sum() - totals.min())  # here the sum is 1 at most
    if _excess(low, incidents, totals) <= 0 or high <= low:
        x = low
    else:
        x = brentq(_excess, low, high, args=(incidents, totals))
    weights = incidents / (totals + x)
    return np.asarray(weights / weights.sum())


def _excess(x: float, incidents: Floats, totals: Floats) -> float:
    return float((incidents / (totals + x)).sum() - 1.0)
