"""Others beside ours on the same work: boosters on the same rows, mlforecast on the same counts.

    python benchmarks/peers.py configs/denver.yaml --as-of 2024-09-01T06:00Z [--json OUT] [--quick]

They have an environment of their own (`make .venv-peers/.ready`, requirements/peers.txt). Every way
runs in a process of its own, watched from outside, and ends where it takes too long or too much.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import peers_boosting
from peers_bench import QUICK, TARGET, THREADS, Bench, Scale
from peers_rows import both
from peers_section import OURS, section
from peers_skill import gained, mean_forecast, over_start

from cluster.lazy import LazyCluster
from cluster.spec import ClusterSpec
from grids.clock import latest_cutoff
from pipeline.known import read_known
from pipeline.learning.boosting import PARAMETERS
from pipeline.learning.features import MISSING
from pipeline.learning.rows import joined
from pipeline.load import load_config

NIGHTS = 28
MATURE = timedelta(weeks=7)  # from the first of them until their counts are looked at


def measure_rows(bench: Bench) -> dict[str, Any]:
    """The same trees on the same rows, by every library."""
    fit, held = _rows(bench)
    how = peers_boosting.How(dict(PARAMETERS), bench.rounds, THREADS, MISSING)
    (bench.folder / "how.json").write_text(json.dumps(vars(how)))
    found: dict[str, Any] = {}
    for name, way in peers_boosting.WAYS.items():
        theirs = way.package == "lightgbm"
        said = bench.run("peers_boosting.py", bench.folder, "--way", name, peers=theirs)
        if "stopped" not in said:
            expected = np.load(peers_boosting.expected_path(bench.folder, name))
            said["gain"] = over_start(expected, held)
        found[name] = {"package": way.package, **said}
        print(name, json.dumps(found[name]), flush=True)
    return {
        "config": str(bench.path),
        "as_of": bench.as_of.isoformat(),
        "target": TARGET,
        "rounds": bench.rounds,
        "leaves": 2 ** PARAMETERS["max_depth"],
        "threads": THREADS,
        "features": fit.codes.shape[1],
        "fit_rows": len(fit.counts),
        "rows_mib": peers_boosting.size(fit) / 2**20,
        "held_rows": sum(len(night.counts) for night in held),
        "held_nights": len(held),
        "incidents": sum(int(night.counts.sum()) for night in held),
        "ways": found,
    }


def _rows(bench: Bench) -> tuple[Any, Any]:
    known = read_known(bench.config).at(bench.as_of)
    spec = ClusterSpec(kind="local", workers=THREADS)
    with LazyCluster(spec, bench.folder) as cluster:
        nights = bench.scale.fit_nights, bench.scale.held_nights
        fit, held = both(known, bench.as_of, TARGET, cluster.client, *nights)
    peers_boosting.save(bench.folder, peers_boosting.FIT, fit)
    peers_boosting.save(bench.folder, peers_boosting.HELD, joined(held))
    return fit, held


def measure_series(bench: Bench, whole: int) -> dict[str, Any]:
    """Ours and mlforecast on parts of the city that grow, until each of them gives out."""
    cutoff = latest_cutoff(bench.as_of - MATURE, bench.config.cutoff, bench.config.zone)
    going, sizes = list(bench.scale.ways), []
    for cells in sorted({min(cells, whole) for cells in bench.scale.cells}):
        with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
            size = _size(replace(bench, folder=Path(folder)), cutoff, cells, going)
        going = [name for name in going if "stopped" not in size["ways"][name]]
        sizes.append(size)
    return {
        "config": str(bench.path),
        "as_of": bench.as_of.isoformat(),
        "cutoff": cutoff.isoformat(),
        "days": bench.scale.days,
        "nights": NIGHTS,
        "weeks_after": MATURE // timedelta(weeks=1),
        "rounds": bench.rounds,
        "depth": PARAMETERS["max_depth"],
        "limits": vars(bench.scale.limits),
        "sizes": sizes,
    }


def _size(bench: Bench, cutoff: datetime, cells: int, going: Sequence[str]) -> dict[str, Any]:
    folder, days = bench.folder, bench.scale.days
    ours = [bench.path, folder, "--cutoff", cutoff.isoformat(), "--until", bench.as_of.isoformat(),
            "--cells", cells, "--days", days, "--nights", NIGHTS,
            "--rounds", bench.rounds]  # fmt: skip
    made = bench.run("peers_ours.py", *ours, "--make", "series", peers=False)
    assert "stopped" not in made, made
    ways = {OURS: bench.run("peers_ours.py", *ours, "--make", "ours", peers=False)}
    _say_how(bench)
    for name in going:
        ways[name] = bench.run("peers_mlforecast.py", folder, "--way", name, peers=True)
        if "stopped" not in ways[name]:
            (folder / "peer.npy").rename(folder / f"{name}.npy")
    _judge(folder, ways)
    size = {"cells": cells, "cell_hours": cells * 24 * days, "incidents": made["incidents"]}
    print(json.dumps({**size, "ways": ways}), flush=True)
    return {**size, "ways": ways}


def _say_how(bench: Bench) -> None:
    """What mlforecast is to do, in its libraries' words."""
    trees = peers_boosting.How(dict(PARAMETERS), bench.rounds, THREADS, MISSING)
    depth = PARAMETERS["max_depth"]
    light = peers_boosting.lightgbm_parameters(trees, depth)
    names = {"eta": "learning_rate", "lambda": "reg_lambda", "seed": "random_state"}
    how = {
        **json.loads((bench.folder / "series.json").read_text()),
        "threads": THREADS,
        "rounds": bench.rounds,
        "parts": 2 * THREADS,
        "worker_mib": bench.scale.limits.mib / THREADS,
        "xgboost": {names.get(key, key): value for key, value in PARAMETERS.items()},
        "lightgbm": {key: value for key, value in light.items() if key != "num_threads"},
    }
    (bench.folder / "how.json").write_text(json.dumps(how))


