"""The scores of one rival over all nights, with intervals, from its tallies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecasts import scores
from forecasts.calibration import number_test
from forecasts.estimates import Estimate, calibration, estimate, gain, plain, ratio, reached
from forecasts.ranking import hotspot_count
from pipeline.backtest.tallies import CURVE_SHARES, SCALES, SCOPES, Tallies

Floats = NDArray[np.float64]
_AT = [CURVE_SHARES.index(share) for share in scores.AREA_SHARES]


def scores_of(
    tallies: Tallies, place: int, yardsticks: tuple[int, int], cells: int
) -> dict[str, Any]:
    """Scores of the rival at ``place``, as JSON has them; see docs/backtest.md.

    ``yardsticks``: places of the reference and of the best baseline. ``cells``: of the grid.
    """
    log_score, expected = tallies.log_score.sum(axis=2), tallies.expected[:, place].sum(axis=1)
    incidents = tallies.incidents.sum(axis=1)
    reference, best = (log_score[:, at] for at in yardsticks)
    ours, divergence = log_score[:, place], tallies.divergence[:, place]
    # An hour is in them once, where horizons of several days overlap.
    once = of_first_day(tallies, tallies.expected[:, place]).sum(axis=1)
    happened = of_first_day(tallies, tallies.incidents).sum(axis=1)
    tests = number_test(float(once.sum()), int(happened.sum()))
    found: dict[str, Any] = {
        "log_score": plain(ours.sum()),
        "expected": float(once.sum()),
        "gain_over_reference": gain(ours, reference, incidents),
        "gain_over_best_baseline": gain(ours, best, incidents),
        "ceiling": ratio(divergence, expected),
        "reached": reached(ours, reference, incidents, divergence, expected),
        "expected_over_observed": calibration(once, happened),
        "csep_number_test": {"p_too_few": tests[0], "p_too_many": tests[1]},
        "brier": ratio(tallies.squared_error[:, place], tallies.cell_hours),
        "auc_within_cells": _within_cells(tallies, place),
        **_ranking(tallies.bins[:, place], tallies.bins[:, yardsticks[0]]),
        "areas": {scale: _areas(tallies, place, at, cells) for at, scale in enumerate(SCALES)},
    }
    return {name: _jsonable(value) for name, value in found.items()}


def coverage_of(tallies: Tallies) -> dict[str, Any] | None:
    """How the intervals around what was issued held, by kind of sum; None without a law."""
    if not tallies.covered.any():
        return None
    held = {scope: _coverage(tallies.covered[:, at]) for at, scope in enumerate(SCOPES)}
    return {scope: _jsonable(each) for scope, each in held.items()}


def of_first_day(tallies: Tallies, values: NDArray[Any]) -> NDArray[Any]:
    """(night, ..., lead) sums, 0 beyond the next cutoff."""
    leads = np.arange(values.shape[-1])
    is_first = leads < tallies.first_day[:, None]
    between = (1,) * (values.ndim - 2)
    return values * is_first.reshape(len(is_first), *between, len(leads))


def _within_cells(tallies: Tallies, place: int) -> Estimate:
    """A chunk's pairs stand at its first night, so that blocks of seven nights draw them whole."""
    pairs = np.zeros((len(tallies.nights), 2))
    at = np.searchsorted(tallies.nights, tallies.chunk_first)
    pairs[at] = np.stack([tallies.within_right[:, place], tallies.within_pairs], axis=1)
    return estimate(pairs, lambda s: s[:, 0] / s[:, 1])


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _jsonable(each) for name, each in value.items()}
    return value.to_dict() if isinstance(value, Estimate) else value


def _ranking(bins: NDArray[np.int64], reference: NDArray[np.int64]) -> dict[str, Estimate]:
    """AUC, average precision, and its ratio to the reference's, from (night, 2, bin)."""
    both = np.concatenate([bins, reference], axis=1)
    both = both[:, :, both.any(axis=(0, 1))]  # most bins are empty: leave them out

    def statistics(sums: Floats) -> Floats:
        precision = scores.average_precision_of_bins(sums[:, 0], sums[:, 1])
        against = precision / scores.average_precision_of_bins(sums[:, 2], sums[:, 3])
        return np.stack([scores.auc_of_bins(sums[:, 0], sums[:, 1]), precision, against], axis=1)

    found = estimate(both, statistics)
    names = ("auc", "average_precision", "average_precision_over_reference")
    columns = zip(names, found.value, found.low, found.high, strict=True)
    return {name: Estimate(*values) for name, *values in columns}


def _areas(tallies: Tallies, place: int, scale: int, cells: int) -> dict[str, Any]:
    """Hit rate, PAI and PEI at every share of the area, chosen by the hour or for the night."""
    hits, most = tallies.hits[:, place, scale, _AT], tallies.most[:, scale, _AT]
    every = np.broadcast_to(tallies.incidents.sum(axis=1)[:, None], hits.shape)
    area = np.array([hotspot_count(cells, share) / cells for share in scores.AREA_SHARES])
    sums = np.stack([hits, every, most], axis=1)
    found = {
        "hit_rate": estimate(sums, lambda s: s[:, 0] / s[:, 1]),
        "pai": estimate(sums, lambda s: scores.pai_of_hits(s[:, 0], s[:, 1], area)),
        "pei": estimate(sums, lambda s: scores.pei_of_hits(s[:, 0], s[:, 2])),
    }
    names = [f"{share:.0%}" for share in scores.AREA_SHARES]
    return {
        score: {
            share: Estimate(*values)
            for share, *values in zip(names, each.value, each.low, each.high, strict=True)
        }
        for score, each in found.items()
    }


def _coverage(counts: NDArray[np.int64]) -> dict[str, Any]:
    """``counts``: (night, 3) sums below, in and above their interval."""
    below, inside, above = (int(each) for each in counts.sum(axis=0))
    share = ratio(counts[:, 1], counts.sum(axis=1))
    return {"sums": below + inside + above, "below": below, "above": above, "share": share}
