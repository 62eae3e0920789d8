"""What each group of features is worth, and what candidates would add: one city, one table.

    python benchmarks/ablation.py configs/denver.yaml --to 2023-12-01

Rows are made once; the last 84 mature nights before ``--to`` are held out. On the same rows a model
is fitted with all features, without each group, and with each candidate beside all of them, and its
gain over the reference is compared with the full model's, night by night. Nothing that became known
after ``--to`` is read. To be quick, nights held out are scored on all incidents and a weighted
sample of the empty cell-hours, the same for all variants. A variant is the mean over seeds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from ablation_rows import Rows, Work, by_night, joined, make_rows
from numpy.typing import NDArray

from forecasts.bootstrap import interval
from grids.clock import nightly_cutoffs
from pipeline.baselines.recent import ages
from pipeline.baselines.spread import near_pairs, symmetric
from pipeline.city import make_calendar
from pipeline.context.config import CalendarConfig
from pipeline.context.context import Context
from pipeline.known import Known, read_known
from pipeline.learning.boosting import PARAMETERS
from pipeline.learning.features import (
    DAYLIGHT,
    FEATURE_NAMES,
    FEATURES,
    HOLIDAYS,
    MISSING,
    PAYDAYS,
    Feature,
    log_code,
)
from pipeline.load import load_config
from pipeline.night import MONTH, WEEK, YEAR, Night
from pipeline.replay import cut_blocks, mature_nights
from pipeline.state import Floats

HELD_NIGHTS = 84
ROUNDS = 160
EMPTY_TO_FIT, EMPTY_TO_JUDGE = 4.0, 20.0  # cell-hours for each incident
NEAR_METRES, NEAR_DAYS = 400.0, (3, 7, 14)

GROUPS: dict[str, tuple[str, ...]] = {
    "rates": ("rate_",),
    "rings": ("ring1_", "ring2_", "all_ring1", "hour_of_day_ring1", "part_of_week_ring1", "kernel"),
    "other groups' rates": ("all_",),
    "own clocks": ("own_", "mixture_own", "hour_of_day", "hour_unsmoothed", "part_of_week"),
    "trend, adapted, city's level": ("trend", "adapted", "city_7d", "city_28d"),
    "reporting delay": ("reported_",),
    "calendar": ("local_hour", "weekday", "day_of_month", "month", "city_week_factor"),
    "plain forecasts": ("mixture", "composed", "reference", "blend", "kernel"),
}


def candidates(known: Known) -> dict[str, tuple[Feature, ...]]:
    """Features that are not shipped, by what they are called in the table."""
    grid = known.info.grid
    parents = {up: grid.parents(up)[1] for up in (1, 2)}
    pairs, _ = near_pairs(grid.metres, NEAR_METRES)
    near = symmetric(len(grid), pairs, np.ones(len(pairs)), 1.0)

    def parent(night: Night, up: int, half_life: int) -> Floats:
        """The mean rate of the cells below the cell's parent."""
        of_cell = parents[up]
        sums = np.bincount(of_cell, night.rates[:, half_life])
        return (sums / np.bincount(of_cell))[of_cell][:, None]

    def repeats(night: Night, days: int) -> Floats:
        """Incidents of the last days within reach, known at the cutoff."""
        lately = night.recent.sign * (ages(night) < 24 * days)
        return (near @ np.bincount(night.recent.cell, lately, night.spec.cells))[:, None]

    def rate(values: Floats) -> NDArray[np.uint8]:
        return log_code(values, 1e-6, 10.0)

    def count(values: Floats) -> NDArray[np.uint8]:
        return np.clip(values, 0, 250).astype(np.uint8)

    lives = {"7d": WEEK, "28d": MONTH, "365d": YEAR}
    above = {
        up: tuple(
            Feature(f"parent{up}_{name}", lambda n, u=up, h=half: parent(n, u, h), rate)
            for name, half in lives.items()
        )
        for up in (1, 2)
    }
    repeated = tuple(
        Feature(f"near_{days}d", lambda n, d=days: repeats(n, d), count) for days in NEAR_DAYS
    )
    return {
        "rates of parents, one resolution up": above[1],
        "rates of parents, two up": above[2],
        "near repeats, 400 m, 3, 7 and 14 days": repeated,
        "holidays, eves, days after": HOLIDAYS,
        "paydays": PAYDAYS,
        "daylight": DAYLIGHT,
    }


@dataclass(frozen=True)
class Variant:
    """``columns``: of the codes. ``started``: from the composed forecast, else from the mean."""

    name: str
    columns: tuple[int, ...]
    started: bool = True


def variants(extra: dict[str, tuple[Feature, ...]], names: Sequence[str]) -> Iterator[Variant]:
    """The full model first; then without each group, then with each candidate."""
    shipped = tuple(range(len(FEATURE_NAMES)))
    yield Variant("all features", shipped)
    for group, begins in GROUPS.items():
        kept = tuple(at for at in shipped if not names[at].startswith(begins))
        yield Variant(f"without {group}", kept)
    yield Variant("without the start", shipped, started=False)
    for candidate, features in extra.items():
        added = tuple(names.index(feature.name) for feature in features)
        yield Variant(f"with {candidate}", shipped + added)


