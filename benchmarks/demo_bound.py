"""How near the demo's truth any forecaster can come: one that knows all but where hotspots went.

The truth of the demo city holds the path of its drift, which nobody can know who sees incidents
alone. This observer is told everything else (rates, clocks, seasons, excitation, how the drift
moves and how alike neighbours are, every incident at once and without error) and infers the path
day by day with an extended Kalman filter: log-factors x follow an Ornstein-Uhlenbeck process, the
counts of a few days are Poisson given x. Its forecast is the drift's mean given what it saw.

Durbin and Koopman 2012, "Time Series Analysis by State Space Methods", chapters 9 and 10.

    hexcast demo; python benchmarks/demo_bound.py var/demo
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np

from grids.clock import reference_hour
from grids.hours import HourRange
from pipeline.demo.city import DRIFT_MEMORY_DAYS, DRIFT_SIZE, DemoCity
from pipeline.demo.kinds import CATEGORIES
from pipeline.demo.recipe import TRUTH, demo_config, score_beside
from pipeline.demo.reports import report_versions
from pipeline.demo.simulate import Incidents, expected_given, simulate
from pipeline.learning.train import MODEL
from pipeline.night import Night
from pipeline.state import Floats

STEP_DAYS = 3
OBSERVER = "observer"


def inferred_drift(demo: DemoCity, incidents: Incidents, first: int) -> dict[int, Floats]:
    """(cell,) the drift's mean given all incidents before a day, by day from ``first`` on."""
    alike = demo.alikeness * DRIFT_SIZE**2
    keep = np.exp(-STEP_DAYS / DRIFT_MEMORY_DAYS)
    mean, spread = np.zeros(len(alike)), alike.copy()
    # The factor that keeps the city's total is one number, which the observer is told.
    level = float(np.log(demo.drift).mean())
    found = {}
    for day, base, seen, excited in steps(demo, incidents):
        if day >= first:
            found.update({
                day + ahead: np.exp(level + mean + np.diag(spread) / 2)
                for ahead in range(STEP_DAYS)
            })  # fmt: skip
        expected = base * np.exp(level + mean)
        slope = expected / (expected + excited)
        gradient = slope * (seen - expected - excited)
        root = np.sqrt(slope * expected)
        inner = np.eye(len(root)) + root[:, None] * spread * root
        spread = spread - (spread * root) @ np.linalg.solve(inner, (spread * root).T)
        mean = mean + spread @ gradient
        mean, spread = keep * mean, keep**2 * spread + (1 - keep**2) * alike
    return found


def steps(demo: DemoCity, incidents: Incidents) -> Iterator[tuple[int, Floats, Floats, Floats]]:
    """Days since the start, and (cell,) background without drift, incidents, and excitation."""
    trigger = np.zeros(demo.rates.shape)
    for day in range(0, demo.days - STEP_DAYS + 1, STEP_DAYS):
        start = demo.hours.start + 24 * day
        hours = HourRange(start, start + 24 * STEP_DAYS)
        counts = incidents.counts(hours)
        drift = np.repeat(demo.drift[day : day + STEP_DAYS], 24, axis=0)
        base = (demo.background(hours).sum(axis=2) / drift).sum(axis=0)
        excited = np.zeros(len(base))
        for hour in range(len(hours)):
            excited += trigger.sum(axis=1)
            trigger = demo.excite(trigger, counts[:, hour].astype(np.float64))
        yield day, base, counts.sum(axis=(1, 2)).astype(np.float64), excited


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="where hexcast demo wrote, as in var/demo")
    folder = parser.parse_args().folder
    demo, config = DemoCity(), demo_config(folder)
    incidents = simulate(demo)
    versions = report_versions(demo, incidents)
    drift = inferred_drift(demo, incidents, first=demo.days - 200)
    manifest = json.loads((folder / "latest" / "manifest.json").read_text())
    for model in manifest["models"]:
        groups = config.targets[model["target"]]
        kinds = [place for place, kind in enumerate(CATEGORIES) if kind.group in groups]

        def observer(night: Night, kinds: list[int] = kinds) -> Floats:
            hours = HourRange(reference_hour(night.state.as_of), night.hours.stop)
            day = (night.hours.start - demo.hours.start) // 24
            background = demo.background(hours)[:, :, kinds].sum(axis=2).T
            true = expected_given(demo, versions, night.state.as_of, hours)[:, :, kinds].sum(axis=2)
            told = demo.drift[np.minimum((hours.values - demo.hours.start) // 24, demo.days - 1)].T
            return np.asarray(true - background + background / told * drift[day][:, None])

        cutoff = datetime.fromisoformat(manifest["as_of"])
        found = score_beside(config, demo, model["target"], cutoff, {OBSERVER: observer})
        gains = {n: s["gain_over_reference"] for n, s in {**model["holdout"], **found}.items()}
        best = max(g for n, g in gains.items() if n not in (MODEL, TRUTH, OBSERVER))
        shown = {n: round(gains[n] - best, 4) for n in (MODEL, OBSERVER, TRUTH) if n in gains}
        print(model["target"], "gain over the best baseline, nats per incident:", shown)


if __name__ == "__main__":
    main()
