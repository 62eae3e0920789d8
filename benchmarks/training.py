"""Where a training's seconds go, and what others take on the same rows.

    python benchmarks/training.py configs/chicago.yaml --as-of 2018-06-01T05:00Z [--json OUT]

Trains one target as a night does, on two workers, and adds up its tasks by what they do. Then the
rows are gathered, and the same trees are fitted to them: by XGBoost itself with two threads, ours
through the cluster, and scikit-learn, one after the other.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from datetime import datetime
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
from pipeline.learning.rows import joined
from pipeline.load import load_config
from pipeline.store import Store

WORKERS = 2


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--as-of", type=datetime.fromisoformat, required=True)
    parser.add_argument("--target", default="all")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    config = load_config(options.config)
    known = read_known(config).at(options.as_of)
    spec = ClusterSpec(kind="local", workers=WORKERS)
    with LazyCluster(spec, Path(config.output.path)) as cluster:
        cluster.client.wait_for_workers(WORKERS)
        found = profile(known, options.as_of, options.target, cluster)
        print(json.dumps(found, indent=1), flush=True)
        parts, threads = rows_of(known, options.as_of, options.target, cluster.client)
        gathered = joined(cluster.client.gather(parts))
        rounds = default_boosting(config).rounds[options.target]
        fits = {
            "rows": len(gathered.counts),
            "rounds": rounds,
            "ours": timed(
                lambda: fit_booster(cluster.client, parts, rounds, "cpu", threads=threads)
            ),
        }
        found["worker_mib"] = cluster.peak_mib()["worker"]
    how = How(dict(PARAMETERS), rounds, WORKERS, MISSING)
    fits["xgboost"] = timed(fitted, WAYS["XGBoost"], gathered, how)
    fits["scikit-learn"] = timed(fitted, WAYS["scikit-learn"], gathered, how)
    found["fits"] = fits
    print(json.dumps(fits), flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
