"""The scores of a backtest, with intervals, as a record that JSON can hold."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecasts.calibration import Reliability, number_test
from forecasts.ranking import hotspot_count
from forecasts.scores import auc_of_bins, average_precision_of_bins
from pipeline.backtest.estimates import (
    MIN_NIGHTS,
    Estimate,
    estimate,
    gain,
    plain,
    ratio,
    reliable,
)
from pipeline.backtest.known import Backtest
from pipeline.backtest.rivals import NO_BASELINES
from pipeline.backtest.tallies import AREA_SHARES, CURVE_SHARES, SCALES, SCOPES, Tallies
from pipeline.baselines.recipe import REFERENCE
from pipeline.districts import Districts

Floats = NDArray[np.float64]
BAND_HOURS = 6
_LIBRARIES = "hexcast dask distributed xgboost numpy scipy pandas h3".split()
_AT = [CURVE_SHARES.index(share) for share in AREA_SHARES]


def summarize(backtest: Backtest) -> dict[str, Any]:
    """Everything that backtest.json holds; see docs/backtest.md."""
    config, plan = backtest.known.config, backtest.plan
    return {
        "city": config.name,
        "configuration": config.fingerprint,
        "from": str(plan.request.first),
        "to": str(plan.request.last),
        "refit_days": plan.request.refit_days,
        "known_until": plan.known_until.isoformat(),
        "nights": [night.isoformat() for night in plan.nights],
        "left_out": [night.isoformat() for night in plan.left_out],
        "has_intervals": len(plan.nights) >= MIN_NIGHTS,
        "cells": len(backtest.known.info.grid),
        "rivals": list(backtest.rivals),
        "districts": {"named": backtest.districts.are_named, "names": backtest.districts.names},
        "targets": {
            target: _target(tallies, backtest) for target, tallies in backtest.tallies.items()
        },
        "refits": [
            {"cutoff": period.refit.isoformat(), "nights": len(period.nights), "made": made}
            for period, made in zip(plan.periods, backtest.made, strict=True)
        ],
        "seconds": {name: round(value, 1) for name, value in backtest.seconds.items()},
        "versions": {name: version(name) for name in _LIBRARIES},
    }


def best_baseline(rivals: tuple[str, ...], tallies: Tallies) -> str:
    """The baseline with the highest log score, known only in hindsight: the hardest to beat."""
    totals = tallies.log_score.sum(axis=(0, 2))
    baselines = [place for place, name in enumerate(rivals) if name not in NO_BASELINES]
    return rivals[max(baselines, key=lambda place: totals[place])]


def by_hour(tallies: Tallies, values: NDArray[Any]) -> Floats:
    """(night, ..., lead) sums moved to (night, ..., local hour of the day)."""
    is_hour = tallies.hour_of_day[:, :, None] == np.arange(24)
    return np.asarray(np.einsum("n...l,nlh->n...h", values, is_hour.astype(np.float64)))


def _target(tallies: Tallies, backtest: Backtest) -> dict[str, Any]:
    best = best_baseline(backtest.rivals, tallies)
    yardsticks = backtest.rivals.index(REFERENCE), backtest.rivals.index(best)
    places = list(enumerate(backtest.rivals))
    return {
        "incidents": int(tallies.incidents.sum()),
        "cell_hours": int(tallies.cell_hours.sum()),
        "best_baseline": best,
        "scores": {
            name: _scores(tallies, place, yardsticks, len(backtest.known.info.grid))
            for place, name in places
        },
        "reliability": {
            name: _reliability(tallies, place, backtest.districts) for place, name in places
        },
        "gain_by": {name: _gain_by(tallies, place, yardsticks) for place, name in places},
        "by_night": _by_night(tallies, backtest.rivals),
    }


def _scores(
    tallies: Tallies, place: int, yardsticks: tuple[int, int], cells: int
) -> dict[str, Any]:
    """Scores of one rival; see docs/backtest.md."""
    reference, best = yardsticks
    log_score = tallies.log_score.sum(axis=2)
    expected = tallies.expected[:, place].sum(axis=1)
    incidents = tallies.incidents.sum(axis=1)
    tests = number_test(float(expected.sum()), int(incidents.sum()))
    found: dict[str, Any] = {
        "log_score": plain(log_score[:, place].sum()),
        "expected": float(expected.sum()),
        "number_test": {"p_too_few": tests[0], "p_too_many": tests[1]},
        "gain_over_reference": gain(log_score[:, place], log_score[:, reference], incidents),
        "gain_over_best_baseline": gain(log_score[:, place], log_score[:, best], incidents),
        "expected_over_observed": ratio(expected, incidents),
        "brier": ratio(tallies.squared_error[:, place], tallies.cell_hours),
        "auc_within_cells": estimate(
            np.stack([tallies.within_right[:, place], tallies.within_pairs], axis=1),
            lambda s: s[:, 0] / s[:, 1],
            block=1,  # a chunk is a week already
        ),
        **_ranking(tallies.bins[:, place], tallies.bins[:, reference]),
        "areas": {scale: _areas(tallies, place, at, cells) for at, scale in enumerate(SCALES)},
    }
    covered = {scope: _coverage(tallies.covered[:, place, at]) for at, scope in enumerate(SCOPES)}
    found["coverage"] = covered if tallies.covered.any() else None
    return {name: _jsonable(value) for name, value in found.items()}


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _jsonable(each) for name, each in value.items()}
    return value.to_dict() if isinstance(value, Estimate) else value


def _ranking(bins: NDArray[np.int64], reference: NDArray[np.int64]) -> dict[str, Estimate]:
    """AUC, average precision, and its ratio to the reference's, from (night, 2, bin)."""
    both = np.concatenate([bins, reference], axis=1)
    both = both[:, :, both.any(axis=(0, 1))]  # most bins are empty: leave them out

    def statistics(sums: Floats) -> Floats:
        precision = average_precision_of_bins(sums[:, 0], sums[:, 1])
        against = precision / average_precision_of_bins(sums[:, 2], sums[:, 3])
        return np.stack([auc_of_bins(sums[:, 0], sums[:, 1]), precision, against], axis=1)

    found = estimate(both, statistics)
    names = ("auc", "average_precision", "average_precision_over_reference")
    columns = zip(names, found.value, found.low, found.high, strict=True)
    return {name: Estimate(*values) for name, *values in columns}