def _judge(folder: Path, ways: Mapping[str, dict[str, Any]]) -> None:
    """Adds to every way that came to an end its gain over the mean, and how far ours is ahead."""
    weeks = np.load(folder / "weeks.npz")
    truth, counts = np.load(folder / "truth.npy"), np.load(folder / "counts.npy")
    mean = mean_forecast(counts, weeks["before"], weeks["ahead"])
    made = {
        name: np.load(folder / f"{name}.npy") for name, way in ways.items() if "stopped" not in way
    }
    for name, expected in made.items():
        ways[name]["gain"] = gained(list(zip(expected, mean, truth, strict=True)))
        if name != OURS and OURS in made:
            ways[name]["behind_ours"] = gained(list(zip(made[OURS], expected, truth, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--as-of", type=datetime.fromisoformat, required=True)
    parser.add_argument("--peers", type=Path, default=Path(".venv-peers/bin/python"))
    parser.add_argument("--only", choices=["rows", "series"])
    parser.add_argument("--cells", type=int, nargs="+", help="other sizes than the usual ones")
    parser.add_argument("--seconds", type=float, help="that each may take, if not the usual ones")
    parser.add_argument("--quick", action="store_true", help="sizes that end within 90 s")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    if not options.peers.exists():
        parser.error(f"{options.peers} is not there: make .venv-peers/.ready")
    scale = QUICK if options.quick else Scale()
    scale = replace(scale, cells=tuple(options.cells)) if options.cells else scale
    if options.seconds:
        scale = replace(scale, limits=replace(scale.limits, seconds=options.seconds))
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        config = load_config(options.config)
        bench = Bench(options.config, config, options.as_of, scale, options.peers, Path(folder))
        if options.only != "series":
            found["rows"] = measure_rows(bench)
        if options.only != "rows":
            found["series"] = measure_series(bench, len(read_known(config).info.grid))
    print(section(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
