"""Strong and weak scaling of three pieces of work: a first build, a backfill, a training.

    python benchmarks/scaling.py configs/CITY.yaml [--json scaling.json] [--plot scaling.png]

Needs a store in which a night was run. It is only read; what is written goes to a temporary
folder.

As far as two workers go, seconds are measured. Further, each piece is done once with as many
workers as the most that are asked about, one task at a time (`recording`), and what it would have
taken with all of them at work is simulated (`task_graph`). Strong: the same work. Weak: a share of
it for each worker.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recording import Recorded, record, workers
from scaling_page import plot, section
from scaling_works import WORKS, Work, history_of
from task_graph import Cluster, Outcome, Recording, critical_path, simulate

from pipeline.config import Config
from pipeline.load import load_config

MEASURED = (1, 2)
MOST, MOST_QUICK = 16, 4
ROUNDS_QUICK = 40
CORES = os.cpu_count() or 1
BANDWIDTH = 1e9  # bytes a second
OVERHEAD = 0.001  # seconds a task, of Dask's own figures

__all__ = ["plot", "section"]


Run = tuple[str, int, float]  # kind of workers, how many, size of the work


@dataclass(frozen=True)
class Study:
    """One piece of work; ``whole``: its size for the ``most`` workers. A quick one is not weak."""

    work: Work
    whole: float
    most: int
    quick: bool

    @property
    def counts(self) -> list[int]:
        """Numbers of workers that are asked about."""
        return [2**power for power in range(self.most.bit_length())]

    def share(self, count: int) -> float:
        """The size for so many workers, each of which has as much to do as all others."""
        return self.whole * count / self.most

    @property
    def runs(self) -> list[Run]:
        """What has to be done to know. With one worker, tasks take turns as it is."""
        strong: list[Run] = [("measured", count, self.whole) for count in MEASURED]
        strong.append(("recorded", self.most, self.whole))
        if self.quick:
            return strong
        inner = [count for count in self.counts if 1 < count < self.most]
        weak: list[Run] = [("measured", count, self.share(count)) for count in MEASURED]
        return strong + weak + [("recorded", count, self.share(count)) for count in inner]


def carry_out(config: Config, studies: Mapping[str, Study]) -> dict[tuple[str, Run], Recorded]:
    """All runs of all studies, those of the same workers one after the other."""
    done = {}
    wanted = [(name, run) for name, study in studies.items() for run in study.runs]
    for kind, count in sorted({run[:2] for _, run in wanted}):
        with workers(count, kind) as scheduler:
            for name, run in wanted:
                if run[:2] == (kind, count) and (name, run) not in done:
                    with tempfile.TemporaryDirectory() as folder:
                        go = studies[name].work.prepare(config, run[2], Path(folder))
                        done[name, run] = record(scheduler, go)
                    print(_said(name, run, done[name, run]), flush=True)
    return done


def _said(name: str, run: Run, found: Recorded) -> str:
    kind, count, size = run
    tasks = f"{len(found.recording.tasks)} tasks of {found.recording.work:.1f} s"
    return f"{name} {size:.3g}, {count} workers, {kind}: {found.seconds:.1f} s, {tasks}"


@dataclass(frozen=True)
class Threads:
    """How tasks that take all workers gain by them: ``shared`` of such a task's seconds on one
    thread are shared out (Amdahl), as measured on 1 thread and on all cores.
    """

    shared: float

    @classmethod
    def measured(cls, one: Recording, cores: Recording) -> Threads:
        alone, together = _gangs(one), _gangs(cores)
        if not together or CORES == 1:
            return cls(0.0)
        return cls(min(max((1 - together / alone) / (1 - 1 / CORES), 0.0), 1.0))

    def seconds(self, threads: int) -> float:
        """Of a task that takes a second on one thread."""
        return 1 - self.shared + self.shared / threads

    def on(self, recording: Recording, made: int, count: int) -> Recording:
        """A recording of ``made`` workers as of ``count``."""
        return recording.stretched(self.seconds(count) / self.seconds(min(made, CORES)))


def _gangs(recording: Recording) -> float:
    return sum(task.seconds for task in recording.tasks.values() if task.gang)


def examine(study: Study, done: Mapping[Run, Recorded]) -> dict[str, Any]:
    """Everything that the page says of one piece of work."""
    strong = {count: done["measured", count, study.whole] for count in MEASURED}
    whole = done["recorded", study.most, study.whole]
    threads = Threads.measured(strong[1].recording, whole.recording)
    return {
        "title": study.work.title,
        "unit": study.work.unit,
        "size": study.whole,
        "shared": threads.shared,
        "tasks": _by_prefix(whole.recording),
        "driver": whole.recording.driver,
        "scattered": whole.scattered,
        "checks": [_check(threads, whole, study.most, strong[n], n) for n in MEASURED],
        "strong": [
            _point(threads.on(whole.recording, study.most, n), n, study.whole, strong.get(n))
            for n in study.counts
        ],
        "weak": [] if study.quick else _weak(study, done, threads),
    }


def _weak(study: Study, done: Mapping[Run, Recorded], threads: Threads) -> list[dict[str, Any]]:
    points = []
    for count in study.counts:
        size = study.share(count)
        measured = done.get(("measured", count, size))
        alone = measured if count == 1 else done["recorded", count, size]
        assert alone is not None
        points.append(_point(threads.on(alone.recording, count, count), count, size, measured))
    return points


def _play(recording: Recording, count: int) -> Outcome:
    return simulate(recording, Cluster(count, BANDWIDTH, OVERHEAD))


def _point(
    recording: Recording, count: int, size: float, measured: Recorded | None
) -> dict[str, Any]:
    """``bound``: no cluster of so many workers is faster: neither the longest way through the graph
    nor all work shared out evenly.
    """
    outcome, gangs = _play(recording, count), _gangs(recording)
    even = (recording.work - gangs) / count + gangs
    name, share = outcome.bottleneck
    return {
        "workers": count,
        "size": size,
        "measured": measured.seconds if measured else None,
        "simulated": outcome.seconds,
        "bound": max(critical_path(recording).seconds, even),
        "bottleneck": name,
        "share": share,
        "chain": outcome.chain,
        "moved": outcome.moved,
    }


def _check(
    threads: Threads, whole: Recorded, most: int, measured: Recorded, count: int
) -> dict[str, Any]:
    """``replayed``: from the measured run's own seconds, so that only scheduling can be wrong.
    ``slower``: how much longer tasks took than alone.
    """
    alone = threads.on(whole.recording, most, count)
    return {
        "workers": count,
        "measured": measured.seconds,
        "simulated": _play(alone, count).seconds,
        "replayed": _play(measured.recording, count).seconds,
        "slower": (measured.recording.work - _gangs(measured.recording))
        / (alone.work - _gangs(alone)),
        "moving": measured.moving,
        "moved": measured.moved,
    }


def _by_prefix(recording: Recording) -> dict[str, dict[str, float]]:
    """Tasks of each name: how many, their seconds, the longest, bytes of results."""
    found: dict[str, dict[str, float]] = {}
    for task in recording.tasks.values():
        row = found.setdefault(task.prefix, {"tasks": 0, "seconds": 0, "longest": 0, "bytes": 0})
        row["tasks"] += 1
        row["seconds"] += task.seconds
        row["longest"] = max(row["longest"], task.seconds)
        row["bytes"] += task.nbytes
    return dict(sorted(found.items(), key=lambda each: -each[1]["seconds"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--most", type=int, help="workers, a power of 2")
    parser.add_argument("--quick", action="store_true", help="small and strong only, two minutes")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    config = load_config(options.config)
    if options.quick:
        quick = config.model.model_copy(update={"rounds": ROUNDS_QUICK})
        config = config.model_copy(update={"model": quick})
    most = options.most or (MOST_QUICK if options.quick else MOST)
    studies = {name: _study(WORKS[name], config, most, options.quick) for name in options.works}
    load = os.getloadavg()[0]  # of others: their work would pass for ours
    done = carry_out(config, studies)
    works = {
        name: examine(study, {run: found for (of, run), found in done.items() if of == name})
        for name, study in studies.items()
    }
    found = {
        "city": config.name,
        "cores": CORES,
        "bandwidth": BANDWIDTH,
        "overhead": OVERHEAD,
        "load": load,
        "works": works,
    }
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    print(section(found))
    if options.plot:
        plot(found, options.plot)


def _study(work: Work, config: Config, most: int, quick: bool) -> Study:
    whole = work.each * most if work.each else history_of(config)
    return Study(work, work.quick if quick else whole, most, quick)


if __name__ == "__main__":
    main()
