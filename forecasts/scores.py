"""Scores of forecasts: pure functions on arrays.

Unless said otherwise, ``expected`` are forecast counts (0 or more) and ``counts`` the incidents
that happened, both (cell, hour); the hours may come from any number of runs. A score that nothing
can be said about, such as the hit rate of hours without an incident, is nan, never 0.

- Rhoades et al. 2011, "Efficient testing of earthquake forecasting models", Acta Geophysica 59:
  information gain per event, as used by CSEP.
- Chainey, Tompson and Uhlig 2008, "The utility of hotspot mapping for predicting spatial patterns
  of crime", Security Journal 21: PAI.
- Hunt 2016, "Do crime hot spots move?", dissertation, American University: PEI.
- Csiszar 1991, "Why least squares and maximum entropy?", Annals of Statistics 19: I-divergence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, kl_div, xlogy

from forecasts.ranking import hotspot_count, hottest, positions

NAN = float("nan")
AREA_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)  # of hit rates, PAI and PEI


def poisson_log_score(expected: ArrayLike, counts: ArrayLike) -> float:
    """Sum of the log probabilities of the counts, in nats; the higher, the better.

    ``log p = n log(m) - m - log(n!)``. It is -inf where an incident was given no chance.
    """
    m, n = _pair(expected, counts)
    return float(np.sum(xlogy(n, m) - m - gammaln(n + 1)))


def information_gain(log_score: float, reference_log_score: float, incidents: int) -> float:
    """Gain over a reference forecast of the same cells and hours, nats per incident (Rhoades)."""
    return (log_score - reference_log_score) / incidents if incidents else NAN


def divergence(expected: ArrayLike, reference: ArrayLike) -> float:
    """How far ahead of the reference a forecast is on average where it is true, in nats (Csiszar).

    ``sum m log(m / r) - m + r``: the mean of the difference of the two Poisson log scores over
    counts whose expectation is ``m`` cell by hour, whatever their law, since that difference is
    linear in the counts. Over the expected incidents it is the *ceiling* of the gain: what the
    forecast would gain were the world as it says. Both (cell, hour).
    """
    m, r = _pair(expected, reference)
    return float(kl_div(m, r).sum())


def hit_rate(expected: ArrayLike, counts: ArrayLike, area_share: float) -> float:
    """Share of the incidents that fell in the hottest share of the area, chosen hour by hour."""
    return hit_rates(expected, counts, [area_share])[0]


def hit_rates(expected: ArrayLike, counts: ArrayLike, shares: Sequence[float]) -> list[float]:
    """``hit_rate`` at several shares of the area, for which cells are put in order but once."""
    m, n = _pair(expected, counts)
    places = positions(m)
    return [_ratio(n[places < hotspot_count(len(m), s)].sum(), n.sum()) for s in shares]


def pai(expected: ArrayLike, counts: ArrayLike, area_share: float) -> float:
    """Predictive accuracy index ``(n/N) / (a/A)``: 1 is what an arbitrary choice gets (Chainey).

    ``a/A`` is the share that the chosen cells really are, whole cells as they must be.
    """
    cells = len(np.asarray(expected))
    chosen = hotspot_count(cells, area_share) / cells
    return float(pai_of_hits(hit_rate(expected, counts, area_share), 1.0, chosen))


def pei(expected: ArrayLike, counts: ArrayLike, area_share: float) -> float:
    """Predictive efficiency index ``n / n*``, at most 1 (Hunt).

    ``n*`` is the most that equally many cells could have held, chosen in hindsight every hour.
    """
    m, n = _pair(expected, counts)
    hits, most = n[hottest(m, area_share)].sum(), n[hottest(n, area_share)].sum()
    return float(pei_of_hits(hits, most))


def pai_of_hits(hits: ArrayLike, incidents: ArrayLike, area: ArrayLike) -> NDArray[np.float64]:
    """``pai`` from incidents in the chosen cells, all incidents, and the cells' share of the area.

    Arrays that broadcast; nan where there was no incident.
    """
    every = np.asarray(incidents, np.float64) * np.asarray(area, np.float64)
    return _ratios(*np.broadcast_arrays(np.asarray(hits, np.float64), every))


def pei_of_hits(hits: ArrayLike, most: ArrayLike) -> NDArray[np.float64]:
    """``pei`` from incidents in the chosen cells and the most that as many can have held."""
    pair = np.asarray(hits, np.float64), np.asarray(most, np.float64)
    return _ratios(*np.broadcast_arrays(*pair))


def brier(probability: ArrayLike, counts: ArrayLike) -> float:
    """Mean squared error of the probability of at least one incident; the lower, the better."""
    p, n = _pair(probability, counts)
    if p.size and p.max() > 1:
        raise ValueError(f"probability {p.max()} is above 1: give probabilities, not counts")
    return float(np.mean((p - (n > 0)) ** 2)) if p.size else NAN


def auc(expected: ArrayLike, counts: ArrayLike) -> float:
    """Chance that a cell-hour with incidents was expected to have more than one without.

    Pooled over cells and hours, so mostly a measure of place; ties count half (Mann-Whitney).
    """
    m, n = _pair(expected, counts)
    hit = n > 0
    hits, misses = int(hit.sum()), int((~hit).sum())
    everywhere, there = np.sort(m, axis=None), np.sort(m[hit])
    # Ranks from 1, equal ones at their middle.
    ends = np.searchsorted(everywhere, there, "left"), np.searchsorted(everywhere, there, "right")
    above = (ends[0] + ends[1] + 1).sum() / 2 - hits * (hits + 1) / 2
    return _ratio(above, hits * misses)


def auc_within_cells(expected: ArrayLike, counts: ArrayLike) -> float:
    """The same chance for two hours of one cell: what a forecast knows of time, place left out.

    Over all such pairs of all cells, so that a cell with more incidents counts more.
    """
    return _ratio(*pairs_within_cells(expected, counts))


def pairs_within_cells(expected: ArrayLike, counts: ArrayLike) -> tuple[float, int]:
    """Those pairs that ``auc_within_cells`` is of: how many were ranked rightly, and all.

    Equal ones count half. What is left of a forecast where only these sums are kept.
    """
    from scipy.stats import rankdata  # a third of a second to load, which no night needs

    m, n = _pair(expected, counts)
    hit = n > 0
    hits, misses = hit.sum(axis=1), (~hit).sum(axis=1)
    ranks = rankdata(m, axis=1) if hit.any() else np.zeros_like(m)
    above = (ranks * hit).sum(axis=1) - hits * (hits + 1) / 2
    return float(above.sum()), int((hits * misses).sum())


def average_precision(expected: ArrayLike, counts: ArrayLike) -> float:
    """Mean precision over the cell-hours with incidents, hottest first, equal ones at once.

    Pooled over cells and hours. What chance gets is the share of cell-hours with incidents.
    """
    m, n = _pair(expected, counts)
    everywhere, there = np.sort(m, axis=None), np.sort(m[n > 0])
    # How many are at least as hot, of all cell-hours and of those with incidents.
    taken = len(everywhere) - np.searchsorted(everywhere, there)
    hits = len(there) - np.searchsorted(there, there)
    return _ratio((hits / taken).sum(), len(there))


def auc_of_bins(hits: ArrayLike, misses: ArrayLike) -> NDArray[np.float64]:
    """``auc`` from cell-hours that were counted by bins of what was expected.

    ``hits``, ``misses``: (..., bin) cell-hours with and without incidents, the coldest bin first;
    those of one bin count as equal. Returns (...), nan where one of the two is missing.
    """
    h, m = np.asarray(hits, np.float64), np.asarray(misses, np.float64)
    above = (h * (np.cumsum(m, axis=-1) - m / 2)).sum(axis=-1)
    return _ratios(above, h.sum(axis=-1) * m.sum(axis=-1))


def average_precision_of_bins(hits: ArrayLike, misses: ArrayLike) -> NDArray[np.float64]:
    """``average_precision`` from cell-hours counted by bins, as in ``auc_of_bins``."""
    h, m = (np.asarray(each, np.float64)[..., ::-1] for each in (hits, misses))
    found = np.cumsum(h, axis=-1)
    looked_at = found + np.cumsum(m, axis=-1)
    precision = np.divide(found, looked_at, out=np.zeros_like(found), where=looked_at > 0)
    return _ratios((precision * h).sum(axis=-1), h.sum(axis=-1))


def _ratios(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full_like(part, NAN), where=whole > 0)


def _pair(
    forecast: ArrayLike, counts: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    f, n = np.asarray(forecast, np.float64), np.asarray(counts, np.float64)
    if f.shape != n.shape or f.ndim != 2:
        raise ValueError(f"the forecast is {f.shape}, counts {n.shape}: both must be (cell, hour)")
    for name, values in (("the forecast", f), ("counts", n)):
        bad = ~(np.isfinite(values) & (values >= 0))
        if bad.any():
            raise ValueError(
                f"{name}: {int(bad.sum())} values are negative or not finite, the first is"
                f" {values[bad][0]}: a score needs every cell and hour, 0 or more"
            )
    return f, n


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else NAN
