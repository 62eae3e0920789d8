"""All benchmarks, one after the other, and what they found: ``benchmarks/RESULTS.md``.

    make bench                                            # Chicago, and made-up cities beside it
    make bench BENCH="--quick"                            # the demo city: minutes, no data needed
    make bench BENCH="--only binning --made-up 50000x100"

What each found stays in ``benchmarks/results/NAME.json`` with the machine, the versions and the
commit it was measured with, until it is measured again. The store of the city is kept below
``var/bench``: the second run finds the first night done.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
PACKAGES = "dask distributed xgboost pandas numpy zarr icechunk deltalake pyarrow h3".split()
PICTURES = {
    "binning": "Seconds, memory and bytes over the number of incidents",
    "scaling": "Seconds over the number of workers, by what is waited for",
}
HOUR = 3600

BENCHMARKS = ("nights", "year", "binning", "training", "peers", "scaling", "clusters")


def commands(options: argparse.Namespace) -> dict[str, list[str]]:
    """The arguments of every benchmark."""
    config, at = [options.config], ["--as-of", options.as_of]
    quick = ["--quick"] if options.quick else []
    return {
        "nights": [*config, *at],
        "year": [*config, *at],
        "binning": [*config, "--made-up", *options.made_up],
        "training": [*config, *at],
        "peers": [*config, *at, *quick],
        "scaling": [*config, *(quick or ["--most", str(options.most)])],
        "clusters": [*config, *at],
    }


def run(name: str, arguments: list[str], home: Path) -> bool:
    """Run one in a process of its own and keep what it found; says whether it ended well."""
    result = home / "results" / f"{name}.json"
    result.parent.mkdir(parents=True, exist_ok=True)
    fresh = result.with_suffix(".new")
    command = [sys.executable, str(HERE / f"{name}.py"), *arguments, "--json", str(fresh)]
    print(f"\n== {name} {' '.join(arguments)}", flush=True)
    began = perf_counter()
    try:
        done = subprocess.run(command, cwd=ROOT, check=False, timeout=2 * HOUR).returncode == 0
    except subprocess.TimeoutExpired:
        done = False
    if done:
        shown = f"python benchmarks/{name}.py {' '.join(arguments)}"
        found = {"found": json.loads(fresh.read_text()), "command": shown, **circumstances()}
        result.write_text(json.dumps(found, indent=1) + "\n")
    fresh.unlink(missing_ok=True)
    print(
        f"== {name}: {'done' if done else 'FAILED'} in {perf_counter() - began:.0f} s", flush=True
    )
    return done


def circumstances() -> dict[str, Any]:
    """Machine, versions, commit and day."""
    return {
        "machine": machine(),
        "versions": {name: version(name) for name in PACKAGES},
        "commit": commit(),
        "day": datetime.now(UTC).date().isoformat(),
    }


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "")
    python = platform.python_version()
    return (
        f"{os.cpu_count()} cores ({model.strip()}), {memory:.0f} GiB, no GPU used, Python {python}"
    )


def commit() -> str:
    """The commit that is checked out, and whether the code differs from it."""

    def git(*arguments: str) -> str:
        asked = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--", "pipeline", "grids", "forecasts", "cluster")
    return (git("rev-parse", "--short", "HEAD") or "none") + (" and changes" if changed else "")


def page(known: dict[str, dict[str, Any]]) -> str:
    """RESULTS.md of everything that was ever found."""
    parts = [
        "# Measured",
        "`make bench` measures and writes this page; each section says what it was measured with. "
        "What was tried and did not help, and where a night's seconds went before and after: "
        "[NOTES.md](NOTES.md).",
    ]
    for name, each in known.items():
        module = importlib.import_module(name)
        parts += [module.section(each["found"]), _measured_with(each)]
        if name in PICTURES:
            parts.append(f"![{PICTURES[name]}]({name}.png)")
    return "\n\n".join(parts) + "\n"


def publish(home: Path) -> Path:
    """Page and pictures of what lies in ``home``'s results."""
    known = found_so_far(home)
    for name in PICTURES.keys() & known.keys():
        importlib.import_module(name).plot(known[name]["found"], home / f"{name}.png")
    target = home / "RESULTS.md"
    target.write_text(page(known))
    return target


def _measured_with(each: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in each["versions"].items())
    return (
        f"<sub>`{each['command']}`, {each['day']}, commit {each['commit']}; {each['machine']}; "
        f"{versions}</sub>"
    )


def found_so_far(home: Path) -> dict[str, dict[str, Any]]:
    """By benchmark, in their order."""
    results = {name: home / "results" / f"{name}.json" for name in BENCHMARKS}
    return {name: json.loads(path.read_text()) for name, path in results.items() if path.exists()}


def prepare_quick(options: argparse.Namespace, home: Path) -> None:
    """The demo city's feed, simulated where it is not there, and a night six weeks before its end.

    So nights after it have something to take in, and peers get nights without a change of clocks.
    """
    simulated, store = home / "simulated", home / "demo"
    if not (store / "feed").exists():
        hexcast = str(Path(sys.executable).with_name("hexcast"))
        subprocess.run([hexcast, "demo", "--out", str(simulated)], check=True, cwd=ROOT)
        shutil.copytree(simulated / "feed", store / "feed")
    last = json.loads((simulated / "latest.json").read_text())["reference_time"]
    os.environ["HEXCAST_DEMO"] = str(store)
    options.config = "configs/demo.yaml"
    options.as_of = (datetime.fromisoformat(last) - timedelta(weeks=6)).isoformat()
    options.made_up = ["2000x1"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="configs/chicago.yaml")
    parser.add_argument("--as-of", default="2018-06-01T05:00+00:00")
    parser.add_argument("--made-up", nargs="*", default=["12500x10", "50000x100"])
    parser.add_argument("--most", type=int, default=16, help="workers whose scaling is looked at")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=BENCHMARKS)
    parser.add_argument("--page", action="store_true", help="only write it again")
    parser.add_argument("--quick", action="store_true", help="the demo city")
    options = parser.parse_args()
    home = Path(os.environ.setdefault("HEXCAST_HOME", str(ROOT / "var" / "bench")))
    if options.quick:
        prepare_quick(options, home)
    target = home if options.quick else HERE  # a quick run shows how it goes, and is not kept
    arguments = commands(options)
    names = [] if options.page else options.only
    failed = [name for name in names if not run(name, arguments[name], target)]
    print(f"\n{publish(target)}", f"failed: {', '.join(failed)}" if failed else "", flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
