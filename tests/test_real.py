"""Two nights of each real city, read back with tools that are not ours."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import duckdb
import duckdb_extensions
import geopandas
import pandas as pd
import pyogrio
import pytest
from cities import midnight

from grids.cube import open_cube
from pipeline.load import load_config
from pipeline.nightly import Outcome, run_night
from pipeline.store import Store

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("HEXCAST_DATA") or ROOT.parent / "shared" / "data")
NOW = midnight(1000)

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data at {DATA}"),
    pytest.mark.timeout(1200),
]


@dataclass(frozen=True)
class City:
    """What the data's own description says of a file, and two nights to forecast."""

    name: str
    rows: int
    quarantined: dict[str, int]
    nonexistent: int
    nights: tuple[str, str]


CITIES = {
    "denver": City(
        "denver",
        394_736,
        {"no coordinates": 261, "coordinates near 0": 40},
        0,
        ("2024-09-01T06:00+00:00", "2024-09-02T06:00+00:00"),
    ),
    "chicago": City(
        "chicago",
        6_746_897,
        {"no coordinates": 60_452, "outside the bounds": 161},
        247,
        ("2018-06-01T05:00+00:00", "2018-06-02T05:00+00:00"),
    ),
}


@dataclass(frozen=True)
class Nights:
    city: City
    root: Path
    first: Outcome
    second: Outcome


@pytest.fixture(scope="module", params=list(CITIES))
def nights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    city, root = CITIES[request.param], tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEXCAST_DATA", str(DATA.absolute()))
        whole = load_config(ROOT / "configs" / f"{city.name}.yaml", root)
    # A year and fewer trees: what is tested here is the way of the data, and not how far it goes.
    update = {"nights": 450, "rounds": 100, "empty_rows": 800_000}
    light = whole.model.model_copy(update=update)
    config = whole.model_copy(update={"model": light})
    first, second = (run_night(config, NOW, pd.Timestamp(at)) for at in city.nights)
    return Nights(city, root, first, second)


def test_no_row_is_lost(nights: Nights) -> None:
    ingest = nights.first.manifest["ingest"]
    assert ingest["rows_in"] == nights.city.rows
    assert nights.city.quarantined.items() <= ingest["quarantined"].items()
    assert ingest["nonexistent_times"] == nights.city.nonexistent
    quarantined = sum(ingest["quarantined"].values())
    assert ingest["rows_in"] == ingest["kept"] + ingest["merged"] + quarantined


def test_what_is_issued_beats_the_reference_on_nights_held_out(nights: Nights) -> None:
    for model in nights.first.manifest["models"]:
        held = model["holdout"]
        issued = held["model"] if model["issued"].startswith("xgboost") else held[model["baseline"]]
        assert issued["gain_over_reference"] >= max(
            held["reference"]["gain_over_reference"], held["blend"]["gain_over_reference"]
        )
    everything = nights.first.manifest["models"][0]["holdout"]
    assert everything["model"]["gain_over_reference"] > 0.01


def test_the_second_night_costs_seconds(nights: Nights) -> None:
    manifest = nights.second.manifest
    assert manifest["ingest"]["rows_in"] == 0
    assert "worker" not in manifest["peak_mib"], "a second night started a cluster"
    assert manifest["incidents_known"] - nights.first.manifest["incidents_known"] > 50
    assert sum(manifest["seconds"].values()) < sum(nights.first.manifest["seconds"].values()) / 5


def test_memory_stays_bounded(nights: Nights) -> None:
    peak = nights.first.manifest["peak_mib"]
    assert peak["driver"] + 2 * peak["worker"] < 12 * 1024


def test_the_cube_holds_what_is_known(nights: Nights) -> None:
    cube = open_cube(Store(str(nights.root)).cube)
    assert int(cube["counts"].sum().compute()) == nights.second.manifest["incidents_known"]


def test_other_tools_read_the_layers_alike(nights: Nights) -> None:
    run = nights.second.run
    assert run is not None
    parquet = geopandas.read_parquet(run / "forecast.parquet")
    view = pyogrio.read_dataframe(run / "forecast.gpkg", layer="hours")
    rows = 24 * nights.second.manifest["cells"]
    assert len(parquet) == len(view) == rows
    view = view.sort_values(["hex_id", "valid_start"], ignore_index=True)
    plain = parquet.sort_values(["hex_id", "valid_start"], ignore_index=True)
    assert (view["hex_id"] == plain["hex_id"]).all()
    assert (view["valid_start"].dt.tz_convert("UTC") == plain["valid_start"]).all()
    assert view["all_expected"].to_numpy() == pytest.approx(plain["all_expected"].to_numpy())
    assert view.geometry.geom_equals_exact(plain.geometry, 1e-9).all()
    duckdb_extensions.import_extension("spatial")
    database = duckdb.connect()
    database.execute("LOAD spatial")
    found = database.execute(
        "select count(*), count(distinct hex_id), epoch_us(min(valid_start)), sum(all_expected), "
        "min(st_area(geometry)) from read_parquet(?)",
        [str(run / "forecast.parquet")],
    ).fetchone()
    assert found is not None
    assert found[:2] == (rows, nights.second.manifest["cells"])
    assert pd.Timestamp(found[2], unit="us", tz="UTC") == pd.Timestamp(nights.city.nights[1])
    assert found[3] == pytest.approx(plain["all_expected"].sum(), rel=1e-5)
    assert found[4] > 0
