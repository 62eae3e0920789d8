"""Nights on this machine's own workers, and the same nights on a cluster of separate processes.

    python benchmarks/clusters.py configs/denver.yaml --as-of 2024-09-01T06:00Z [--json OUT]

Dask's scheduler and as many workers as cores are processes of this machine, encrypted, each in a
folder of its own, and stay from night to night; a night's own workers start and end with it. So the
same cores do the same work, and what differs is the way to them. Every way has a store of its own,
and they take turns, night by night, each first in its turn.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

import yaml
from nights import Nights, hexcast, spent

from cluster.certificates import make_certificates
from pipeline.load import load_config

NAME = "processes"
WAYS = {
    "own workers": ["nightly"],
    "a cluster's workers": ["nightly", "--cluster", NAME],
    "submitted to the cluster": ["submit", "--cluster", NAME],
}
START_SECONDS = 60


@contextmanager
def cluster(folder: Path, workers: int, memory_gib: float) -> Iterator[dict[str, Any]]:
    """A scheduler and workers; yields the section ``cluster`` of who uses them."""
    made = make_certificates().model_dump()
    tls = {name: str(folder / f"{name}.pem") for name in made}
    for name, text in made.items():
        Path(tls[name]).write_text(text)
    encrypted = [
        f"--tls-{'ca-file' if name == 'ca' else name}={file}" for name, file in tls.items()
    ]
    record, started = folder / "scheduler.json", list[subprocess.Popen[bytes]]()

    def start(name: str, *words: str) -> None:
        (folder / name).mkdir()
        command = [str(Path(sys.executable).with_name("dask")), *words, *encrypted]
        command += ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(record)]
        with (folder / name / "log").open("wb") as log:
            started.append(subprocess.Popen(command, cwd=folder / name, stdout=log, stderr=log))

    try:
        start("scheduler", "scheduler", "--protocol", "tls", "--port", "0")
        until = perf_counter() + START_SECONDS
        while not (record.exists() and record.read_text().rstrip().endswith("}")):
            assert perf_counter() < until, (folder / "scheduler" / "log").read_text()
            sleep(0.1)
        limit = ["--nthreads", "1", "--memory-limit", f"{memory_gib}GiB"]
        for number in range(workers):
            start(f"worker{number}", "worker", *limit)
        address = json.loads(record.read_text())["address"]
        yield {"kind": "address", "address": address, "tls": tls, "wait_for": workers}
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            with suppress(subprocess.TimeoutExpired):
                process.wait(START_SECONDS)


def measure(path: Path, first: datetime, more: int) -> dict[str, Any]:
    """Of every way, by its name, the nights: seconds in all and of each stage."""
    workers = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        config, given = folder / path.name, load_config(path)  # paths in it are absolute
        config.write_text(yaml.safe_dump(given.model_dump(mode="json", exclude_unset=True)))
        nights: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
        with cluster(folder, workers, given.cluster.memory_gib) as spec:
            (folder / "clusters.yaml").write_text(yaml.safe_dump({NAME: spec}))
            for day in range(more + 1):
                turn = deque(WAYS)
                turn.rotate(-day)
                for way in turn:
                    night = _night(config, first, day, WAYS[way], folder / way.replace(" ", "-"))
                    nights[way].append(night)
                    print(way, day, json.dumps(night), flush=True)
    return {"city": path.stem, "workers": workers, "nights": nights}


def _night(
    config: Path, first: datetime, day: int, words: list[str], store: Path
) -> dict[str, Any]:
    nights = Nights(config, first)
    nights.root = store
    at = nights.cutoff(day)
    command = [*words, str(config), "--out", str(store), "--as-of", at.isoformat()]
    seconds = spent(hexcast(*command))["seconds"]
    return {"seconds": seconds, "stages": nights.manifest(at)["seconds"]}


def section(found: dict[str, Any]) -> str:
    """What was measured, as Markdown."""
    own = next(iter(WAYS))
    stages = list(found["nights"][own][0]["stages"])
    head = ["| workers | night | seconds | times | " + " | ".join(stages) + " |"]
    head.append("|---" * (4 + len(stages)) + "|")
    rows = []
    for name, chosen in (("first", slice(1)), ("after it", slice(1, None))):
        beside = median(night["seconds"] for night in found["nights"][own][chosen])
        for way, nights in found["nights"].items():
            total = median(night["seconds"] for night in nights[chosen])
            each = [median(n["stages"].get(s, 0.0) for n in nights[chosen]) for s in stages]
            shown = " | ".join(f"{seconds:.1f}" for seconds in each)
            rows.append(f"| {way} | {name} | {total:.1f} | {total / beside:.2f} | {shown} |")
    count = len(found["nights"][own]) - 1
    text = (
        f"The nights of `{found['city']}`: the first, models included, and the median of {count} "
        f"after it. Both kinds of workers are {found['workers']}, one thread each, on the same "
        "cores; those of the cluster are separate processes, encrypted, and are there before."
    )
    return "\n".join(["## Own workers, and a cluster's", "", text, "", *head, *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--as-of", type=datetime.fromisoformat, required=True)
    parser.add_argument("--nights", type=int, default=3, help="after the first")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.nights < 1:
        parser.error("--nights 1 or more")
    found = measure(options.config, options.as_of, options.nights)
    print(section(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
