"""Prospective hotspots: what happened lately and near by counts for more.

Bowers, Johnson and Pease 2004, "Prospective hot-spotting: the future of crime mapping?", British
Journal of Criminology 44:641. A cell's risk is the sum over the incidents of the last two months
within 400 m of ``1 / (1 + whole weeks since) x 1 / (1 + cells away)``.

Made an expected count by the city's rate of the last month (reporting delay taken out), and mixed
with the yearly rate in the share that the past tells, since most cells have no risk by the formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from pipeline.baselines.mixture import fit_weights
from pipeline.baselines.parts import Parts, clocked, with_uniform
from pipeline.baselines.past import PastNight, evidence
from pipeline.baselines.recent import ages
from pipeline.baselines.spread import near_pairs, spacing, symmetric
from pipeline.delay import share_at
from pipeline.night import MONTH, YEAR, Night, Place
from pipeline.state import Floats

MONTHS = 24.0 * 61  # two months, hours
WITHIN = 400.0  # metres
UNFITTED: dict[str, Any] = {"recent_share": 0.0}
_LEAST_SHARE = 0.25  # no incident stands for more than four, however soon it was reported


def fit_prospective(past: Sequence[PastNight]) -> dict[str, Any]:
    """``recent_share``: the share of the prospective risk; the rest is the yearly rate's."""
    return {"recent_share": float(fit_weights(evidence(past, _parts))[1])}


def forecast_prospective(night: Night, parameters: dict[str, Any]) -> Floats:
    """(cell, hour) expected counts."""
    share = parameters["recent_share"]
    return _parts(night).mixed(np.array([1 - share, share]))


def _parts(night: Night) -> Parts:
    risk = risk_of(night)
    total = risk.sum()
    yearly = with_uniform(night.rates[:, [YEAR]])
    if total <= 0:  # nothing recent is known: the yearly rate is all there is
        return clocked(night, np.repeat(yearly, 2, axis=1))
    lately = risk * (night.rates[:, MONTH].sum() / total)
    return clocked(night, np.column_stack([yearly, lately]))


def risk_of(night: Night) -> Floats:
    """(cell,) risk by the formula; an incident stands for those of its age not reported yet."""
    age, events = ages(night), night.recent
    weight = (age < MONTHS) / (1 + age // 168)
    known = np.maximum(share_at(night.shares, age), _LEAST_SHARE)
    own = np.bincount(events.cell, events.sign * weight / known, minlength=night.spec.cells)
    return np.asarray(_nearness(night.place) @ own)


@lru_cache(maxsize=2)
def _nearness(place: Place) -> csr_array:
    """(cell, cell) ``1 / (1 + cells away)`` within 400 m of each other's centres, else 0."""
    pairs, apart = near_pairs(place.metres, WITHIN)
    cells_away = np.round(apart / spacing(place.metres)) if len(pairs) else apart
    return symmetric(len(place.metres), pairs, 1 / (1 + cells_away), 1.0)
