"""Our own training and nights on a part of a city; and the part's counts, for others.

    python benchmarks/peers_ours.py configs/denver.yaml FOLDER --cutoff ... --until ...
        --cells 500 --days 365 --nights 14 --rounds 160 --make series|ours

The part is compact: the cells that are nearest to the busiest one, and nothing is known of what
occurred before its days. ``series`` leaves counts as known at each cutoff; ``ours`` trains at the
first cutoff and forecasts every night, each from what was known then.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.lazy import LazyCluster
from cluster.spec import ClusterSpec
from grids.clock import EPOCH, HOUR, nightly_cutoffs
from grids.counts import net_changes
from grids.cube import hour_of
from grids.hexgrid import HexGrid
from grids.hours import HourRange
from pipeline.city import make_city
from pipeline.districts import read_districts
from pipeline.known import Known, read_known
from pipeline.learning.train import train
from pipeline.load import load_config
from pipeline.replay import cut_blocks, nights_of
from pipeline.silver import Arrivals
from pipeline.state import advance, empty_state
from pipeline.store import Store

WORKERS = 2
TARGET = "all"
COUNTS, NEWS, TRUTH, OURS = (f"{name}.npy" for name in "counts news truth ours".split())


def nearest_cells(known: Known, count: int) -> NDArray[np.int64]:
    """Indices, in order, of so many cells around the busiest one."""
    busiest = np.bincount(known.arrivals.events.cell, minlength=len(known.info.grid)).argmax()
    metres = known.info.grid.metres
    away = np.hypot(*(metres - metres[busiest]).T)
    return np.sort(np.argsort(away, kind="stable")[:count])


def part_of(known: Known, cells: NDArray[np.int64], start: int) -> Known:
    """The city as if it were these cells, and its data began at hour ``start``."""
    place = np.full(len(known.info.grid), -1, np.int32)
    place[cells] = np.arange(len(cells))
    events = known.arrivals.events
    here = replace(events, cell=place[events.cell])
    chosen = (here.cell >= 0) & (here.hour >= start)
    arrivals = replace(known.arrivals, events=here)[chosen]
    grid = HexGrid(known.info.grid.resolution, known.info.grid.cells[cells])
    info = replace(known.info, grid=grid, hours=HourRange(start, known.info.hours.stop))
    return Known(known.config, make_city(known.config, info), info, arrivals)


def dense(part: Known, arrivals: Arrivals, hours: HourRange) -> NDArray[np.uint8]:
    """(cell, hour) counts of the target among the arrivals, 255 at most."""
    net = net_changes(arrivals.events, part.city.spec.cells, part.city.spec.categories)
    chosen = np.isin(net.category, part.members[TARGET])
    chosen &= (net.hour >= hours.start) & (net.hour < hours.stop)
    counts = np.zeros((part.city.spec.cells, len(hours)), np.int64)
    np.add.at(counts, (net.cell[chosen], net.hour[chosen] - hours.start), net.change[chosen])
    return counts.clip(0, 255).astype(np.uint8)


def make_series(part: Known, cutoffs: Sequence[datetime], folder: Path) -> dict[str, Any]:
    """Counts up to the first cutoff as known then, of each night as known at the next cutoff, and
    of each night as known now. Dims (cell, hour), (night, cell, hour) and (night, cell, hour);
    and the local hours of the week of all these hours.
    """
    before = HourRange(part.city.spec.start, hour_of(cutoffs[0]))
    np.save(folder / COUNTS, dense(part, part.at(cutoffs[0]).arrivals, before))
    nights = [part.city.hours_ahead(cutoff) for cutoff in cutoffs]
    if len({len(hours) for hours in nights}) > 1:
        raise SystemExit(f"clocks change after {cutoffs[0]}: take nights that all have 24 hours")
    known = [part.at(EPOCH + hours.stop * HOUR).arrivals for hours in nights]
    pairs = zip(known, nights, strict=True)
    np.save(folder / NEWS, np.stack([dense(part, then, hours) for then, hours in pairs]))
    np.save(folder / TRUTH, np.stack([dense(part, part.arrivals, hours) for hours in nights]))
    zone = part.city.spec.zone
    ahead = np.stack([hours.hours_of_week(zone) for hours in nights])
    np.savez(folder / "weeks.npz", before=before.hours_of_week(zone), ahead=ahead)
    described = {"first_hour": before.start, "zone": part.config.timezone}
    (folder / "series.json").write_text(json.dumps(described))
    return {"incidents": int(np.load(folder / COUNTS).sum())}


def ours(part: Known, cutoffs: Sequence[datetime], districts: Any, folder: Path) -> dict[str, Any]:
    """Seconds of a training with all that belongs to it, and of the nights after it."""
    spec, then = part.city.spec, part.at(cutoffs[0]).arrivals
    with LazyCluster(ClusterSpec(kind="local", workers=WORKERS), folder) as cluster:
        cluster.client.wait_for_workers(WORKERS)
        began = perf_counter()
        state = advance(empty_state(spec), then, cutoffs[0], spec)
        shared = part.config, part.city, part.info.categories, [TARGET]
        (model,) = train(*shared, then, state, districts, cluster.client)
        fit = perf_counter() - began
    issued, times, expected = model.issued(), [perf_counter()], []
    (block,) = cut_blocks(part.city, part.arrivals, cutoffs, size=len(cutoffs))
    for night in nights_of(part.city, block, part.members[TARGET]):
        expected.append(issued(night))
        times.append(perf_counter())
    np.save(folder / OURS, np.stack(expected).astype(np.float32))
    return {
        "fit": round(fit, 1),
        "night": round(median(np.diff(times)), 3),
        "issued": model.label.split(" 2")[0],  # without its cutoff
        "nights_fit": model.record["fit"]["nights"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cutoff", type=datetime.fromisoformat, required=True)
    parser.add_argument("--until", type=datetime.fromisoformat, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--cells", type=int, required=True)
    parser.add_argument("--days", type=int, required=True)
    parser.add_argument("--nights", type=int, required=True)
    parser.add_argument("--make", choices=["series", "ours"], required=True)
    options = parser.parse_args()
    config = load_config(options.config)
    model = config.model.model_copy(update={"rounds": options.rounds})
    config = config.model_copy(update={"model": model})
    known = read_known(config).at(options.until)
    cells = nearest_cells(known.at(options.cutoff), options.cells)
    part = part_of(known, cells, hour_of(options.cutoff - timedelta(days=options.days)))
    last = options.cutoff + timedelta(days=options.nights - 1, hours=2)
    cutoffs = nightly_cutoffs(options.cutoff, last, config.cutoff, config.zone)
    if options.make == "series":
        found = make_series(part, cutoffs, options.folder)
    else:
        table = Store(config.output.path).silver
        districts = read_districts(table, known.info.grid, options.cutoff).of_cell[cells]
        found = ours(part, cutoffs, districts, options.folder)
    print(json.dumps({"cells": len(cells), **found}))


if __name__ == "__main__":
    main()
