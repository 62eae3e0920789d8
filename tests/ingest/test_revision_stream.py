"""A city's revisions night by night: the same cube, state and forecast as made from scratch.

The demo city's reports come late, are corrected in category and place, and some prove unfounded.
They are delivered as increments that name the time of each version, and as snapshots that do not.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
from cities import COLUMNS
from distributed import Client

from grids.cube import open_cube
from grids.hours import times_to_hours
from grids.snapshots import open_repository
from pipeline.config import Config
from pipeline.cubing import read_state
from pipeline.demo.city import DemoCity
from pipeline.demo.kinds import CATEGORIES
from pipeline.demo.reports import local_clock, report_versions
from pipeline.demo.simulate import UNFOUNDED, simulate
from pipeline.load import parse_config
from pipeline.nightly import Outcome, run_night
from pipeline.silver import as_known_at
from pipeline.store import Store

CITY = DemoCity(
    start=datetime(2024, 5, 1, 5, tzinfo=UTC), days=52, radius_km=0.9, incidents_per_day=80
)
NIGHTS = [CITY.start + timedelta(days=38 + n, hours=6) for n in range(12)]
FIVE_MINUTES = timedelta(minutes=5)


@pytest.fixture(scope="module")
def versions() -> pd.DataFrame:
    """Every version of every report, see report_versions; ``when``: the night that it is for."""
    return report_versions(CITY, simulate(CITY))


def known(versions: pd.DataFrame, cutoff: datetime) -> pd.DataFrame:
    """The newest version, known by then, of every report that then counts."""
    last = versions[versions["known_at"] <= cutoff].drop_duplicates("report_no", keep="last")
    return last[last["status"] != UNFOUNDED]


def as_text(versions: pd.DataFrame) -> pd.DataFrame:
    """Rows as the city writes them: local clock times, places in six decimals."""
    times = {"occurred": "occurred_at", "reported": "reported_at", "updated": "updated_at"}
    clocks = {
        name: local_clock(CITY, versions[of]).dt.strftime("%Y-%m-%d %H:%M")
        for name, of in times.items()
    }
    kinds = np.array(CITY.categories, dtype=object)[versions["category"]]
    text = {"id": versions["report_no"], "status": versions["status"], "kind": kinds}
    places = {"lat": versions["latitude"], "lon": versions["longitude"]}
    text |= {name: degrees.map("{:.6f}".format) for name, degrees in places.items()}
    return pd.DataFrame({**text, **clocks}).fillna("")


def deliver_increment(folder: Path, versions: pd.DataFrame, number: int) -> None:
    """A file of what became known since the night before."""
    until = versions["known_at"] <= NIGHTS[number]
    since = versions["known_at"] > NIGHTS[number - 1] if number else True
    as_text(versions[until & since]).to_csv(folder / f"night-{number:02d}.csv", index=False)


def deliver_snapshot(folder: Path, versions: pd.DataFrame, number: int) -> None:
    """One file, written over every night, of what counts; it tells no versions."""
    rows = as_text(known(versions, NIGHTS[number])).drop(columns=["updated", "status"])
    rows.sample(frac=1, random_state=number).to_csv(folder / "current.csv", index=False)


def configure(folder: Path, client: Client, store: str, **source: Any) -> Config:
    outline = folder / "boundary.geojson"
    geopandas.GeoSeries([CITY.boundary], crs=4326).to_file(outline)
    groups = {
        group: {"categories": [kind.name for kind in CATEGORIES if kind.group == group]}
        for group in ("violent", "property", "police_initiated")
    }
    values: dict[str, Any] = {
        "name": "stream",
        "timezone": CITY.timezone.key,
        "source": {
            "path": str(folder / "in" / "*.csv"),
            "start": "2024-05-01",
            "date_formats": ["%Y-%m-%d %H:%M"],
            **source,
        },
        "grid": {"boundary": str(outline)},
        "groups": groups,
        "targets": {"all": ["violent", "property", "other"]},
        "model": {"nights": 28, "holdout_nights": 14, "rounds": 5},
        "output": {"path": str(folder / store)},
        "cluster": {"kind": "address", "address": client.scheduler.address},
    }
    return parse_config(values, folder / "stream.yaml")


@dataclass(frozen=True)
class Stream:
    """A store after all nights, and what each night left. ``other``: a store from scratch."""

    config: Config
    outcomes: list[Outcome]
    counts: list[np.ndarray]
    other: Config
    forecasts: tuple[Outcome, Outcome]


STREAMS: dict[str, tuple[Callable[..., None], dict[str, Any]]] = {
    "increments": (
        deliver_increment,
        {
            "columns": COLUMNS | {"revised_at": "updated", "status": "status"},
            "retracted": [UNFOUNDED],
        },
    ),
    "snapshots": (deliver_snapshot, {"columns": COLUMNS, "delivers": "snapshot"}),
}


@pytest.fixture(scope="module", params=list(STREAMS))
def stream(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    versions: pd.DataFrame,
    client: Client,
) -> Stream:
    deliver, source = STREAMS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "in").mkdir()
    config = configure(folder, client, "nightly", **source)
    outcomes, counts = [], []
    for number, cutoff in enumerate(NIGHTS):
        deliver(folder / "in", versions, number)
        outcomes.append(run_night(config, cutoff + FIVE_MINUTES, until="cube"))
        counts.append(open_cube(Store(config.output.path).cube)["counts"].to_numpy())
    other = configure(folder, client, "scratch", **source)
    shutil.copytree(folder / "nightly" / "silver", folder / "scratch" / "silver")
    now = NIGHTS[-1] + FIVE_MINUTES
    run_night(other, now, until="cube", fetch=False)
    pair = (run_night(config, now, fetch=False), run_night(other, now, fetch=False))
    return Stream(config, outcomes, counts, other, pair)


def counted(versions: pd.DataFrame, shape: tuple[int, ...], cutoff: datetime) -> np.ndarray:
    """(time, cell, category) incidents known by then, straight from the reports."""
    rows, names = known(versions, cutoff), ("violent", "property", "other", "police_initiated")
    group = np.array([names.index(kind.group) for kind in CATEGORIES])[rows["category"]]
    hour = times_to_hours(rows["occurred_at"]) - CITY.hours.start
    counts = np.zeros(shape, np.int64)
    np.add.at(counts, (hour, rows["cell"].to_numpy(), group), 1)
    return counts


def test_the_stream_holds_changes_of_every_kind(versions):
    later = versions[(versions["version"] > 1) & (versions["known_at"] > NIGHTS[0])]
    later = later[later["known_at"] <= NIGHTS[-1]].set_index("report_no")
    first = versions[versions["version"] == 1].set_index("report_no").loc[later.index]
    stands = later["status"] != UNFOUNDED
    groups = np.array([kind.group for kind in CATEGORIES], dtype=object)
    changes = Counter(
        category=int((stands & (later["category"] != first["category"])).sum()),
        group=int((stands & (groups[later["category"]] != groups[first["category"]])).sum()),
        place=int((stands & (later["cell"] != first["cell"])).sum()),
        deletion=int((~stands).sum()),
    )
    assert min(changes.values()) >= 5, changes


def test_every_nights_cube_counts_what_was_known(stream, versions):
    cube = open_cube(Store(stream.config.output.path).cube)
    assert cube["category"].to_numpy().tolist() == [
        "violent",
        "property",
        "other",
        "police_initiated",
    ]
    for cutoff, counts, outcome in zip(NIGHTS, stream.counts, stream.outcomes, strict=True):
        expected = counted(versions, counts.shape, cutoff)
        np.testing.assert_array_equal(counts, expected)
        assert outcome.manifest["incidents_known"] == expected.sum() > 1000


def test_every_night_takes_in_what_changed_and_nothing_else(stream, versions):
    silver = Store(stream.config.output.path).silver
    for number, (cutoff, outcome) in enumerate(zip(NIGHTS, stream.outcomes, strict=True)):
        record = outcome.manifest["ingest"]
        assert record["quarantined"] == {}
        # After all nights: what came later has changed nothing of what was known then.
        then, wanted = as_known_at(silver, cutoff), known(versions, cutoff)
        told_of = zip(then["id"], then["cell"], then["group"], strict=True)
        cells = CITY.grid.cells[wanted["cell"]].astype("int64")
        groups = [CATEGORIES[kind].group for kind in wanted["category"]]
        assert set(told_of) == set(zip(wanted["report_no"], cells, groups, strict=True))
        assert len(then) == len(wanted)
        if number == 0:
            continue
        before, now = (
            known(versions, at).set_index("report_no")[["category", "cell", "latitude"]]
            for at in (NIGHTS[number - 1], cutoff)
        )
        if stream.config.source.delivers == "snapshot":
            same = now.eq(before.reindex(now.index)).all(axis=1)
            assert record["kept"] == (~same).sum() > 0
            assert record["absent"] == len(before.index.difference(now.index))
        else:
            told = versions["known_at"].between(NIGHTS[number - 1], cutoff, inclusive="right")
            assert (record["kept"], record["merged"]) == (told.sum(), 0)


def test_cube_and_state_equal_those_from_scratch(stream):
    stores = [Store(config.output.path).cube for config in (stream.config, stream.other)]
    one, other = (open_cube(store)["counts"].to_numpy() for store in stores)
    np.testing.assert_array_equal(one, other)
    here, there = (
        read_state(open_repository(store).readonly_session("main").store) for store in stores
    )
    assert here.as_of == there.as_of == NIGHTS[-1]
    for name, values in here.arrays().items():
        np.testing.assert_allclose(there.arrays()[name], values, rtol=1e-9, err_msg=name)


def test_the_forecast_equals_one_from_scratch(stream):
    layers = []
    for outcome in stream.forecasts:
        assert outcome.run is not None
        layers.append(pd.DataFrame(geopandas.read_parquet(outcome.run / "forecast.parquet")))
    one, other = layers
    numbers = [name for name in one if name.endswith("_expected")]
    assert numbers
    for name in numbers:
        assert one[name].sum() > 20
        np.testing.assert_allclose(other[name], one[name], rtol=1e-6, atol=1e-9)