def log_scores(
    variant: Variant, fit: Rows, held: Rows, ends: NDArray[np.int64], seed: int
) -> Floats:
    """(night,) log score of a model fitted on ``fit``; ``ends``: of the nights' rows."""
    columns = np.array(variant.columns)
    level = np.float32(np.log(fit.counts.sum() / fit.weights.sum()))

    def margin(rows: Rows) -> NDArray[np.float32]:
        return rows.starts if variant.started else np.full(len(rows.starts), level)

    matrix = xgboost.QuantileDMatrix(
        fit.codes[:, columns], fit.counts, weight=fit.weights, base_margin=margin(fit),
        missing=MISSING, max_bin=PARAMETERS["max_bin"],
    )  # fmt: skip
    booster = xgboost.train(PARAMETERS | {"seed": seed}, matrix, ROUNDS)
    codes = np.ascontiguousarray(held.codes[:, columns])
    expected = booster.inplace_predict(codes, missing=MISSING, base_margin=margin(held))
    return by_night(held, expected, ends)


def compare(
    known: Known, cutoff: datetime, nights: int, seeds: int, processes: int
) -> Iterator[dict[str, Any]]:
    """After every seed, the gains of every variant, with paired differences to the full model."""
    named = known.config.calendar or CalendarConfig()
    city = replace(
        known.city, context=Context(make_calendar(named, known.config.timezone, known.info))
    )
    members = known.members["all"]
    every = nightly_cutoffs(city.spec.started, cutoff, known.config.cutoff, known.config.zone)
    mature = mature_nights(city, every, cutoff, known.label_wait)[-nights - HELD_NIGHTS :]
    learned, judged = mature[:-HELD_NIGHTS], mature[-HELD_NIGHTS:]
    extra = candidates(known)
    features = FEATURES + tuple(feature for group in extra.values() for feature in group)
    began = time.perf_counter()
    parts = [
        make_rows(Work(city, blocks, members, features, empty), processes)
        for blocks, empty in (
            (cut_blocks(city, known.arrivals, learned, 28), EMPTY_TO_FIT),
            (cut_blocks(city, known.arrivals, judged, 28), EMPTY_TO_JUDGE),
        )
    ]
    fit, held = map(joined, parts)
    ends = np.cumsum([len(part.counts) for part in parts[1]])
    incidents = np.array([part.counts.sum() for part in parts[1]], np.float64)
    reference = by_night(held, held.reference, ends)
    print(f"{len(fit.counts):,} rows to fit on, {learned[0]:%Y-%m-%d} to {learned[-1]:%Y-%m-%d}; "
          f"{len(judged)} nights held out, {judged[0]:%Y-%m-%d} to {judged[-1]:%Y-%m-%d}, "
          f"{incidents.sum():,.0f} incidents, {len(held.counts):,} rows; all made in "
          f"{time.perf_counter() - began:.0f} s", flush=True)  # fmt: skip
    names = [feature.name for feature in features]
    scores: dict[Variant, list[Floats]] = {each: [] for each in variants(extra, names)}
    for seed in range(1, seeds + 1):
        for variant, found in scores.items():
            found.append(log_scores(variant, fit, held, ends, seed))
            full = np.array(next(iter(scores.values())))
            print(_line(_result(variant, np.array(found), full, reference, incidents)), flush=True)
        yield {
            "rows": len(fit.counts),
            "incidents": incidents.sum(),
            "seeds": seed,
            "seconds": time.perf_counter() - began,
            "variants": [
                _result(v, np.array(s), full, reference, incidents) for v, s in scores.items()
            ],
        }


def _result(
    variant: Variant, scores: Floats, full: Floats, reference: Floats, incidents: Floats
) -> dict[str, Any]:
    def against(other: Floats) -> dict[str, float]:
        sums = np.stack([scores.mean(axis=0) - other, incidents], axis=1)
        low, high = interval(sums, lambda drawn: drawn[:, 0] / drawn[:, 1])
        return {"gain": sums[:, 0].sum() / incidents.sum(), "low": float(low), "high": float(high)}

    by_seed = (scores.sum(axis=1) - reference.sum()) / incidents.sum()
    return {
        "name": variant.name,
        "columns": len(variant.columns),
        "over_reference": against(reference),
        "over_full": against(full.mean(axis=0)),
        "by_seed": by_seed.tolist(),
    }


def _line(result: dict[str, Any]) -> str:
    over, full = result["over_reference"], result["over_full"]
    seeds = result["by_seed"]
    said = f"{full['gain']:+.4f} [{full['low']:+.4f}, {full['high']:+.4f}]"
    gain = f"{over['gain']:.4f} [{over['low']:.4f}, {over['high']:.4f}]"
    spread = f"{min(seeds):.4f} to {max(seeds):.4f}"
    is_full = result["name"] == "all features"
    return f"| {result['name']} | {gain} | {'' if is_full else said} | {spread} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--to", required=True, help="date; nothing known later is read")
    parser.add_argument("--nights", type=int, default=730, help="to fit on")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    config = load_config(options.config)
    cutoff = datetime.fromisoformat(options.to).replace(tzinfo=config.zone)
    known = read_known(config).at(cutoff)
    for found in compare(known, cutoff, options.nights, options.seeds, options.processes):
        print(f"mean of {found['seeds']} seeds, {found['seconds']:.0f} s\n", flush=True)
        if options.json:
            options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
