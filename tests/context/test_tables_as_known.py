"""A table reaches a model and a forecast once it is known, and not before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
from cities import BOUNDS, Small, midnight, small_config
from distributed import Client

from grids.clock import EPOCH, HOUR
from grids.hexgrid import HexGrid
from pipeline.config import Config
from pipeline.context.config import TableConfig
from pipeline.context.context import Context
from pipeline.context.reading import read_table
from pipeline.learning.features import feature_names
from pipeline.learning.model import find_model, predict, save_model
from pipeline.learning.train import train
from pipeline.night import Place
from pipeline.nightly import run_night
from pipeline.replay import City, night_at
from pipeline.silver import Arrivals, read_arrivals
from pipeline.state import StateSpec, advance, empty_state

CUTOFF = midnight(115)
NOW = midnight(400)
GRID = HexGrid.from_extent(*BOUNDS, 9)
ALL = (0, 1, 2)


@dataclass(frozen=True)
class Known:
    config: Config
    city: City
    arrivals: Arrivals


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Known:
    cluster = {"kind": "address", "address": client.scheduler.address}
    config = small_config(
        tmp_path_factory.mktemp("city"),
        Small().rows(),
        cluster=cluster,
        model={"rounds": 12, "holdout_nights": 14},
    )
    run_night(config, NOW, CUTOFF, until="ingest")
    axes = len(GRID), len(config.grouping.names), int((config.start - EPOCH) / HOUR)
    spec = StateSpec(*axes, config.zone)
    table = f"{config.output.path}/silver/incidents"
    arrivals = read_arrivals(table, GRID, config.grouping.names, CUTOFF)
    return Known(config, City(spec, Place.of(GRID), GRID.cells, 1), arrivals)


def rows(known_after: timedelta) -> pd.DataFrame:
    """Noise by hour, issued two days ahead; of the last 90 days and of the hours ahead once more,
    with other values, ``known_after`` the cutoff.
    """
    rng = np.random.default_rng(5)
    hours = pd.date_range(midnight(0), midnight(118), freq="h", inclusive="left")
    first = pd.DataFrame({"time": hours, "known_at": hours - pd.Timedelta("2D")})
    first["level"] = rng.normal(size=len(hours))
    again = first[first["time"] >= CUTOFF - timedelta(days=90)].copy()
    again["known_at"] = CUTOFF + known_after
    again["level"] = rng.normal(size=len(again)) * 50 + 7
    return pd.concat([first, again])


def expected(known: Known, table: pd.DataFrame, folder: Path, client: Client) -> np.ndarray:
    """(cell, hour) of the candidate made at the cutoff, kept and found again."""
    table.to_parquet(folder / "city.parquet", index=False)
    read = read_table(TableConfig(path=str(folder / "city.parquet")), GRID)
    city = replace(known.city, context=Context(tables=(read,)))
    state = advance(empty_state(city.spec), known.arrivals, CUTOFF, city.spec)
    names = known.config.grouping.names
    one_district = np.zeros(len(GRID), np.int64)
    arguments: Any = (known.config, city, names, ["all"], known.arrivals, state, one_district)
    (model,) = train(*arguments, client)
    save_model(folder, model, "abc")
    found = find_model(folder, "all", "abc", CUTOFF, 28, feature_names(city.context))
    assert found is not None
    assert found.booster is not None
    assert "city.level" in found.booster.get_score()
    return predict(found.booster, night_at(city, state, known.arrivals, ALL))


@pytest.mark.timeout(240)
def test_rows_that_were_not_known_change_nothing(
    known: Known, tmp_path: Path, client: Client
) -> None:
    later = rows(timedelta(seconds=1))
    (tmp_path / "without").mkdir()
    (tmp_path / "with").mkdir()
    plain = expected(known, later[later["known_at"] <= CUTOFF], tmp_path / "without", client)
    changed = expected(known, later, tmp_path / "with", client)
    np.testing.assert_array_equal(plain, changed)
    # The same rows, known a moment before the cutoff, must be seen: the check can fail.
    (tmp_path / "leaky").mkdir()
    leaky = expected(known, rows(-timedelta(seconds=1)), tmp_path / "leaky", client)
    assert (plain != leaky).mean() > 0.5


@pytest.mark.timeout(240)
def test_a_night_with_a_table_from_its_configuration(tmp_path: Path, client: Client) -> None:
    """Of two nights the second finds the first one's model, and codes the table as that did."""
    table = rows(timedelta(hours=30))
    table.to_parquet(tmp_path / "city.parquet", index=False)
    config = small_config(
        tmp_path,
        Small().rows(),
        cluster={"kind": "address", "address": client.scheduler.address},
        model={"rounds": 150, "holdout_nights": 14},
        targets={"all": ["violent", "property", "other"]},
        tables=[{"path": "city.parquet"}],
        calendar={},
    )
    for day in (115, 116):
        run = run_night(config, NOW, midnight(day)).run
        assert run is not None
        layer = geopandas.read_parquet(run / "forecast.parquet")
        assert set(layer["model"]) == {f"all: xgboost {CUTOFF:%Y-%m-%dT%H:%MZ}"}
        assert np.isfinite(layer["all_expected"]).all()
