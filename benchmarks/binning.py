"""Incidents to the cube, Parquet to Zarr: ours beside pandas, DuckDB and the limit.

    python benchmarks/binning.py configs/chicago.yaml [--times 16] [--json binning.json]

Takes the city's silver, ``--times`` over, and makes the whole cube of it in four ways, each in a
process of its own: *ours* (the first night's build on two workers, state and commit included),
*pandas* (group by, then the same writer), *DuckDB* (likewise), and *limit*: reading places and
looking their cells up in H3, in two processes, which ours does when it ingests. Peak memory is that
of the largest process.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake

from cluster.lazy import LazyCluster, own_peak_mib
from cluster.spec import ClusterSpec
from grids.clock import EPOCH
from grids.counts import Events, net_changes
from grids.cube import CubeInfo, create_cube, extend_hours, read_info, shards, write_shard
from grids.snapshots import BRANCH, open_repository
from pipeline.building import build
from pipeline.load import load_config
from pipeline.silver import ARRIVAL_COLUMNS
from pipeline.state import StateSpec
from pipeline.store import Store

WORKERS = 2
PLACES = ["lat", "lon"]
TABLE = "arrivals"


@dataclass(frozen=True)
class Work:
    """``table``: a Delta table of arrivals; ``until``: when the last of them became known."""

    table: str
    info: CubeInfo
    spec: StateSpec
    until: datetime
    cube: Path

    @property
    def files(self) -> list[str]:
        """The table's Parquet files."""
        return [str(uri) for uri in DeltaTable(self.table).file_uris()]


def ours(work: Work) -> float:
    repository = _empty_cube(work)
    spec = ClusterSpec(kind="local", workers=WORKERS)
    with LazyCluster(spec, work.cube.parent) as cluster:
        cluster.client.wait_for_workers(WORKERS)
        began = perf_counter()
        build(repository, work.table, work.spec, work.until, cluster)
        seconds = perf_counter() - began
        print(json.dumps({"worker_mib": cluster.peak_mib()["worker"]}))
    return seconds


def by_pandas(work: Work) -> float:
    began = perf_counter()
    columns = ["occurred_at", "cell", "group"]
    rows = pd.concat(pd.read_parquet(file, columns=columns) for file in work.files)
    hour = rows["occurred_at"].astype("datetime64[s, UTC]").astype("int64") // 3600
    counts = rows.assign(hour=hour).groupby(["hour", "cell", "group"], observed=True).size()
    found = counts.reset_index(name="count")
    _write(work, found["hour"], found["cell"], found["group"], found["count"])
    return perf_counter() - began


def by_duckdb(work: Work) -> float:
    began = perf_counter()
    duckdb.execute(f"SET threads = {WORKERS}")
    found = duckdb.execute(
        'SELECT epoch(occurred_at)::BIGINT // 3600 AS hour, cell, "group", count(*) AS count '
        "FROM read_parquet(?) GROUP BY ALL ORDER BY hour",
        [work.files],
    ).df()
    _write(work, found["hour"], found["cell"], found["group"], found["count"])
    return perf_counter() - began


def limit(work: Work) -> float:
    began = perf_counter()
    with multiprocessing.get_context("fork").Pool(WORKERS) as pool:
        tasks = [(work, file, at) for file in work.files for at in range(WORKERS)]
        found = sum(pool.starmap(_look_up, tasks, chunksize=1))
    seconds = perf_counter() - began
    assert found == sum(pq.read_metadata(file).num_rows for file in work.files)
    return seconds


def _look_up(work: Work, file: str, part: int) -> int:
    """Every second group of rows: a file may be all there is."""
    parquet = pq.ParquetFile(file)
    groups = list(range(parquet.num_row_groups))[part::WORKERS]
    rows = parquet.read_row_groups(groups, columns=PLACES)
    return len(work.info.grid.locate(rows["lat"].to_numpy(), rows["lon"].to_numpy()))


