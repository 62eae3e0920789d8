"""Whole nights of a small city: what they leave, and what they cost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import geopandas
import numpy as np
import pandas as pd
import pytest
from cities import Small, midnight, reported_at, small_config
from distributed import Client

from forecasts.project import GEOPACKAGE, LAYER_DEFINITION, PROJECT
from forecasts.stac import COLLECTION, ITEM
from forecasts.writing import PARQUET
from grids.cube import open_cube, read_info
from grids.snapshots import night_tags, open_repository, tag_of
from pipeline.config import Config
from pipeline.cubing import read_state
from pipeline.errors import (
    ConfigError,
    MissingInputError,
)
from pipeline.model_card import MODEL_CARD
from pipeline.nightly import Outcome, run_night
from pipeline.silver import as_known_at
from pipeline.store import Store

NOW = midnight(400)
FIRST, SECOND = midnight(110), midnight(111)
LAYERS = {*PARQUET.values(), GEOPACKAGE, LAYER_DEFINITION, PROJECT, "map.png", ITEM, MODEL_CARD}


@dataclass(frozen=True)
class Nights:
    config: Config
    first: Outcome
    second: Outcome
    rows: pd.DataFrame


@pytest.fixture(scope="module")
def two_nights(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Nights:
    rows = Small().rows()
    cluster = {"kind": "address", "address": client.scheduler.address}
    config = small_config(tmp_path_factory.mktemp("small"), rows, cluster=cluster)
    first = run_night(config, NOW, FIRST)
    with pytest.MonkeyPatch.context() as patch:
        refuse(patch)
        second = run_night(config, NOW, SECOND)
    return Nights(config, first, second, rows)


def refuse(patch: pytest.MonkeyPatch) -> None:
    """From here on no cluster may start, nothing may be trained, no delivered row be read."""

    def forbidden(*_: object, **__: object) -> Any:
        raise AssertionError("a later night did the work of the first")

    patch.setattr("pipeline.learning.train.train", forbidden)
    patch.setattr("pipeline.building.build", forbidden)
    patch.setattr("pipeline.sources.files.FileSource.fetch", forbidden)
    patch.setattr("cluster.connect.connect", forbidden)


def test_a_night_leaves_its_layers_and_record(two_nights: Nights) -> None:
    run = two_nights.first.run
    assert run is not None
    assert {path.name for path in run.iterdir()} == LAYERS | {"manifest.json"}
    assert {LAYER_DEFINITION, PROJECT, COLLECTION} <= {
        path.name for path in run.parent.parent.iterdir()
    }
    manifest = json.loads((run / "manifest.json").read_text())
    ingest = manifest["ingest"]
    assert ingest["rows_in"] == len(two_nights.rows)
    quarantined = sum(ingest["quarantined"].values())
    assert ingest["rows_in"] == ingest["kept"] + ingest["merged"] + quarantined
    assert manifest["as_of"] == FIRST.isoformat()
    assert {model["target"] for model in manifest["models"]} == {"all", "violent"}
    held = manifest["models"][0]["holdout"]
    assert held["model"]["log_score"] > held["blend"]["log_score"]
    assert set(manifest["files"]) == LAYERS


def test_the_second_night_reads_only_what_is_new(two_nights: Nights) -> None:
    # The fixture forbids the source, the cluster and training during that night.
    manifest = two_nights.second.manifest
    assert manifest["ingest"]["rows_in"] == 0
    news = (reported_at(two_nights.rows) > FIRST) & (reported_at(two_nights.rows) <= SECOND)
    grown = manifest["incidents_known"] - two_nights.first.manifest["incidents_known"]
    assert grown == news.sum() > 20
    issued = [model["issued"] for model in manifest["models"]]
    assert issued == [model["issued"] for model in two_nights.first.manifest["models"]]


def test_the_second_night_equals_one_made_from_scratch(
    two_nights: Nights, tmp_path: Path, cluster: dict[str, str]
) -> None:
    fresh = small_config(tmp_path, two_nights.rows, cluster=cluster)
    run_night(fresh, NOW, SECOND, until="cube")
    grown, scratch = Store(two_nights.config.output.path), Store(fresh.output.path)
    np.testing.assert_array_equal(
        open_cube(grown.cube)["counts"].to_numpy(), open_cube(scratch.cube)["counts"].to_numpy()
    )
    one, other = (
        read_state(open_repository(store.cube).readonly_session("main").store)
        for store in (grown, scratch)
    )
    for name, values in one.arrays().items():
        np.testing.assert_allclose(other.arrays()[name], values, rtol=1e-9, err_msg=name)


def test_the_cube_counts_what_silver_knows(two_nights: Nights) -> None:
    store = Store(two_nights.config.output.path)
    for cutoff, tag in ((FIRST, tag_of(FIRST)), (SECOND, None)):
        known = as_known_at(store.silver, cutoff)
        cube = open_cube(store.cube, tag)
        assert int(cube["counts"].sum()) == len(known)
        by_group = known["group"].value_counts()
        for name in ("violent", "property", "other", "police_initiated"):
            assert int(cube["counts"].sel(category=name).sum()) == by_group[name]
        assert cube["time"].to_index()[-1] == pd.Timestamp(cutoff).tz_localize(None) - pd.Timedelta(
            "1h"
        )


def test_a_finished_night_does_nothing(two_nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch)
    run = two_nights.second.run
    assert run is not None
    before = {path: path.stat().st_mtime_ns for path in run.iterdir()}
    again = run_night(two_nights.config, NOW, SECOND)
    assert again.already_done
    assert {path: path.stat().st_mtime_ns for path in run.iterdir()} == before


def test_latest_is_the_second(two_nights: Nights) -> None:
    latest = Path(two_nights.config.output.path) / "latest"
    assert latest.resolve() == two_nights.second.run


def test_the_layer_holds_every_cell_and_hour(two_nights: Nights) -> None:
    assert two_nights.second.run is not None
    layer = geopandas.read_parquet(two_nights.second.run / "forecast.parquet")
    cells = two_nights.second.manifest["cells"]
    assert len(layer) == 24 * cells
    assert layer["valid_start"].min() == pd.Timestamp(SECOND)
    assert layer.groupby("valid_start")["all_hotspot"].sum().eq(int(np.ceil(cells * 0.05))).all()
    expected = layer["all_expected"]
    assert 30 < expected.sum() < 90, "the city has 60 incidents a day, a tenth not in the target"
    assert 5 < layer["violent_expected"].sum() < 20


def test_a_past_night_uses_a_model_made_from_what_was_known_then(
    two_nights: Nights, cluster: dict[str, str]
) -> None:
    store = Store(two_nights.config.output.path)
    cube = open_cube(store.cube)["counts"].to_numpy()
    past = run_night(two_nights.config, NOW, midnight(103))
    assert past.run is not None
    for model in past.manifest["models"]:
        assert model["made_from"] <= midnight(103).isoformat()
    known = as_known_at(store.silver, midnight(103))
    assert past.manifest["incidents_known"] == len(known)
    np.testing.assert_array_equal(open_cube(store.cube)["counts"].to_numpy(), cube)
    latest = Path(two_nights.config.output.path) / "latest"
    assert latest.resolve() == two_nights.second.run


def test_an_incident_at_the_cutoff_is_known_the_night_after(
    tmp_path: Path, cluster: dict[str, str]
) -> None:
    rows = Small().rows()
    sharp = rows.head(3).assign(id=["X1", "X2", "X3"])
    denver = ZoneInfo("America/Denver")
    first, second = (f"{at.astimezone(denver):%Y-%m-%d %H:%M}" for at in (FIRST, SECOND))
    sharp["occurred"] = sharp["reported"] = [first, first, second]
    config = small_config(tmp_path, pd.concat([rows, sharp]), cluster=cluster)
    known = (reported_at(rows) <= FIRST).sum(), (reported_at(rows) <= SECOND).sum() + 2
    for cutoff, incidents in zip((FIRST, SECOND), known, strict=True):
        outcome = run_night(config, NOW, cutoff, until="cube")
        assert outcome.manifest["incidents_known"] == incidents
        assert int(open_cube(Store(config.output.path).cube)["counts"].sum()) == incidents


def test_the_offset_of_as_of_does_not_matter(tmp_path: Path, cluster: dict[str, str]) -> None:
    config = small_config(tmp_path, Small().rows(), cluster=cluster)
    run_night(config, NOW, FIRST.astimezone(ZoneInfo("America/Denver")), until="train")
    assert open_repository(Store(config.output.path).cube).list_tags() == {tag_of(FIRST)}
    made = [folder.name.split("-")[0] for folder in Store(config.output.path).models.glob("*/*")]
    assert set(made) == {f"{FIRST:%Y%m%dT%H%M%SZ}"}


def test_silence_is_no_calm(two_nights: Nights) -> None:
    with pytest.raises(MissingInputError, match="not calm"):
        run_night(two_nights.config, NOW, midnight(200))
    store = Store(two_nights.config.output.path)
    assert read_info(open_repository(store.cube).readonly_session("main").store).watermark == SECOND


def test_a_backfilled_night_outlives_the_pruning_it_causes(
    two_nights: Nights, tmp_path: Path, cluster: dict[str, str]
) -> None:
    output = {"path": str(tmp_path / "store"), "keep_days": 1}
    config = small_config(tmp_path, two_nights.rows, cluster=cluster, output=output)
    run_night(config, NOW, SECOND)
    past = run_night(config, NOW, midnight(105))
    assert past.run is not None
    assert (past.run / "forecast.gpkg").exists()
    assert "forecast.gpkg" in past.manifest["files"]


def test_a_store_serves_one_configuration(two_nights: Nights, tmp_path: Path) -> None:
    output = {"path": two_nights.config.output.path}
    other = small_config(tmp_path, two_nights.rows, timezone="America/Phoenix", output=output)
    with pytest.raises(ConfigError, match="another output"):
        run_night(other, NOW, SECOND)


def test_old_nights_go_with_their_runs(tmp_path: Path, cluster: dict[str, str]) -> None:
    output = {"path": str(tmp_path / "store"), "keep_days": 2}
    config = small_config(tmp_path, Small().rows(), cluster=cluster, output=output)
    store = Store(config.output.path)
    now = datetime.now(UTC) + timedelta(days=1)
    nights = [midnight(day) for day in range(110, 114)]
    for cutoff in nights:
        run_night(config, now, cutoff)
    assert night_tags(open_repository(store.cube)) == [tag_of(at) for at in nights[-2:]]
    # A night before those kept is made from silver again, and moves nothing.
    past = run_night(config, now, nights[0], until="cube")
    tip = open_cube(store.cube)
    assert tip.attrs["watermark"] == nights[-1].isoformat()
    first = past.manifest["incidents_known"]
    assert 0 < first < int(tip["counts"].sum())
