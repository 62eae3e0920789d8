"""The pieces of work whose scaling is measured, each made ready for a size and then done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from cluster.lazy import LazyCluster
from cluster.spec import ClusterSpec
from grids.cube import CubeInfo, create_cube, read_info
from grids.snapshots import BRANCH, open_repository
from pipeline.backfill import run_backfill
from pipeline.building import build
from pipeline.config import Config
from pipeline.districts import read_districts
from pipeline.enough import require_enough
from pipeline.known import Known, read_known
from pipeline.learning.model import load_model, save_model
from pipeline.learning.past import train_at
from pipeline.nightly import run_night
from pipeline.state import StateSpec
from pipeline.store import Store

Go = Callable[[str], None]  # given a scheduler's address
HOUR = timedelta(hours=1)
KEPT = ("bronze", "silver", "cube")  # of a store, which a backfill reads
HOLDOUT_NIGHTS = (14, 56)
TARGET = "all"


@dataclass(frozen=True)
class Work:
    """``each``: its size for each of the most workers, in ``unit``; None: all that the city has for
    all of them. ``quick``: the whole of a quick run. ``prepare``: from the city's configuration, a
    size and an empty folder to what is then timed.
    """

    title: str
    unit: str
    each: float | None
    quick: float
    prepare: Callable[[Config, float, Path], Go]


def at(address: str) -> ClusterSpec:
    """Workers that are there already."""
    return ClusterSpec(kind="address", address=address)


def history_of(config: Config) -> float:
    """Years that a city's cube covers."""
    return len(_info(config).hours) / (365.25 * 24)


def _info(config: Config) -> CubeInfo:
    store = Store(config.output.path)
    return read_info(open_repository(store.cube).readonly_session(BRANCH).store)


def prepare_build(config: Config, years: float, folder: Path) -> Go:
    """Cube and state of the first so many years of silver, as the first night makes them."""
    info = _info(config)
    spec = StateSpec(len(info.grid), len(info.categories), info.hours.start, config.zone)
    hours = min(int(years * 365.25 * 24), len(info.hours))
    cutoff = spec.started + hours * HOUR
    repository = open_repository(str(folder / "cube"))
    create_cube(repository, info.grid, info.categories, spec.start, {})

    def go(address: str) -> None:
        with LazyCluster(at(address), folder) as cluster:
            build(repository, Store(config.output.path).silver, spec, cutoff, cluster)

    return go


def prepare_backfill(config: Config, nights: float, folder: Path) -> Go:
    """The last so many nights that silver knows of, issued by the city's newest models."""
    root, model = folder / config.name, config.model.model_copy(update={"retrain_days": 10_000})
    for name in KEPT:
        shutil.copytree(Path(config.output.path) / name, root / name)
    output = config.output.model_copy(update={"path": str(root)})
    last = read_known(config).until.date() - timedelta(days=1)
    first = last - timedelta(days=round(nights) - 1)
    copied = config.model_copy(update={"output": output, "model": model})
    _lend_models(config, copied, first)
    run_night(copied, datetime.now(UTC), until="ingest")  # an index is made anew where it moved

    def go(address: str) -> None:
        here = copied.model_copy(update={"cluster": at(address)})
        run_backfill(here, first, last, datetime.now(UTC), "all", lambda _: None)

    return go


def _lend_models(config: Config, to: Config, first: date) -> None:
    """The city's newest models as if they were old enough: what they forecast is not looked at."""
    for target in config.targets:
        folders = sorted((Store(config.output.path).models / target).glob("[0-9]*"))
        if not folders:
            raise SystemExit(
                f"{config.output.path} has no model of {target}: run a night of it first"
            )
        features = json.loads((folders[-1] / "model.json").read_text())["features"] or ()
        model = load_model(folders[-1], tuple(features))
        assert model is not None
        aged = replace(model, cutoff=datetime.combine(first, datetime.min.time(), UTC))
        save_model(Store(to.output.path).models, aged, to.model_fingerprint)


def prepare_training(config: Config, nights: float, folder: Path) -> Go:
    """One target's model, with 4 empty cell-hours for each incident: rows grow with the nights."""
    least, most = HOLDOUT_NIGHTS
    held = min(max(round(nights) // 16, least), most)
    how = {"nights": round(nights), "holdout_nights": held, "empty_rows": 1}
    known = read_known(config)
    chosen = config.model_copy(update={"model": config.model.model_copy(update=how)})
    known = Known(chosen, known.city, known.info, known.arrivals)
    cutoff = known.until.replace(minute=0, second=0, microsecond=0)
    districts = read_districts(Store(config.output.path).silver, known.info.grid, cutoff).of_cell

    def go(address: str) -> None:
        with LazyCluster(at(address), folder) as cluster:
            train_at(known, cutoff, [TARGET], districts, cluster, require_enough)

    return go


WORKS = {
    "build": Work("The first build", "years", None, 2, prepare_build),
    "backfill": Work("A backfill", "nights", 7, 10, prepare_backfill),
    "training": Work("A training", "nights", 70, 84, prepare_training),
}
