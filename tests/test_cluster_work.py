"""What the cluster is given to do: so many tasks for files and nights, whatever lies in them."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cities import Small, midnight, small_config
from counting_work import Reading, chunks_of, counted, tasks_of
from deltalake import DeltaTable
from distributed import Client

from cluster.lazy import LazyCluster
from grids.cube import read_info, shards
from grids.hexgrid import HexGrid
from grids.snapshots import BRANCH, open_repository
from pipeline import replay
from pipeline.backfill import CHUNK, run_backfill
from pipeline.building import build
from pipeline.city import make_city
from pipeline.config import Config
from pipeline.known import read_known
from pipeline.learning import train as training
from pipeline.learning.judging import Judged
from pipeline.learning.rows import EMPTY_PER_INCIDENT
from pipeline.nightly import run_night
from pipeline.silver import SILVER as SCHEMA
from pipeline.silver import read_arrivals, sort_arrivals
from pipeline.state import advance, empty_state
from pipeline.store import Store
from pipeline.tables import commit_parts, mark_of, write_part

NOW = midnight(400)
EARLIER, LAST = midnight(140), midnight(196)
NIGHTS, HELD_OUT = 80, 14  # that are learned from, the newest of them once judged on
SILVER = "store/silver/incidents"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Config:
    """A city with its silver, in one file, and nothing made of it yet."""
    changes: dict[str, Any] = {
        "cluster": {"kind": "address", "address": client.scheduler.address},
        "targets": {"violent": ["violent"], "all": ["violent", "other"]},
        "model": {"rounds": 2, "nights": NIGHTS, "retrain_days": 100, "holdout_nights": HELD_OUT},
    }
    rows = Small(days=200, per_day=50).rows()
    made = small_config(tmp_path_factory.mktemp("city"), rows, **changes)
    run_night(made, NOW, LAST, until="ingest")
    return made


def copied(config: Config, folder: Path) -> Config:
    """The same city with a store of its own."""
    path = folder / "store"
    shutil.copytree(config.output.path, path)
    output = config.output.model_copy(update={"path": str(path)})
    return config.model_copy(update={"output": output})


def rewrite(table: str, files: int) -> int:
    """Put silver's rows into so many files, in no order; returns how many rows there are."""
    rows = DeltaTable(table).to_pandas().sample(frac=1, random_state=1)
    mark = mark_of(table, "bronze")
    shutil.rmtree(table)
    parts = [write_part(table, rows[at::files], SCHEMA, "known_at") for at in range(files)]
    commit_parts(table, parts, SCHEMA, "known_at", {"bronze": mark})
    return len(rows)


@dataclass(frozen=True)
class Built:
    """What a build did: tasks by name, how often its grid was sent, rows of each reading of silver,
    how often a shard was written. ``known``: rows that it had to read; ``shards``: of the cube that
    came of it.
    """

    tasks: Counter[str]
    grids: int
    rows: list[int]
    written: Counter[str]
    known: int
    shards: int


def built(config: Config, folder: Path, files: int, cutoff: datetime, client: Client) -> Built:
    """The first night's build from so many files of silver."""
    city = copied(config, folder)
    store = Store(city.output.path)
    rewrite(store.silver, files)
    repository = open_repository(store.cube)
    info = read_info(repository.readonly_session(BRANCH).store)
    spec = make_city(city, info).spec
    with (
        LazyCluster(city.cluster, folder) as cluster,
        tasks_of(client) as tasks,
        counted(folder) as work,
        sent(HexGrid) as grids,
    ):
        build(repository, store.silver, spec, cutoff, cluster)
    known = len(read_arrivals(store.silver, info.grid, info.categories, cutoff))
    hours = read_info(repository.readonly_session(BRANCH).store).hours
    rows, written = [each.rows for each in work.read], chunks_of(work.sets, "counts")
    return Built(tasks, len(grids), rows, written, known, len(shards(hours)))


@contextmanager
def sent(kind: type) -> Iterator[list[object]]:
    """Every object of the class, each time that it is pickled."""
    found: list[object] = []

    def state(self: object) -> dict[str, object]:
        found.append(self)
        return vars(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "__getstate__", state)
        yield found


@pytest.fixture(scope="module")
def builds(
    config: Config, tmp_path_factory: pytest.TempPathFactory, client: Client
) -> dict[int, Built]:
    """By the number of silver's files, all of it known."""
    folder = tmp_path_factory.mktemp("builds")
    return {n: built(config, folder / str(n), n, LAST, client) for n in (4, 8)}


def test_a_build_reads_a_row_twice_and_writes_a_shard_once(builds: dict[int, Built]) -> None:
    """The workers read for the cube, each file once; this process for the state, all at once."""
    for files, done in builds.items():
        assert len(done.rows) == files + 1
        assert max(done.rows) == done.known
        assert sum(done.rows) == 2 * done.known
        assert len(done.written) == done.shards >= 7
        assert set(done.written.values()) == {1}


def test_a_build_sends_its_grid_to_workers_and_not_with_every_task(
    builds: dict[int, Built], client: Client
) -> None:
    assert builds[4].grids == builds[8].grids
    assert 1 <= builds[8].grids <= 2 + len(client.nthreads())


