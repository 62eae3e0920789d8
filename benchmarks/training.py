"""Where a training's seconds go, and what others take on the same rows.

    python benchmarks/training.py configs/chicago.yaml --as-of 2018-06-01T05:00Z [--json OUT]

Trains one target as a night does, on two workers, and adds up its tasks by what they do. Then the
rows are gathered, and the same trees are fitted to them: by XGBoost itself with two threads, ours
through the cluster, and scikit-learn, one after the other. Last, on a fresh cluster, by how much
boosting's worker grows at most: rows, XGBoost's own and all.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from datetime import datetime
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from distributed import get_task_stream
from peers_boosting import WAYS, How, fitted
from peers_rows import rows_of

from cluster.lazy import LazyCluster
from cluster.spec import ClusterSpec
from pipeline.districts import read_districts
from pipeline.enough import require_enough
from pipeline.known import Known, read_known
from pipeline.learning.boosting import PARAMETERS, default_boosting
from pipeline.learning.features import MISSING
from pipeline.learning.fit import fit_booster
from pipeline.learning.past import train_at
from pipeline.learning.rows import Rows, joined
from pipeline.load import load_config
from pipeline.store import Store

WORKERS = 2
BLOCKS = 20  # in which rows come


def profile(known: Known, cutoff: datetime, target: str, cluster: LazyCluster) -> dict[str, Any]:
    """Seconds of the whole, and of its tasks by name: how many, their sum, first and last."""
    store = Store(known.config.output.path)
    districts = read_districts(store.silver, known.info.grid, cutoff).of_cell
    began = perf_counter()
    with get_task_stream(cluster.client) as stream:
        (model,) = train_at(known, cutoff, [target], districts, cluster, require_enough)
    seconds = perf_counter() - began
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for task in stream.data:
        for each in task["startstops"]:
            if each["action"] == "compute":
                name = str(task["key"]).split("-")[0].strip("('")
                spans[name].append((each["start"], each["stop"]))
    first = min(start for found in spans.values() for start, _ in found)
    tasks = {
        name: {
            "tasks": len(found),
            "sum": round(sum(stop - start for start, stop in found), 1),
            "from": round(min(start for start, _ in found) - first, 1),
            "to": round(max(stop for _, stop in found) - first, 1),
        }
        for name, found in spans.items()
        if sum(stop - start for start, stop in found) > 0.2
    }
    return {"seconds": round(seconds, 1), "fit": model.record["fit"], "tasks": tasks}


def timed(fit: Any, *arguments: Any) -> float:
    began = perf_counter()
    fit(*arguments)
    return round(perf_counter() - began, 1)


def bytes_per_row(rows: Rows, rounds: int, folder: Path) -> float:
    """Of a worker that boosts for its machine, over what it holds without any rows."""
    with LazyCluster(ClusterSpec(kind="local", workers=1), folder) as cluster:
        client = cluster.client
        few = [client.scatter(_part(rows, slice(0, 1000)), hash=False)]
        fit_booster(client, few, 2, "cpu", threads=WORKERS)  # loads what it needs
        (before,) = client.run(_resident, "VmRSS").values()
        step = -(-len(rows.counts) // BLOCKS)
        parts = [
            client.scatter(_part(rows, slice(at, at + step)), hash=False)
            for at in range(0, len(rows.counts), step)
        ]
        client.run(_forget_peak)
        fit_booster(client, parts, rounds, "cpu", threads=WORKERS)
        (peak,) = client.run(_resident, "VmHWM").values()
    return (peak - before) / len(rows.counts)


def _part(rows: Rows, which: slice) -> Rows:
    columns = (rows.codes, rows.counts, rows.weights, rows.starts)
    return Rows(*(each[which].copy() for each in columns), nights=0)


def _resident(name: str) -> int:
    """Bytes: ``VmRSS`` now, ``VmHWM`` at most since the peak was forgotten."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (found,) = (line for line in lines if line.startswith(f"{name}:"))
    return int(found.split()[1]) * 1024


def _forget_peak() -> None:
    """Linux: the largest resident size begins anew."""
    Path("/proc/self/clear_refs").write_text("5")


def section(found: dict[str, Any]) -> str:
    """What was measured, as Markdown."""
    fits, fit = found["fits"], found["fit"]
    tasks = [
        f"| {name} | {task['tasks']} | {task['sum']} | {task['from']} | {task['to']} |"
        for name, task in found["tasks"].items()
    ]
    boosters = [
        f"| {name} | {fits[name]} | {fits[name] / fits['xgboost']:.2f} | "
        f"{fits[name] / fits['scikit-learn']:.2f} |"
        for name in ("ours", "xgboost", "scikit-learn")
    ]
    head = [
        f"From cube to model, target `{found['target']}`, two workers: {found['seconds']} s for "
        f"{fit['nights']:,} nights, {fit['rows']:,} rows. Seconds of its tasks, added up, and when "
        "the first began and the last ended:",
        "",
        "| task | times | seconds | from | to |",
        "|---|---|---|---|---|",
    ]
    same = [
        f"The same {fits['rows']:,} rows of {found['features']} features, {fits['rounds']} trees, "
        "two threads:",
        "",
        "| | seconds | of XGBoost alone | of scikit-learn |",
        "|---|---|---|---|",
    ]
    memory = f"Boosting takes {found['bytes_per_row']:.0f} bytes a row at most, the rows included."
    return "\n".join(["## A training", "", *head, *tasks, "", *same, *boosters, "", memory])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--as-of", type=datetime.fromisoformat, required=True)
    parser.add_argument("--target", default="all")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    config = load_config(options.config)
    home = Path(config.output.path)
    known = read_known(config).at(options.as_of)
    rounds = default_boosting(config).rounds[options.target]
    with LazyCluster(ClusterSpec(kind="local", workers=WORKERS), home) as cluster:
        cluster.client.wait_for_workers(WORKERS)
        found = profile(known, options.as_of, options.target, cluster)
        parts, threads = rows_of(known, options.as_of, options.target, cluster.client)
        gathered = joined(cluster.client.gather(parts))
        ours = partial(fit_booster, cluster.client, parts, rounds, "cpu", threads=threads)
        fits = {"rows": len(gathered.counts), "rounds": rounds, "ours": timed(ours)}
        found["worker_mib"] = cluster.peak_mib()["worker"]
    how = How(dict(PARAMETERS), rounds, WORKERS, MISSING)
    fits["xgboost"] = timed(fitted, WAYS["XGBoost"], gathered, how)
    fits["scikit-learn"] = timed(fitted, WAYS["scikit-learn"], gathered, how)
    found |= {"target": options.target, "fits": fits, "features": gathered.codes.shape[1]}
    found["bytes_per_row"] = bytes_per_row(gathered, rounds, home)
    print(section(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
