"""Incidents to the cube, Parquet to Zarr: ours beside pandas, DuckDB and the look-up in H3.

    python benchmarks/binning.py configs/chicago.yaml [--made-up 10000x10 50000x100] [--json OUT]

Makes the whole cube of a city's silver, and of made-up cities of so many cells x million incidents
over twenty years, in four ways, each in a process of its own: *ours* (the first night's build on
two workers, revisions, state and commit included; *cube alone*: the state made before), *pandas*
(group by, then Zarr), *DuckDB* (likewise), and *look-up*: reading places and looking their cells up
in H3, in two processes, which is what ingestion cannot do without and the cube's way does not do
again. All count as many incidents, or it ends there. No way may take more than ``--gib``, its
processes together, or ``--seconds``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest.mock import patch

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import zarr
from arrivals import PLACES, Work, city, made_up
from growth import plot
from watched import Limits, run

from cluster.lazy import LazyCluster, own_peak_mib
from cluster.spec import ClusterSpec
from grids.clock import reference_hour
from grids.cube import create_cube, extend_hours, read_info, shards
from grids.snapshots import BRANCH, open_repository
from pipeline import building
from pipeline.load import load_config

WORKERS = 2
YEARS = 20

__all__ = ["plot", "section"]


def ours(work: Work, cube: Path) -> dict[str, float]:
    repository = _empty_cube(work, cube)
    spec = ClusterSpec(kind="local", workers=WORKERS)
    with LazyCluster(spec, cube.parent) as cluster:
        cluster.client.wait_for_workers(WORKERS)
        # Both load what they need before, as the other ways have.
        cluster.client.run(_ready)
        began = perf_counter()
        state = building.build(repository, work.table, work.spec, work.until, cluster)
        seconds = perf_counter() - began
        worker = cluster.peak_mib()["worker"]
    return {"seconds": seconds, "worker_mib": worker, "counted": state.incidents}


def cube_alone(work: Work, cube: Path) -> dict[str, float]:
    """Ours, the state made before: what the others make."""
    info, spec = work.info, work.spec
    state = building._state(work.table, info, spec, work.until)
    with patch.object(building, "_state", lambda *_: state):
        return ours(work, cube)


def _ready() -> None:
    import dask.dataframe  # noqa: F401

    import pipeline.building  # noqa: F401


def by_pandas(work: Work, cube: Path) -> dict[str, float]:
    began = perf_counter()
    columns, kinds = ["occurred_at", "cell", "group"], pd.CategoricalDtype(work.info.categories)
    parts = (pd.read_parquet(file, columns=columns) for file in work.files)
    rows = pd.concat(part.astype({"group": kinds}) for part in parts)
    hour = rows["occurred_at"].astype("datetime64[s, UTC]").astype("int64") // 3600
    counts = rows.assign(hour=hour).groupby(["hour", "cell", "group"], observed=True).size()
    found = counts.reset_index(name="count")
    return _write(work, cube, found, found["group"].cat.codes.to_numpy(), began)


def by_duckdb(work: Work, cube: Path) -> dict[str, float]:
    began = perf_counter()
    for setting in (
        f"threads = {WORKERS}",
        "memory_limit = '8GB'",
        f"temp_directory = '{cube}.tmp'",
    ):
        duckdb.execute(f"SET {setting}")
    found = duckdb.execute(
        "SELECT epoch_us(occurred_at) // 3600000000 AS hour, cell, "
        'list_position(?, "group") - 1 AS kind, count(*) AS count '
        "FROM read_parquet(?) GROUP BY ALL ORDER BY hour",
        [list(work.info.categories), work.files],
    ).df()
    return _write(work, cube, found, found["kind"].to_numpy(), began)


def look_up(work: Work, _cube: Path) -> dict[str, float]:
    began = perf_counter()
    with multiprocessing.get_context("fork").Pool(WORKERS) as pool:
        tasks = [(work, file, at) for file in work.files for at in range(WORKERS)]
        found = sum(pool.starmap(_look_up, tasks, chunksize=1))
    seconds = perf_counter() - began
    return {"seconds": seconds, "counted": found}


def _look_up(work: Work, file: str, part: int) -> int:
    """Every second group of rows: a file may be all there is."""
    parquet = pq.ParquetFile(file)
    groups = list(range(parquet.num_row_groups))[part::WORKERS]
    rows = parquet.read_row_groups(groups, columns=PLACES)
    cells = work.info.grid.locate(rows["lat"].to_numpy(), rows["lon"].to_numpy())
    return int((cells >= 0).sum())


def _write(
    work: Work, cube: Path, found: pd.DataFrame, kind: Any, began: float
) -> dict[str, float]:
    """Counts of slots into an array of the same layout, shard by shard, as Zarr has it done.

    With the chunks that are empty, too: to look for them takes Zarr twice as long as to write them.
    """
    session = _empty_cube(work, cube).writable_session(BRANCH)
    extend_hours(session.store, reference_hour(work.until))
    info = read_info(session.store)
    array = zarr.open_group(session.store, mode="r+")["counts"]
    assert isinstance(array, zarr.Array)
    array = array.with_config({"write_empty_chunks": True})
    hour, count = found["hour"].to_numpy(), found["count"].to_numpy()
    cell = info.grid.index_of(found["cell"].to_numpy().astype(np.uint64))
    for block in shards(info.hours):
        inside = slice(*np.searchsorted(hour, [block.start, block.stop]))
        dense = np.zeros((len(block), *array.shape[1:]), array.dtype)
        dense[hour[inside] - block.start, cell[inside], kind[inside]] = count[inside]
        first = block.start - info.hours.start
        array[first : first + len(block)] = dense
    session.commit("all of it")
    return {"seconds": perf_counter() - began, "counted": int(count.sum())}


def _empty_cube(work: Work, cube: Path) -> Any:
    repository = open_repository(str(cube))
    create_cube(repository, work.info.grid, work.info.categories, work.spec.start, {})
    return repository


WAYS: dict[str, Callable[[Work, Path], dict[str, float]]] = {
    "look-up": look_up,
    "ours": ours,
    "ours, cube alone": cube_alone,
    "DuckDB": by_duckdb,
    "pandas": by_pandas,
}


def rows_of(work: Work) -> int:
    return sum(pq.read_metadata(file).num_rows for file in work.files)


def one_way(way: str, folder: Path) -> dict[str, float]:
    """In this process."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        cube = Path(scratch) / "cube"
        found = WAYS[way](Work.load(folder), cube)
        size = sum(path.stat().st_size for path in cube.rglob("*") if path.is_file())
    return {**found, "peak_mib": own_peak_mib(), "bytes": size}


