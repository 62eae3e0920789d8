"""A small city with its silver, and rivals that cost nothing, for tests of backtests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cities import Small, midnight, small_config
from distributed import Client

from forecasts.counting import CountLaw, CountLaws
from pipeline.backtest.held import Backtest
from pipeline.backtest.rivals import ISSUED, MODEL, Rivals
from pipeline.config import Config
from pipeline.known import Known, read_known
from pipeline.night import Night
from pipeline.nightly import run_night

NIGHTS = [midnight(day) for day in range(60, 81)]  # 1 to 21 March
LAWS = CountLaws(CountLaw(0.1, 0.02), CountLaw(0.2, 0.02), CountLaw(0.1, 0.01))

RECORD = {"issued": "baseline blend", "baseline": "blend", "wins": False, "has_candidate": True}


def city_with_silver(folder: Path, client: Client, **changes: Any) -> Config:
    """A small city, ingested."""
    cluster = {"kind": "address", "address": client.scheduler.address}
    config = small_config(folder, Small().rows(), cluster=cluster, **changes)
    run_night(config, midnight(400), midnight(131), until="ingest")
    return config


def known_of(folder: Path, client: Client) -> Known:
    """All that the small city knows."""
    return read_known(city_with_silver(folder, client))


def reference(night: Night) -> np.ndarray:
    return night.reference


def blend(night: Night) -> np.ndarray:
    return night.blend


def wavy(night: Night) -> np.ndarray:
    """Neither good nor calibrated, and without equal rates."""
    cells, hours = night.reference.shape
    return 0.8 * night.blend * (1.1 + np.sin(np.arange(cells * hours).reshape(cells, hours)))


def rivals_of(target: str) -> Rivals:
    """Two baselines, and a model that is no good."""
    forecasters = {"reference": reference, "blend": blend, MODEL: wavy, ISSUED: blend}
    return Rivals(target, forecasters, LAWS, RECORD)


def cheap_rivals(known: Known, *_: Any) -> list[Rivals]:
    """Stands in for make_rivals, which trains."""
    return [rivals_of(target) for target in known.config.targets]


def cheaply(patch: pytest.MonkeyPatch) -> None:
    """From here on nothing is trained, and nothing drawn."""
    patch.setattr("pipeline.backtest.recipe.make_rivals", cheap_rivals)
    patch.setattr("pipeline.backtest.recipe.page", lambda *_: "<!DOCTYPE html>")


def later_scrambled(known: Known, day: int, seed: int = 1) -> Known:
    """The same up to a day's midnight; what became known later lies elsewhere."""
    cutoff = midnight(day)
    before, later = known.arrivals.until(cutoff), known.arrivals.after(cutoff)
    assert len(later) > 100
    cell = np.random.default_rng(seed).integers(0, known.city.spec.cells, len(later))
    moved = replace(later.events, cell=cell.astype(np.int32))
    joined = {
        name: np.concatenate([getattr(before.events, name), getattr(moved, name)])
        for name in ("hour", "cell", "category", "sign")
    }
    events = type(moved)(**joined)
    return replace(known, arrivals=replace(known.arrivals, events=events))


def few_nights(backtest: Backtest) -> Backtest:
    """The first thirteen nights."""
    first = NIGHTS[:13]

    def cut(tallies: Any) -> Any:
        arrays = {
            name: values[:13] if len(values) == len(NIGHTS) else values[:2]
            for name, values in tallies.arrays().items()
        }
        return type(tallies)(**arrays)

    period = replace(backtest.schedule.periods[0], nights=tuple(first))
    schedule = replace(backtest.schedule, periods=(period,), left_out=tuple(NIGHTS[13:]))
    tallies = {name: cut(each) for name, each in backtest.tallies.items()}
    return replace(backtest, schedule=schedule, tallies=tallies)