def _areas(tallies: Tallies, place: int, scale: int, cells: int) -> dict[str, Any]:
    """Hit rate, PAI and PEI at every share of the area, chosen by the hour or for the night."""
    names = [f"{share:.0%}" for share in AREA_SHARES]
    hits, most = tallies.hits[:, place, scale, _AT], tallies.most[:, scale, _AT]
    every = np.broadcast_to(tallies.incidents.sum(axis=1)[:, None], hits.shape)
    shares = np.array([hotspot_count(cells, share) / cells for share in AREA_SHARES])
    found = {"hit_rate": ratio(hits, every), "pai": ratio(hits, every * shares)}
    found["pei"] = ratio(hits, most)
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


def _reliability(tallies: Tallies, place: int, districts: Districts) -> dict[str, Any]:
    """Expected over observed by decile of the night's rate, by hour band and by district."""
    bands = [f"{at:02d}-{at + BAND_HOURS:02d}" for at in range(0, 24, BAND_HOURS)]
    shape = (len(tallies.nights), len(bands), BAND_HOURS)
    hours = [by_hour(tallies, each) for each in (tallies.expected[:, place], tallies.incidents)]
    tables = {
        "decile": (
            [str(at + 1) for at in range(tallies.decile_expected.shape[2])],
            (tallies.decile_expected[:, place], tallies.decile_observed[:, place]),
        ),
        "hour band": (bands, [each.reshape(shape).sum(axis=2) for each in hours]),
        "district": (
            list(districts.names),
            (tallies.district_expected[:, place], tallies.district_observed),
        ),
    }
    return {name: _table(bins, reliable(*pair), *pair) for name, (bins, pair) in tables.items()}


def _table(
    bins: list[str], found: Reliability | None, expected: Floats, observed: Floats
) -> dict[str, Any]:
    sums = {"bins": bins, "expected": plain(expected.sum(axis=0))}
    sums["observed"] = [int(each) for each in observed.sum(axis=0)]
    if found is None:
        return sums
    ends = {name: plain(getattr(found, name)) for name in ("ratio", "low", "high")}
    return {**sums, **ends, "is_off": found.is_off.tolist(), "level": found.level}


def _gain_by(tallies: Tallies, place: int, yardsticks: tuple[int, int]) -> dict[str, Any]:
    """Gain over the best baseline by lead hour and by local hour of the day."""
    scores, best = tallies.log_score, yardsticks[1]
    leads = int((tallies.hour_of_day >= 0).any(axis=0).sum())
    parts = scores[:, place], scores[:, best], tallies.incidents
    lead = gain(*(each[:, :leads] for each in parts))
    hour = gain(*(by_hour(tallies, each) for each in parts))
    return {"lead": lead.to_dict(), "hour_of_day": hour.to_dict()}


def _by_night(tallies: Tallies, rivals: tuple[str, ...]) -> dict[str, Any]:
    score, expected = (each.sum(axis=2) for each in (tallies.log_score, tallies.expected))
    return {
        "incidents": plain(tallies.incidents.sum(axis=1)),
        "log_score": {name: plain(score[:, place]) for place, name in enumerate(rivals)},
        "expected": {name: plain(expected[:, place]) for place, name in enumerate(rivals)},
    }
