"""The demo: a made-up city's feed, its night, and how near the forecast came to the truth."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, partial
from pathlib import Path

import numpy as np

from grids.clock import EPOCH, HOUR, latest_cutoff
from grids.cube import read_info
from grids.hours import HourRange
from grids.snapshots import BRANCH, open_repository
from pipeline.baselines.recipe import REFERENCE, Forecaster, forecaster
from pipeline.city import make_city
from pipeline.config import Config
from pipeline.demo.city import DemoCity
from pipeline.demo.feed import write_feed
from pipeline.demo.kinds import CATEGORIES
from pipeline.demo.reports import report_versions
from pipeline.demo.simulate import expected_given, simulate
from pipeline.learning.features import feature_names
from pipeline.learning.judging import Scores, play, together
from pipeline.learning.model import find_model
from pipeline.load import load_config
from pipeline.night import Night
from pipeline.nightly import Outcome, run_night
from pipeline.replay import cut_blocks
from pipeline.silver import read_arrivals
from pipeline.state import Floats
from pipeline.store import Store

TRUTH = "truth"
CONFIGS = Path(__file__).parents[2] / "configs"  # beside the packages, installed or not


def run_demo(out: Path, now: datetime, city: DemoCity | None = None) -> Outcome:
    """Simulate the city below ``out``, run its last night, and score it beside the truth.

    Running it again does nothing that is done. The record's holdout tables gain a row for the
    truth: the expected counts of the process itself, given what was known at each cutoff.
    """
    city = city or DemoCity()
    config = demo_config(out)
    versions = report_versions(city, simulate(city))
    if not (out / "feed" / "feed.json").exists():
        write_feed(city, out / "feed", versions)
    end = EPOCH + city.hours.stop * HOUR
    outcome = run_night(config, now, latest_cutoff(end, config.cutoff, config.zone))
    cutoff = datetime.fromisoformat(outcome.manifest["as_of"])
    expected = cache(partial(expected_given, city, versions))  # the same nights for every target
    for model in outcome.manifest["models"]:
        if model.get("holdout"):
            truth = truth_of(expected, config.targets[model["target"]])
            scores = score_beside(config, city, model["target"], cutoff, {TRUTH: truth})
            model["holdout"] = {**model["holdout"], **scores}
    return outcome


def demo_config(out: Path) -> Config:
    """The shipped configuration of the demo city, with everything below ``out``."""
    os.environ["HEXCAST_DEMO"] = str(out.absolute())
    return load_config(CONFIGS / "demo.yaml")


def score_beside(
    config: Config, demo: DemoCity, target: str, cutoff: datetime, more: Mapping[str, Forecaster]
) -> Scores:
    """Scores of more forecasters on the nights that the target's candidate was held to."""
    store = Store(config.output.path)
    info = read_info(open_repository(store.cube).readonly_session(BRANCH).store)
    assert np.array_equal(info.grid.cells, demo.grid.cells), "the store is of another demo city"
    place = make_city(config, info)
    age, features = config.model.retrain_days, feature_names(place.context)
    model = find_model(store.models, target, config.model_fingerprint, cutoff, age, features)
    assert model is not None, "a night without model is not published"
    nights = [datetime.fromisoformat(text) for text in model.record["holdout_nights"]]
    known = read_arrivals(store.silver, info.grid, info.categories, model.cutoff)
    rivals = {REFERENCE: forecaster(REFERENCE, {}), **more}
    members = tuple(info.categories.index(group) for group in config.targets[target])
    blocks = cut_blocks(place, known, nights)
    one_district = np.zeros(len(info.grid), np.int64)
    played = play(place, blocks, nights, members, rivals, one_district)
    scores = together([played], list(rivals)).scores
    return {name: scores[name] for name in more}


def truth_of(
    expected: Callable[[datetime, HourRange], Floats], groups: tuple[str, ...]
) -> Forecaster:
    """The process run forward from what was known at a night's cutoff, as a forecaster.

    ``expected``: of a cutoff and the hours ahead, (cell, hour, category) incidents.
    """
    kinds = [place for place, kind in enumerate(CATEGORIES) if kind.group in groups]

    def truth(night: Night) -> Floats:
        return np.asarray(expected(night.state.as_of, night.hours)[:, :, kinds].sum(axis=2))

    return truth