def measure(options: argparse.Namespace, made: str | None) -> dict[str, Any]:
    """Every way on the city, or on a made-up one (``CELLSxMILLIONS``)."""
    with tempfile.TemporaryDirectory() as folder:
        # In processes of their own: the peak memory of one is inherited by those that it starts.
        this = [sys.executable, __file__, str(options.config), "--folder", folder]
        subprocess.run([*this, *(["--made-up", made] if made else [])], check=True)
        work = Work.load(Path(folder))
        hours = reference_hour(work.until) - work.spec.start
        found: dict[str, Any] = {"rows": rows_of(work), "cells": work.spec.cells, "hours": hours}
        found["read_bytes"] = sum(Path(file).stat().st_size for file in work.files)
        limits = Limits(options.seconds, options.gib * 1024)
        for way in WAYS:
            found[way] = run([*this, "--way", way], limits)
            print(made or "the city", way, json.dumps(found[way]), flush=True)
        counted = {found[way]["counted"] for way in WAYS if "stopped" not in found[way]}
        assert len(counted) == 1, f"ways differ in how many incidents there are: {counted}"
    return found


def section(found: dict[str, Any]) -> str:
    """What was measured, as Markdown."""
    text = (
        "Seconds from Parquet to a committed cube, two processes or threads. *Look-up*: reading "
        "places and finding their cells in H3, which ours does once, when it ingests. Ours counts "
        "revisions as well and makes the decayed state, whose bytes are in those of its cube. "
        "pandas and DuckDB group, and Zarr writes their dense shards, empty chunks included, "
        "since that is quicker. MiB: of the largest process (ours: driver, worker); *cube "
        "alone*'s hold the state that was made before, too."
    )
    head = "| | incidents | cells | seconds | of the look-up | of pandas | MiB | MiB of the cube |"
    rows = [
        _row(name, way, each)
        for name, each in found["cities"].items()
        for way in WAYS
        if way in each
    ]
    return "\n".join(
        ["## Incidents to the cube", "", text, "", head, "|---|---|---|---|---|---|---|---|", *rows]
    )


def _row(name: str, way: str, each: dict[str, Any]) -> str:
    size = f"{name}, {way} | {each['rows']:,} | {each['cells']:,}"
    this = each[way]
    if "stopped" in this:
        return f"| {size} | stopped, {this['stopped']} | | | | |"
    ratios = [
        f"{this['seconds'] / each[other]['seconds']:.2f}" if "seconds" in each[other] else ""
        for other in ("look-up", "pandas")
    ]
    memory = ", ".join(f"{this[n]:,.0f}" for n in ("peak_mib", "worker_mib") if n in this)
    written = f"{this['bytes'] / 2**20:,.0f}" if this["bytes"] else ""
    figures = [f"{this['seconds']:.1f}", *ratios, memory, written]
    return f"| {size} | {' | '.join(figures)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--made-up", nargs="*", default=[], metavar="CELLSxMILLIONS")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--gib", type=float, default=14)
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--folder", type=Path, help="only make the table, or run a --way on it")
    parser.add_argument("--way", choices=WAYS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(one_way(options.way, options.folder)))
    elif options.folder:
        if options.made_up:
            cells, millions = options.made_up[0].split("x")
            work = made_up(int(cells), int(float(millions) * 1e6), YEARS, options.folder)
        else:
            work = city(load_config(options.config), options.folder)
        work.save(options.folder)
    else:
        cities = {options.config.stem: measure(options, None)}
        for made in options.made_up:
            cities[f"made up {made}"] = measure(options, made)
        found = {"cities": cities}
        print(section(found))
        if options.json:
            options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
