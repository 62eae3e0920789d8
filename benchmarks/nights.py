"""Nights as cron runs them: the first, those after it, one that is done, and many of the past.

    python benchmarks/nights.py configs/chicago.yaml --as-of 2018-06-01T05:00Z [--json OUT]

Runs the command itself, in processes of its own. The first night goes into the configuration's own
store, below HEXCAST_HOME, and is made only where it is not there; the others into a copy of it.
Seconds of stages are those that a run's manifest keeps; the rest of a night is loading libraries.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from forecasts.store import find_run, run_name
from grids.clock import local_instant
from pipeline.config import Config
from pipeline.load import load_config

DAY = timedelta(days=1)


def spent(command: list[str], environment: dict[str, str] | None = None) -> dict[str, float]:
    """Run a command to its end. ``mib`` is the peak of that process or of its largest child.

    Raises RuntimeError, with what it said last, where it fails.
    """
    with tempfile.TemporaryFile("w+") as said:
        began = perf_counter()
        child = subprocess.Popen(
            command, stdout=said, stderr=said, env={**os.environ, **(environment or {})}
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            raise RuntimeError(f"{' '.join(command)}: {said.read()[-800:]}")
    return {
        "seconds": round(seconds, 2),
        "cpu": round(usage.ru_utime + usage.ru_stime, 2),
        "mib": round(usage.ru_maxrss / 1024),
    }


def hexcast(*arguments: str) -> list[str]:
    """The command beside this Python."""
    return [str(Path(sys.executable).with_name("hexcast")), *arguments]


class Nights:
    """The command on one configuration, whose first night is that of ``first``."""

    def __init__(self, path: Path, first: datetime) -> None:
        self.path = path
        self.config: Config = load_config(path)
        self.root = Path(self.config.output.path)
        self.first = first

    def cutoff(self, day: int) -> datetime:
        """That many local days after the first night."""
        date = self.first.astimezone(self.config.zone) + day * DAY
        return local_instant(date, self.config.cutoff, self.config.zone)

    def spent(self, day: int) -> dict[str, float]:
        as_of = self.cutoff(day).isoformat()
        return spent(hexcast("nightly", str(self.path), "--as-of", as_of))

    def run(self, day: int) -> dict[str, Any]:
        cost, record = self.spent(day), self.manifest(self.cutoff(day))
        # A night lets its own peak begin anew with every stage, and notes the largest.
        mib = max(cost["mib"], *map(round, record["peak_mib"].values()))
        return {**cost, "mib": mib, "stages": record["seconds"]}

    def folder(self, at: datetime) -> Path:
        return self.root / "runs" / run_name(at)

    def manifest(self, at: datetime) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder(at) / "manifest.json").read_text())
        return found

    def backfill(self, first: int, count: int) -> dict[str, Any]:
        """Nights whose models are there and whose runs are not, whatever was run before."""
        zone = self.config.zone
        days = [self.cutoff(first + n).astimezone(zone).date().isoformat() for n in (0, count - 1)]
        for day in range(first, first + count):
            shutil.rmtree(self.folder(self.cutoff(day)), ignore_errors=True)
        command = hexcast("backfill", str(self.path), "--from", days[0], "--to", days[1])
        before = self.models
        cost = spent(command)
        assert self.models == before, "the models were too old: ask for fewer nights"
        return {**cost, "nights": count}

    @property
    def models(self) -> set[Path]:
        return set((self.root / "models").rglob("model.json"))


def first_night(nights: Nights) -> dict[str, Any]:
    """What it took when it was made, with the benchmark's own record of it."""
    record = nights.root / "first-night.json"
    if find_run(nights.root, nights.cutoff(0)) is None:
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps(nights.run(0)))
    found: dict[str, Any] = json.loads(record.read_text()) if record.exists() else {}
    return found


def measure(path: Path, first: datetime, warm: int, counts: list[int]) -> dict[str, Any]:
    found: dict[str, Any] = {"first": first_night(Nights(path, first))}
    with tempfile.TemporaryDirectory() as home:
        own = Nights(path, first).root
        shutil.copytree(own, Path(home) / own.name, symlinks=True)
        os.environ |= {"HEXCAST_HOME": home, "HEXCAST_DEMO": f"{home}/{own.name}"}
        nights = Nights(path, first)
        assert nights.root.parent == Path(home), "a configuration of another home"
        found["help"] = spent(hexcast("--help"))
        found["warm"] = [nights.run(day) for day in range(1, warm + 1)]
        found["done"] = [nights.spent(warm) for _ in range(3)]
        print(json.dumps(found), flush=True)
        found["backfill"] = [nights.backfill(1, count) for count in counts]
    return found


def section(found: dict[str, Any]) -> str:
    """What was measured, as Markdown."""
    warm, done = found["warm"], found["done"]
    stages = {name: median(n["stages"].get(name, 0.0) for n in warm) for name in warm[0]["stages"]}
    middle = sorted(warm, key=lambda night: night["seconds"])[len(warm) // 2]
    rows = [("`hexcast --help`", found["help"])]
    if found["first"]:
        rows.append(("the first night: everything read, all models made", found["first"]))
    rows.append((f"a night after it, the middle of {len(warm)}", middle))
    rows.append(("a night that is done", sorted(done, key=lambda n: n["seconds"])[1]))
    table = [f"| {name} | {c['seconds']:.2f} | {c['cpu']:.2f} | {c['mib']} |" for name, c in rows]
    past = [
        f"| backfill of {c['nights']} nights | {c['seconds']:.2f} | {c['cpu']:.2f} | {c['mib']} |"
        for c in found["backfill"]
    ]
    spread = ", ".join(f"{n['seconds']:.1f}" for n in warm)
    split = ", ".join(f"{name} {seconds:.2f}" for name, seconds in stages.items())
    rest = middle["seconds"] - sum(middle["stages"].values())
    text = [
        f"Nights: {spread} s. Of the middle one {split}; {rest:.1f} s beside its stages: loading "
        "libraries, start and end."
    ]
    if len(found["backfill"]) > 1:
        text.append(_pace(found["backfill"]))
    head = ["| | seconds | of the processor | MiB, largest process |", "|---|---|---|---|"]
    return "\n".join(["## Nights", "", *head, *table, *past, "", *text])


def _pace(fills: list[dict[str, Any]]) -> str:
    few, many = fills[0], fills[-1]
    each = (many["seconds"] - few["seconds"]) / (many["nights"] - few["nights"])
    start = few["seconds"] - few["nights"] * each
    whole = f"{60 * many['nights'] / many['seconds']:.0f}"
    if each <= 0:
        return (
            f"Backfills: {whole} nights a minute with the start, beside which a night is nothing."
        )
    return (
        f"Backfills: {start:.0f} s to start and read all of silver, then {60 / each:.0f} nights a "
        f"minute; {many['nights']} nights with the start, {whole} a minute."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--as-of", type=datetime.fromisoformat, required=True)
    parser.add_argument("--nights", type=int, default=5, help="after the first")
    parser.add_argument("--backfill", type=int, nargs="*", default=[14, 27])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    began = perf_counter()
    found = measure(options.config, options.as_of, options.nights, options.backfill)
    found["benchmark_seconds"] = round(perf_counter() - began)
    print(section(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
