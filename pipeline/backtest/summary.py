"""The scores of a backtest, with intervals, as a record that JSON can hold."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecasts.bootstrap import LEAST_NIGHTS
from forecasts.calibration import Reliability
from forecasts.estimates import gain, plain, reliable
from pipeline.backtest.held import Backtest
from pipeline.backtest.rivals import ISSUED, MODEL, NO_BASELINES
from pipeline.backtest.scoring import coverage_of, of_first_day, scores_of
from pipeline.backtest.tallies import Tallies
from pipeline.baselines.recipe import REFERENCE
from pipeline.districts import Districts

Floats = NDArray[np.float64]
BAND_HOURS = 6
_LIBRARIES = "hexcast dask distributed xgboost numpy scipy pandas h3".split()


def summarize(backtest: Backtest) -> dict[str, Any]:
    """Everything that backtest.json holds; see docs/backtest.md."""
    config, schedule = backtest.known.config, backtest.schedule
    return {
        "city": config.name,
        "configuration": config.fingerprint,
        "from": str(schedule.request.first),
        "to": str(schedule.request.last),
        "refit_days": schedule.request.refit_days,
        "known_until": schedule.known_until.isoformat(),
        "nights": [night.isoformat() for night in schedule.nights],
        "left_out": [night.isoformat() for night in schedule.left_out],
        "has_intervals": len(schedule.nights) >= LEAST_NIGHTS,
        "cells": len(backtest.known.info.grid),
        "rivals": list(backtest.rivals),
        "districts": {"named": backtest.districts.are_named, "names": backtest.districts.names},
        "targets": {
            target: _target(target, tallies, backtest)
            for target, tallies in backtest.tallies.items()
        },
        "refits": [
            {"cutoff": period.refit.isoformat(), "nights": len(period.nights), "made": made}
            for period, made in zip(schedule.periods, backtest.made, strict=True)
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


def _target(target: str, tallies: Tallies, backtest: Backtest) -> dict[str, Any]:
    best = best_baseline(backtest.rivals, tallies)
    yardsticks = backtest.rivals.index(REFERENCE), backtest.rivals.index(best)
    places, cells = list(enumerate(backtest.rivals)), len(backtest.known.info.grid)
    scores = {name: scores_of(tallies, place, yardsticks, cells) for place, name in places}
    scores[ISSUED]["coverage"] = coverage_of(tallies)
    return {
        "incidents": int(of_first_day(tallies, tallies.incidents).sum()),
        "cell_hours": int(tallies.cell_hours.sum()),
        "best_baseline": best,
        "issued": _issued(target, backtest),
        "scores": scores,
        "reliability": {
            name: _reliability(tallies, place, backtest.districts) for place, name in places
        },
        "gain_by": {name: _gain_by(tallies, place, yardsticks) for place, name in places},
        "by_night": _by_night(tallies, backtest.rivals),
    }


def _issued(target: str, backtest: Backtest) -> dict[str, Any]:
    """On how many nights what was issued, and on how many there was a candidate."""
    nights: Counter[str] = Counter()
    candidates = 0
    for period, made in zip(backtest.schedule.periods, backtest.made, strict=True):
        record, count = made[target], len(period.nights)
        nights[MODEL if record["wins"] else record["baseline"]] += count
        candidates += count if record["has_candidate"] else 0
    return {"nights": dict(nights.most_common()), "candidate_nights": candidates}


def _reliability(tallies: Tallies, place: int, districts: Districts) -> dict[str, Any]:
    """Expected over observed by decile of the night's rate, by hour band and by district.

    The intervals of all bins of the three hold together.
    """
    bands = [f"{at:02d}-{at + BAND_HOURS:02d}" for at in range(0, 24, BAND_HOURS)]
    shape = (len(tallies.nights), len(bands), BAND_HOURS)
    hours = [
        by_hour(tallies, of_first_day(tallies, each))
        for each in (tallies.expected[:, place], tallies.incidents)
    ]
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
    every = sum(len(bins) for bins, _ in tables.values())
    return {
        name: _table(bins, reliable(pair[0], pair[1], bins=every), *pair)
        for name, (bins, pair) in tables.items()
    }


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
