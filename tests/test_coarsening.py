"""Exports that give no single incident away: an attack on two nights, and what stops it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
from cities import Small, midnight, small_config
from forecast_cases import GRID, tiny_forecast
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from forecasts.coarsening import areas_of, coarsened
from forecasts.writing import make_layers
from pipeline.config import Config
from pipeline.nightly import run_night
from pipeline.silver import as_known_at
from pipeline.store import Store

NOW = midnight(400)
NIGHTS = midnight(110), midnight(111)
K = 200
BY_ORDER = ("_rank", "_hotspot")  # ties are put in order by the cells' own


@given(st.integers(0, 2**32 - 1), st.integers(1, 300))
def test_an_area_has_k_of_every_target_or_is_the_whole_city(seed: int, k: int) -> None:
    yearly = np.random.default_rng(seed).gamma(0.3, 60, (2, len(GRID)))
    area = areas_of(GRID, yearly, k)
    assert area.min() == 0
    assert set(area) == set(range(area.max() + 1))
    sums = np.stack([np.bincount(area, each) for each in yearly])
    assert area.max() == 0 or (sums >= k).all()
    alone = np.bincount(area)[area] == 1
    assert alone[(yearly >= k).all(axis=0)].all()


def test_areas_are_what_is_left_of_a_parent() -> None:
    yearly = np.full((1, len(GRID)), 1.0)
    area = areas_of(GRID, yearly, 3)
    _, parent = GRID.parents(1)
    full = np.flatnonzero(np.bincount(parent) >= 3)
    assert len(full) > 1
    for one in full:
        assert len(set(area[parent == one])) == 1


def test_sums_stay_and_cells_of_an_area_are_alike() -> None:
    forecast = tiny_forecast()
    shown = coarsened(forecast, 5000)
    yearly = np.stack([target.yearly for target in forecast.targets])
    area = areas_of(forecast.grid, yearly, 5000)
    assert 1 < area.max() + 1 < len(area)
    for before, after in zip(forecast.targets, shown.targets, strict=True):
        assert after.expected.sum(axis=0) == pytest.approx(before.expected.sum(axis=0))
        assert after.yearly.sum() == pytest.approx(before.yearly.sum())
        for one in range(area.max() + 1):
            for name in ("expected", "probability", "low", "high", "baseline", "yearly"):
                values = getattr(after, name)[area == one]
                assert (values == values[0]).all()
    make_layers(shown)  # raises where a layer is not what it promises


def test_without_k_nothing_changes() -> None:
    forecast = tiny_forecast()
    assert coarsened(forecast, 0) is forecast


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Config:
    config = small_config(
        tmp_path_factory.mktemp("exact"), Small().rows(), model={"rounds": 20, "holdout_nights": 14}
    )
    for night in NIGHTS:
        run_night(config, NOW, night)
    return config


@pytest.fixture(scope="module")
def shared(exact: Config, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The same nights of the same store, exported with k."""
    root = tmp_path_factory.mktemp("shared") / "store"
    shutil.copytree(exact.output.path, root, symlinks=True)
    shutil.rmtree(root / "runs")
    output = exact.output.model_copy(update={"path": str(root), "k_anonymity": K})
    config = exact.model_copy(update={"output": output})
    for night in NIGHTS:
        run_night(config, NOW, night)
    return config


def exports(config: Config, layer: str) -> list[geopandas.GeoDataFrame]:
    runs = sorted((Path(config.output.path) / "runs").iterdir())
    return [geopandas.read_parquet(run / f"{layer}.parquet") for run in runs]


def attack(config: Config) -> NDArray[np.float64]:
    """(cell,) incidents that became known between the nights, by what was published alone.

    Where nothing became known all rates fall alike; what a cell has above that is incidents, of
    which the smallest step is one.
    """
    before, after = (each["all_yearly"].to_numpy(np.float64) for each in exports(config, "cells"))
    above = after - before * (after[before > 0] / before[before > 0]).min()
    one = above[above > above.max() / 100].min()
    return above / one


def became_known(config: Config) -> NDArray[np.int64]:
    """(cell,) what really did."""
    rows = as_known_at(Store(config.output.path).silver, NIGHTS[1])
    new = rows[(rows["known_at"] > NIGHTS[0]) & rows["group"].isin(config.targets["all"])]
    places = {int(text, 16): at for at, text in enumerate(exports(config, "cells")[0]["hex_id"])}
    return np.bincount(new["cell"].map(places), minlength=len(places))


def test_exact_exports_of_two_nights_give_every_incident_away(exact: Config) -> None:
    truth = became_known(exact)
    assert truth.sum() > 30
    assert attack(exact).round().astype(int).tolist() == truth.tolist()


def test_with_k_the_attack_cannot_tell_cells_of_few_incidents_apart(
    shared: Config, exact: Config
) -> None:
    truth, area = became_known(exact), areas_of_export(shared)
    yearly = exports(exact, "cells")[1][["all_yearly", "violent_yearly"]].to_numpy().T
    thin = (yearly < K).any(axis=0)
    assert truth[thin].sum() >= 10
    assert (np.bincount(area)[area][thin] > 1).all()
    found = pd.Series(attack(shared)).groupby(area).agg(["min", "max"])
    assert found["min"].to_numpy() == pytest.approx(found["max"].to_numpy())
    differing = pd.Series(truth).groupby(area).agg(["min", "max"])
    assert (differing["min"] < differing["max"]).any()
    # Nor can any other attack: no column tells the cells of an area apart.
    of_cell = dict(zip(exports(shared, "cells")[1]["hex_id"], area, strict=True))
    for name, keys in {"cells": ["run_id"], "forecast": ["run_id", "valid_start"]}.items():
        layer = pd.concat(exports(shared, name))
        numbers = layer.select_dtypes(["number", "bool"])
        values = numbers[[column for column in numbers if not column.endswith(BY_ORDER)]]
        by_area = values.groupby([layer["hex_id"].map(of_cell), *(layer[key] for key in keys)])
        assert (by_area.max() == by_area.min()).all(axis=None)


def areas_of_export(config: Config) -> NDArray[np.int64]:
    """(cell,) the areas that can be told apart by the second night's rates."""
    cells = exports(config, "cells")[1]
    rates = cells[["all_yearly", "violent_yearly"]]
    return rates.groupby(list(rates), sort=False).ngroup().to_numpy()


def test_the_record_and_the_card_say_what_was_done(shared: Config, exact: Config) -> None:
    cards = [
        sorted((Path(config.output.path) / "runs").iterdir())[-1] / "model.md"
        for config in (shared, exact)
    ]
    assert f"fewer than {K} incidents a year" in cards[0].read_text()
    assert "Every hexagon is shown by itself" in cards[1].read_text()


def test_one_cell_too_few_for_k_is_still_one_area() -> None:
    forecast = tiny_forecast()
    targets = tuple(replace(each, yearly=each.yearly * 0) for each in forecast.targets)
    shown = coarsened(replace(forecast, targets=targets), 1)
    assert len(np.unique(shown.targets[0].expected[:, 0])) == 1