def test_a_build_of_twice_the_files_is_of_twice_the_tasks(builds: dict[int, Built]) -> None:
    few, many = (builds[files].tasks.total() for files in (4, 8))
    assert 0 < many <= 2 * few


def test_a_build_of_a_long_history_is_of_no_more_tasks(
    config: Config, builds: dict[int, Built], tmp_path: Path, client: Client
) -> None:
    short = built(config, tmp_path, 8, EARLIER, client)
    assert short.shards < builds[8].shards
    assert short.tasks == builds[8].tasks


def draw_nothing(_: object, folder: Path, __: object) -> None:
    (folder / "layer").touch()


def test_a_backfill_reads_silver_once_and_is_a_task_for_some_nights(
    config: Config, tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.issuing.write_layers", draw_nothing)
    monkeypatch.setattr(training, "MIN_FIT_NIGHTS", 1000)  # baselines are issued as boosters are
    city, first = copied(config, tmp_path), (EARLIER + timedelta(hours=12)).date()
    rows = rewrite(Store(city.output.path).silver, 3)
    run_backfill(city, first, first, NOW, "missing", str)  # makes the models of all that follow
    for chunks in (1, 2):
        nights = chunks * CHUNK
        with tasks_of(client) as tasks, counted(tmp_path) as work:
            last = first + timedelta(days=nights - 1)
            assert run_backfill(city, first, last, NOW, "all", str)["to make"] == nights
        assert work.read == [Reading(SILVER, 3, rows)]
        assert tasks.total() == chunks
        assert not work.sets


@dataclass(frozen=True)
class Trained:
    """What a training did: tasks by name, nights replayed, boosters grown; records of the fits."""

    tasks: Counter[str]
    nights: int
    grown: int
    fits: list[dict[str, Any]]


Train = Callable[..., Trained]


@pytest.fixture(scope="module")
def train(config: Config, client: Client) -> Train:
    """Make models, all of which win, from what was known at a cutoff, each row taken some times."""
    known = read_known(config)
    city = known.city

    def train(
        cutoff: datetime, times: int = 1, nights: int = NIGHTS, targets: Sequence[str] = ("all",)
    ) -> Trained:
        arrivals = sort_arrivals([known.at(cutoff).arrivals] * times)
        state = advance(empty_state(city.spec), arrivals, cutoff, city.spec)
        model = config.model.model_copy(update={"nights": nights})
        what = config.model_copy(update={"model": model}), city, known.info.categories, targets
        one_district = np.zeros(city.spec.cells, np.int64)
        played, grown = list[None](), list[None]()
        with pytest.MonkeyPatch.context() as patch, tasks_of(client) as tasks:
            patch.setattr(replay, "night_at", noting(replay.night_at, played))
            patch.setattr(training, "fit_booster", noting(training.fit_booster, grown))
            patch.setattr(Judged, "paired_gain", surely)
            models = training.train(*what, arrivals, state, one_district, client)
        assert all(model.wins for model in models)
        fits = [model.record["fit"] for model in models]
        return Trained(tasks, len(played), len(grown), fits)

    return train


def noting(function: Any, calls: list[None]) -> Any:
    def noted(*arguments: Any, **options: Any) -> Any:
        calls.append(None)
        return function(*arguments, **options)

    return noted


def surely(*_: object) -> dict[str, float]:
    return {"gain": 1.0, "low": 1.0, "high": 1.0}


@pytest.fixture(scope="module")
def trained(train: Train) -> Trained:
    """One target from NIGHTS nights."""
    return train(EARLIER)


def test_a_training_replays_its_nights_and_grows_two_boosters(trained: Trained) -> None:
    """Nights are replayed for the rows, for the baselines, and those held out to be judged on; the
    boosters are the candidate and, as it wins, the one that is issued.
    """
    (fit,) = trained.fits
    assert fit["nights"] == NIGHTS < trained.nights <= 2 * NIGHTS + HELD_OUT
    assert trained.grown == 2
    assert fit["incidents"] < fit["rows"] <= (1 + EMPTY_PER_INCIDENT[1]) * fit["incidents"]


def test_a_training_is_of_as_many_tasks_whatever_the_history(
    train: Train, trained: Trained
) -> None:
    long = train(LAST, times=3)
    assert long.fits[0]["incidents"] > 2 * trained.fits[0]["incidents"]
    assert long.tasks == trained.tasks
    assert (long.nights, long.grown) == (trained.nights, trained.grown)


def test_a_training_of_more_nights_is_of_no_more_tasks_for_each(
    train: Train, trained: Trained
) -> None:
    more = 2 * NIGHTS - HELD_OUT
    found = train(LAST, nights=more)
    assert found.fits[0]["nights"] == more
    assert trained.tasks.total() < found.tasks.total() <= more / NIGHTS * trained.tasks.total()
    assert found.nights <= more / NIGHTS * trained.nights
    assert found.grown == 2


def test_a_training_of_more_targets_is_of_no_more_tasks_for_each(
    train: Train, trained: Trained
) -> None:
    found = train(EARLIER, targets=("violent", "all"))
    assert found.tasks.total() <= 2 * trained.tasks.total()
    assert found.nights <= 2 * trained.nights
    assert found.grown == 2 * 2
    assert found.fits[1] == trained.fits[0]
