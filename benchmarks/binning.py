"""Incidents to the cube, Parquet to Zarr: ours beside pandas, DuckDB and the limit.

    python benchmarks/binning.py configs/chicago.yaml [--made-up 10000x10 50000x100] [--json OUT]

Makes the whole cube of a city's silver, and of made-up cities of so many cells x million incidents
over twenty years, in four ways, each in a process of its own: *ours* (the first night's build on
two workers, state and commit included), *pandas* (group by, then Zarr), *DuckDB* (likewise), and
*limit*: reading places and looking their cells up in H3, in two processes, which the cube's way
does not do again. Peak memory is that of the largest process. No way may take more than
``--gib`` or ``--seconds``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import zarr
from arrivals import PLACES, Work, city, made_up
from growth import plot

from cluster.lazy import LazyCluster, own_peak_mib
from cluster.spec import ClusterSpec
from grids.clock import reference_hour
from grids.cube import create_cube, extend_hours, read_info, shards
from grids.snapshots import BRANCH, open_repository
from pipeline.building import build
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
        build(repository, work.table, work.spec, work.until, cluster)
        return {"seconds": perf_counter() - began, "worker_mib": cluster.peak_mib()["worker"]}


def _ready() -> None:
    import dask.dataframe  # noqa: F401

    import pipeline.building  # noqa: F401


def by_pandas(work: Work, cube: Path) -> dict[str, float]:
    began = perf_counter()
    columns = ["occurred_at", "cell", "group"]
    rows = pd.concat(pd.read_parquet(file, columns=columns) for file in work.files)
    hour = rows["occurred_at"].astype("datetime64[s, UTC]").astype("int64") // 3600
    counts = rows.assign(hour=hour).groupby(["hour", "cell", "group"], observed=True).size()
    found = counts.reset_index(name="count")
    _write(work, cube, found["hour"], found["cell"], found["group"], found["count"])
    return {"seconds": perf_counter() - began}


def by_duckdb(work: Work, cube: Path) -> dict[str, float]:
    began = perf_counter()
    duckdb.execute(f"SET threads = {WORKERS}")
    found = duckdb.execute(
        'SELECT epoch(occurred_at)::BIGINT // 3600 AS hour, cell, "group", count(*) AS count '
        "FROM read_parquet(?) GROUP BY ALL ORDER BY hour",
        [work.files],
    ).df()
    _write(work, cube, found["hour"], found["cell"], found["group"], found["count"])
    return {"seconds": perf_counter() - began}


def limit(work: Work, _cube: Path) -> dict[str, float]:
    began = perf_counter()
    with multiprocessing.get_context("fork").Pool(WORKERS) as pool:
        tasks = [(work, file, at) for file in work.files for at in range(WORKERS)]
        found = sum(pool.starmap(_look_up, tasks, chunksize=1))
    seconds = perf_counter() - began
    assert found == rows_of(work)
    return {"seconds": seconds}


def _look_up(work: Work, file: str, part: int) -> int:
    """Every second group of rows: a file may be all there is."""
    parquet = pq.ParquetFile(file)
    groups = list(range(parquet.num_row_groups))[part::WORKERS]
    rows = parquet.read_row_groups(groups, columns=PLACES)
    return len(work.info.grid.locate(rows["lat"].to_numpy(), rows["lon"].to_numpy()))


def _write(work: Work, cube: Path, hour: Any, cell: Any, group: Any, count: Any) -> None:
    """Counts of slots into an array of the same layout, shard by shard, as Zarr has it done."""
    session = _empty_cube(work, cube).writable_session(BRANCH)
    extend_hours(session.store, reference_hour(work.until))
    info = read_info(session.store)
    array = zarr.open_group(session.store, mode="r+")["counts"]
    assert isinstance(array, zarr.Array)
    hours = hour.to_numpy()
    at = (
        hours - info.hours.start,
        info.grid.index_of(cell.to_numpy().astype(np.uint64)),
        pd.Index(info.categories).get_indexer(group),
    )
    for block in shards(info.hours):
        low, high = np.searchsorted(hours, [block.start, block.stop])
        dense = np.zeros((len(block), *array.shape[1:]), array.dtype)
        first = block.start - info.hours.start
        dense[at[0][low:high] - first, at[1][low:high], at[2][low:high]] = count[low:high]
        array[first : first + len(block)] = dense
    session.commit("all of it")


def _empty_cube(work: Work, cube: Path) -> Any:
    repository = open_repository(str(cube))
    create_cube(repository, work.info.grid, work.info.categories, work.spec.start, {})
    return repository


WAYS: dict[str, Callable[[Work, Path], dict[str, float]]] = {
    "limit": limit,
    "ours": ours,
    "DuckDB": by_duckdb,
    "pandas": by_pandas,
}


def rows_of(work: Work) -> int:
    return sum(pq.read_metadata(file).num_rows for file in work.files)


def one_way(way: str, folder: Path, gib: float) -> dict[str, float]:
    """In this process. Ours has workers, each with a limit of its own."""
    if way != "ours":
        resource.setrlimit(resource.RLIMIT_AS, (int(gib * 2**30),) * 2)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        cube = Path(scratch) / "cube"
        found = WAYS[way](Work.load(folder), cube)
        size = sum(path.stat().st_size for path in cube.rglob("*") if path.is_file())
    return {**found, "peak_mib": own_peak_mib(), "bytes": size}


def measure(options: argparse.Namespace, made: str | None, ways: list[str]) -> dict[str, Any]:
    """Every way on the city, or on a made-up one (``CELLSxMILLIONS``)."""
    with tempfile.TemporaryDirectory() as folder:
        # In processes of their own: the peak memory of one is inherited by those that it starts.
        this = [sys.executable, __file__, str(options.config), "--folder", folder]
        subprocess.run([*this, *(["--made-up", made] if made else [])], check=True)
        work = Work.load(Path(folder))
        hours = reference_hour(work.until) - work.spec.start
        found: dict[str, Any] = {"rows": rows_of(work), "cells": work.spec.cells, "hours": hours}
        found["read_bytes"] = sum(Path(file).stat().st_size for file in work.files)
        for way in ways:
            found[way] = _measured([*this, "--way", way, "--gib", str(options.gib)], options)
            print(made or "the city", way, json.dumps(found[way]), flush=True)
    return found


def _measured(command: list[str], options: argparse.Namespace) -> dict[str, Any]:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=options.seconds
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"more than {options.seconds:g} s"}
    if done.returncode:
        out_of_memory = "MemoryError" in done.stderr or "llocat" in done.stderr
        why = f"more than {options.gib:g} GiB" if out_of_memory else done.stderr[-300:]
        return {"failed": why}
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def section(found: dict[str, Any]) -> str:
    """What was measured, as Markdown."""
    parts = [
        "## Incidents to the cube",
        "Seconds from Parquet to a committed cube, two processes or threads. *Limit*: reading "
        "places and looking their cells up in H3, which ours does once, when it ingests. Ours "
        "makes the decayed state as well. Memory: of the largest process (ours: a worker).",
        "| | incidents | cells | seconds | of the limit | of pandas | MiB | bytes of the cube |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, each in found["cities"].items():
        for way in WAYS:
            if way in each:
                parts.append(_row(name, way, each))
    return "\n".join([parts[0], "", parts[1], "", *parts[2:]])


def _row(name: str, way: str, each: dict[str, Any]) -> str:
    size = f"{name}, {way} | {each['rows']:,} | {each['cells']:,}"
    this = each[way]
    if "failed" in this:
        return f"| {size} | stopped: {this['failed']} | | | | |"
    ratios = [
        f"{this['seconds'] / each[other]['seconds']:.2f}" if "seconds" in each[other] else ""
        for other in ("limit", "pandas")
    ]
    memory = this.get("worker_mib", this["peak_mib"])
    written = f"{this['bytes']:,}" if this["bytes"] else ""
    figures = [f"{this['seconds']:.1f}", *ratios, f"{memory:,.0f}", written]
    return f"| {size} | {' | '.join(figures)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--made-up", nargs="*", default=[], metavar="CELLSxMILLIONS")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--gib", type=float, default=14)
    parser.add_argument("--seconds", type=float, default=400)
    parser.add_argument("--folder", type=Path, help="only make the table, or run a --way on it")
    parser.add_argument("--way", choices=WAYS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(one_way(options.way, options.folder, options.gib)))
    elif options.folder:
        if options.made_up:
            cells, millions = options.made_up[0].split("x")
            work = made_up(int(cells), int(float(millions) * 1e6), YEARS, options.folder)
        else:
            work = city(load_config(options.config), options.folder)
        work.save(options.folder)
    else:
        cities = {options.config.stem: measure(options, None, [*WAYS])}
        for made in options.made_up:
            cities[f"made up {made}"] = measure(options, made, [*WAYS])
        found = {"cities": cities}
        print(section(found))
        if options.json:
            options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