def _write(work: Work, hour: Any, cell: Any, group: Any, count: Any) -> None:
    """Counts of slots into the same Zarr array, shard by shard."""
    session = _empty_cube(work).writable_session(BRANCH)
    stop = int((work.until - EPOCH) / timedelta(hours=1))
    extend_hours(session.store, stop)
    info = read_info(session.store)
    cells = info.grid.index_of(cell.to_numpy().astype(np.uint64))
    kinds = pd.Index(info.categories).get_indexer(group).astype(np.int8)
    repeat = count.to_numpy()
    events = Events(*(np.repeat(each, repeat) for each in (hour.to_numpy(), cells, kinds)),
                    np.ones(repeat.sum(), np.int8))  # fmt: skip
    for block in shards(info.hours):
        low, high = np.searchsorted(events.hour, [block.start, block.stop])
        dense = net_changes(events[low:high], len(info.grid), len(info.categories))
        write_shard(session.store, block, dense)
    session.commit("all of it")


def _empty_cube(work: Work) -> Any:
    repository = open_repository(str(work.cube))
    create_cube(repository, work.info.grid, work.info.categories, work.spec.start, {})
    return repository


WAYS: dict[str, Callable[[Work], float]] = {
    "limit": limit,
    "ours": ours,
    "DuckDB": by_duckdb,
    "pandas": by_pandas,
}


def prepare(config: Any, times: int, folder: Path) -> None:
    """The arrivals of the city's silver so many times over, row groups in the order of time."""
    source = DeltaTable(Store(config.output.path).silver)
    rows = source.to_pyarrow_dataset().to_table(columns=[*ARRIVAL_COLUMNS, *PLACES])
    rows = rows.sort_by("known_at")
    step = 2**20
    batches = (
        batch
        for start in range(0, len(rows), step)
        for batch in [pa.concat_tables([rows.slice(start, step)] * times)]
    )
    for batch in batches:
        write_deltalake(folder / TABLE, batch, mode="append")


def work_of(config: Any, table: str, folder: Path) -> Work:
    info = read_info(open_repository(Store(config.output.path).cube).readonly_session(BRANCH).store)
    spec = StateSpec(len(info.grid), len(info.categories), info.hours.start, config.zone)
    stats = DeltaTable(table).get_add_actions(flatten=True)
    last = max(value.as_py() for value in stats["max.known_at"])
    hour = timedelta(hours=1)
    return Work(table, info, spec, EPOCH + -((EPOCH - last) // hour) * hour, folder / "cube")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--way", choices=WAYS, help="one of them, on a --table")
    parser.add_argument("--table")
    parser.add_argument("--prepare", type=Path, help="only make the table, in this folder")
    options = parser.parse_args()
    config = load_config(options.config)
    if options.prepare:
        prepare(config, options.times, options.prepare)
        return
    if options.way:
        with tempfile.TemporaryDirectory() as folder:
            work = work_of(config, options.table, Path(folder))
            seconds = WAYS[options.way](work)
            size = sum(path.stat().st_size for path in work.cube.rglob("*") if path.is_file())
        print(json.dumps({"seconds": seconds, "peak_mib": own_peak_mib(), "bytes": size}))
        return
    with tempfile.TemporaryDirectory() as folder:
        # In processes of their own: the peak memory of one is inherited by those that it starts.
        this = [sys.executable, __file__, str(options.config), "--times", str(options.times)]
        subprocess.run([*this, "--prepare", folder], check=True)
        table = f"{folder}/{TABLE}"
        rows = sum(pq.read_metadata(file).num_rows for file in DeltaTable(table).file_uris())
        found = {"rows": rows, "times": options.times}
        for way in WAYS:
            done = subprocess.run(
                [*this, "--way", way, "--table", table], capture_output=True, text=True, check=False
            )
            lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
            said = {k: v for line in lines for k, v in json.loads(line).items()}
            found[way] = said if done.returncode == 0 else {"failed": done.stderr[-300:]}
            print(way, json.dumps(found[way]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
