"""Tables of arrivals to measure on: a real city's, or those of a made-up one of any size."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake

from grids.clock import EPOCH, HOUR, reference_hour
from grids.cube import CubeInfo, read_info
from grids.hexgrid import HexGrid
from grids.hours import HourRange
from grids.snapshots import BRANCH, open_repository
from pipeline.config import Config
from pipeline.silver import ARRIVAL_COLUMNS, SILVER
from pipeline.state import StateSpec
from pipeline.store import Store

PLACES = ["lat", "lon"]
COLUMNS = [*ARRIVAL_COLUMNS, *PLACES]
BATCH = 2**20  # rows of a file
GROUPS = ("violent", "property", "public_order", "other", "police_initiated")
RESOLUTION, KM2 = 9, 0.105  # of a cell
FIRST = datetime(2001, 1, 1, 6, tzinfo=EPOCH.tzinfo)
SEED = 20


@dataclass(frozen=True)
class Work:
    """``table``: a Delta table of arrivals; ``until``: when the last of them became known."""

    table: str
    info: CubeInfo
    spec: StateSpec
    until: datetime

    @property
    def files(self) -> list[str]:
        """The table's Parquet files."""
        return [str(uri) for uri in DeltaTable(self.table).file_uris()]

    def save(self, folder: Path) -> None:
        (folder / "work.pickle").write_bytes(pickle.dumps(self))

    @staticmethod
    def load(folder: Path) -> Work:
        found = pickle.loads((folder / "work.pickle").read_bytes())
        assert isinstance(found, Work)
        return found


def city(config: Config, folder: Path) -> Work:
    """The arrivals of a city's silver as first reported, ordered by when they became known.

    Without later revisions of the same incident, which other ways do not tell from more incidents.
    """
    store = Store(config.output.path)
    rows = DeltaTable(store.silver).to_pyarrow_dataset().to_table(columns=COLUMNS)
    rows = rows.sort_by("known_at")
    until = EPOCH + reference_hour(rows["known_at"][-1].as_py()) * HOUR
    first = pc.and_(pc.equal(rows["revision"], 0), pc.invert(rows["retracted"]))
    rows = rows.filter(pc.and_(first, pc.less_equal(rows["known_at"], pa.scalar(until))))
    table = _written(folder, (rows.slice(at, BATCH) for at in range(0, len(rows), BATCH)))
    info = read_info(open_repository(store.cube).readonly_session(BRANCH).store)
    spec = StateSpec(len(info.grid), len(info.categories), info.hours.start, config.zone)
    return Work(table, info, spec, until)


def made_up(cells: int, incidents: int, years: int, folder: Path) -> Work:
    """Incidents at random: cells differ as hotspots do, reports come a day late on average."""
    side = math.sqrt(cells * KM2 * 1.1) / 111.2
    box = -94.9, 42.0, -94.9 + side / math.cos(math.radians(42.0)), 42.0 + side
    grid = HexGrid(RESOLUTION, HexGrid.from_extent(*box, RESOLUTION).cells[:cells])
    start = reference_hour(FIRST)
    spec = StateSpec(cells, len(GROUPS), start, ZoneInfo("America/Chicago"))
    until = FIRST + timedelta(days=365 * years)
    table = _written(folder, _batches(grid, incidents, until))
    return Work(table, CubeInfo(grid, GROUPS, HourRange(start, start), {}), spec, until)


def _batches(grid: HexGrid, incidents: int, until: datetime) -> Iterator[pa.Table]:
    rng = np.random.default_rng(SEED)
    shares = rng.gamma(0.3, size=len(grid)).cumsum()
    shares /= shares[-1]
    lat, lon = grid.centroids
    count = -(-incidents // BATCH)
    edges = np.linspace(FIRST.timestamp(), until.timestamp(), count + 1) * 1e6
    ends = np.linspace(0, incidents, count + 1).astype(int)
    for low, high, size in zip(edges[:-1], edges[1:], np.diff(ends), strict=True):
        known = np.sort(rng.integers(int(low), int(high), size))
        occurred = np.maximum(known - rng.exponential(8.64e10, size), FIRST.timestamp() * 1e6)
        cell = np.searchsorted(shares, rng.random(size))
        group = pa.DictionaryArray.from_arrays(rng.integers(0, len(GROUPS), size), list(GROUPS))
        known_columns = {
            "known_at": known,
            "occurred_at": occurred.astype(np.int64),
            "cell": grid.cells[cell].astype(np.int64),
            "group": group.cast(pa.string()),
            "retracted": np.zeros(size, bool),
            "revision": np.zeros(size, np.int64),
            "lat": lat[cell],
            "lon": lon[cell],
        }
        yield pa.table(
            [
                pa.array(known_columns[name]).cast(SILVER.field(name).type)
                if name in known_columns
                else pa.nulls(size, SILVER.field(name).type)
                for name in COLUMNS
            ],
            names=COLUMNS,
        )


def _written(folder: Path, batches: Iterator[pa.Table]) -> str:
    table = folder / "arrivals"
    for batch in batches:
        write_deltalake(table, batch, mode="append")
    return str(table)
