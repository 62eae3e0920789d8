"""A year of nights: moving the state through it, and the rows that a model learns from it.

    python benchmarks/year.py configs/chicago.yaml --as-of 2018-06-01T05:00Z [--json OUT]

The state alone in one process, night by night; then the training rows of the first four offence
groups, on two workers, codes and labels and all. Nights early in the city's history beside late
ones show whether a night costs what history does.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from cluster.few import few_at_once
from cluster.lazy import LazyCluster
from cluster.spec import ClusterSpec
from grids.clock import nightly_cutoffs
from pipeline.config import Config
from pipeline.known import Known, read_known
from pipeline.learning.rows import Rows, training_rows
from pipeline.load import load_config
from pipeline.replay import Block, City, blocks_of
from pipeline.state import advance, empty_state

WORKERS = 2
NIGHTS = 365
EMPTIES = 4.0  # cell-hours for each incident, the fewest that hexcast takes
BLOCK = 28
DAY = timedelta(days=1)


def nights_between(config: Config, first: datetime, last: datetime) -> list[datetime]:
    return nightly_cutoffs(first, last, config.cutoff, config.zone)


def state_seconds(known: Known, nights: Sequence[datetime]) -> list[float]:
    """Seconds of every night's update, the first left out: it takes in all that came before."""
    city, seconds = known.city, []
    state = advance(empty_state(city.spec), known.arrivals.until(nights[0]), nights[0], city.spec)
    for before, cutoff in pairwise(nights):
        news = known.arrivals.after(before).until(cutoff)
        began = perf_counter()
        state = advance(state, news, cutoff, city.spec)
        seconds.append(perf_counter() - began)
    return seconds


def rows_of(city: City, block: Block, groups: int) -> dict[str, int]:
    """Each group's rows: made as for a training, and let go."""
    found = [training_rows(city, block, (group,), EMPTIES) for group in range(groups)]
    return {"rows": sum(len(each.counts) for each in found), "bytes": sum(map(_size, found))}


def _size(rows: Rows) -> int:
    return sum(each.nbytes for each in (rows.codes, rows.counts, rows.weights, rows.starts))


def features_of_year(known: Known, nights: Sequence[datetime], home: Path) -> dict[str, Any]:
    groups = [tuple(nights[at : at + BLOCK]) for at in range(0, len(nights), BLOCK)]
    kinds = min(4, len(known.info.categories))
    with LazyCluster(ClusterSpec(kind="local", workers=WORKERS), home) as cluster:
        client = cluster.client
        client.wait_for_workers(WORKERS)
        city = client.scatter(known.city, hash=False)
        began = perf_counter()
        blocks = blocks_of(known.city, known.arrivals, groups)
        made = list(few_at_once(client, blocks, lambda block: client.submit(
            rows_of, city, client.scatter(block, hash=False), kinds, pure=False)))  # fmt: skip
        seconds = perf_counter() - began
        sizes = [size for _, size in made]
        peak = cluster.peak_mib()
    return {
        "seconds": seconds,
        "groups": kinds,
        "rows": sum(size["rows"] for size in sizes),
        "bytes": sum(size["bytes"] for size in sizes),
        "peak_mib": peak,
    }


def measure(known: Known, until: datetime, home: Path) -> dict[str, Any]:
    started = known.city.spec.started + 10 * DAY
    early = nights_between(known.config, started, started + NIGHTS * DAY)
    late = nights_between(known.config, until - NIGHTS * DAY, until)
    spent = {
        name: state_seconds(known, nights) for name, nights in (("early", early), ("late", late))
    }
    return {
        "cells": known.city.spec.cells,
        "nights": len(late) - 1,
        "state": {name: {"median": median(each), "sum": sum(each)} for name, each in spent.items()},
        "incidents_before": {
            name: len(known.at(nights[0]).arrivals)
            for name, nights in (("early", early), ("late", late))
        },
        "features": features_of_year(known, late[1:], home),
    }


def section(found: dict[str, Any]) -> str:
    """What was measured, as Markdown."""
    early, late = found["state"]["early"], found["state"]["late"]
    made, before = found["features"], found["incidents_before"]
    return "\n".join(
        [
            "## A year of nights",
            "",
            f"{found['nights']} nights of {found['cells']:,} cells. The state, in one process: "
            f"{late['sum']:.1f} s, {1000 * late['median']:.1f} ms a night with "
            f"{before['late']:,} incidents behind it, {1000 * early['median']:.1f} ms with "
            f"{before['early']:,} ({late['median'] / early['median']:.2f} times). Training rows of "
            f"{made['groups']} offence groups, state included, on two workers: "
            f"{made['seconds']:.1f} s for {made['rows']:,} rows of "
            f"{made['bytes'] / made['rows']:.0f} bytes (uint8 codes, label, weight, start); "
            f"{made['peak_mib']['worker']:.0f} MiB a worker.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--as-of", type=datetime.fromisoformat, required=True)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    config = load_config(options.config)
    known = read_known(config).at(options.as_of)
    found = measure(known, options.as_of, Path(config.output.path))
    print(section(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
