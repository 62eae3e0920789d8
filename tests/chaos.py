"""Kills nights at random and looks whether anything shows: ``python tests/chaos.py --kills 200``.

A small city lives through three nights undisturbed. Then the same nights are run over and over in
copies of its store, and each time something happens: the process is killed, after a random time
or at a random file operation; a worker is killed; the disk is full; a folder is read-only; two
runs start at once. The night is then run once more, and bronze, silver, quarantine, cube, state and
layers must hold the same as the undisturbed ones. Every run is a forked child, so that none has
to import anything; this process itself touches no store, since the runtimes of Delta and Icechunk
do not survive a fork.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import geopandas
import pandas as pd
import psutil
import pyarrow.dataset as pads
from cities import COLUMNS, START, Small, midnight, reported_at, small_config

import pipeline.building
import pipeline.train  # noqa: F401 -- imported once, here, for all the children
from cluster.connect import connect  # noqa: F401
from cluster.spec import ClusterUnavailableError
from grids.cube import open_cube
from grids.snapshots import open_repository
from pipeline.config import Config
from pipeline.cubing import read_state
from pipeline.errors import HexcastError
from pipeline.nightly import run_night
from pipeline.store import Store
from pipeline.tables import active_files

NIGHTS = (110, 111, 112)
FORK = multiprocessing.get_context("fork")
LIMIT = 240  # seconds that any run may take
BUSY, BROKEN = 75, 70
BROKEN_LOG = Path(tempfile.gettempdir()) / f"hexcast-chaos-{os.getpid()}.log"
OPERATIONS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink")
RUN_ONLY = ("run_id", "model", "geometry", "bbox")  # names of runs and models, not contents


@dataclass(frozen=True)
class City:
    """The small city in a folder: ``feed`` grows by a file a night, the rest is its store."""

    folder: Path

    @cached_property
    def config(self) -> Config:
        """Its configuration: a small model, two workers."""
        changes = {
            "source": {
                "path": str(self.folder / "in" / "*.csv"),
                "start": START.date(),
                "date_formats": ["%Y-%m-%d %H:%M"],
                "columns": COLUMNS,
            },
            "model": {"rounds": 20, "holdout_nights": 7, "empty_share": 0.2, "nights": 60},
            "cluster": {"kind": "local", "workers": 2, "memory_gib": 2},
            "output": {"path": str(self.folder / "store")},
        }
        with tempfile.TemporaryDirectory() as elsewhere:
            return small_config(Path(elsewhere), pd.DataFrame(), **changes)

    def deliver(self, night: int) -> None:
        """The file of a night: what was reported since the last, a changed and a bad row."""
        rows = Small().rows()
        reported = reported_at(rows)
        since = midnight(night - 1) if night > NIGHTS[0] else midnight(-10)
        news = rows[(reported > since) & (reported <= midnight(night))]
        known = rows[reported <= since]
        changed = known.tail(40).assign(kind="assault") if len(known) else known
        bad = news.head(2).assign(id=[f"bad{night}a", f"bad{night}b"], lat="")
        every = pd.concat([news, changed[changed["id"].isin(known["id"])], bad])
        every.to_csv(self.folder / "in" / f"night-{night}.csv", index=False)

    def run(self, night: int) -> None:
        """The whole night, a few minutes after its cutoff."""
        cutoff = midnight(night)
        run_night(self.config, cutoff + timedelta(minutes=5), cutoff)

    def save(self, folder: Path) -> None:
        """Keep a copy of everything."""
        shutil.copytree(self.folder, folder, symlinks=True)

    def restore(self, folder: Path) -> None:
        """Be again what was saved, in the same place: a feed elsewhere would be another feed."""
        shutil.rmtree(self.folder)
        shutil.copytree(folder, self.folder, symlinks=True)


def contents(city: City) -> dict[str, pd.DataFrame]:
    """Everything that the store holds, without names that change from run to run."""
    store = Store(city.config.output.path)
    found = {name: _rows(getattr(store, name)) for name in ("bronze", "silver", "quarantine")}
    counts = open_cube(store.cube)["counts"].to_numpy()
    at = counts.nonzero()
    found["cube"] = pd.DataFrame([*at, counts[at]]).T
    state = read_state(open_repository(store.cube).readonly_session("main").store)
    for name, values in state.arrays().items():
        found[f"state {name}"] = pd.DataFrame(values.reshape(len(values), -1))
    for run in sorted((city.folder / "store" / "runs").iterdir()):
        layer = pd.DataFrame(geopandas.read_parquet(run / "forecast.parquet"))
        found[f"layer {run.name}"] = layer.drop(columns=[n for n in RUN_ONLY if n in layer])
    found["latest"] = pd.DataFrame([(city.folder / "store" / "latest").resolve().name])
    return found


def _rows(table: str) -> pd.DataFrame:
    rows = pads.dataset(active_files(table), format="parquet").to_table().to_pandas()
    rows = rows.drop(columns=[n for n in ("ingested_at", "_ingested_at") if n in rows])
    for name in ("delivery", "_source", "_delivery"):
        if name in rows:
            rows[name] = rows[name].map(os.path.basename)
    return rows.astype("str").sort_values(list(rows.columns), ignore_index=True)


def difference(found: dict[str, pd.DataFrame], wanted: dict[str, pd.DataFrame]) -> str:
    """What differs, or nothing."""
    if found.keys() != wanted.keys():
        return f"there are {sorted(found)}, there should be {sorted(wanted)}"
    for name, frame in wanted.items():
        try:
            pd.testing.assert_frame_equal(found[name], frame, check_exact=False, rtol=1e-9)
        except AssertionError as fault:
            return f"{name}: {' '.join(str(fault).split())[:300]}"
    return ""


def child(work: Callable[[], None], before: Callable[[], None] | None = None) -> Any:
    """A forked process that does the work; its exit code tells how it went."""

    def body() -> None:
        os.setsid()
        with Path("/dev/null").open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        try:
            if before:
                before()
            work()
            code = 0
        except (HexcastError, ClusterUnavailableError) as fault:
            code = fault.exit_code
        except BaseException as fault:  # noqa: BLE001 -- whatever it is, it is told
            BROKEN_LOG.write_text("".join(traceback.format_exception(fault)))
            code = BROKEN
        os._exit(code)

    process = FORK.Process(target=body)
    process.start()
    return process


def finish(process: Any) -> int:
    """The exit code; a run that hangs is a failure."""
    process.join(LIMIT)
    if process.is_alive():
        slay(process.pid)
        raise SystemExit(f"a run did not end within {LIMIT} s")
    if process.exitcode == BROKEN:
        raise SystemExit(f"a run ended with a fault of the program: {BROKEN_LOG.read_text()}")
    return int(process.exitcode)


def slay(pid: int) -> None:
    """Kill a process and everything that it started, the way the kernel would."""
    with suppress(psutil.NoSuchProcess):
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()


# Each takes the city, its night and a source of chance, and returns what it did.


def killed_in_time(city: City, night: int, chance: random.Random, usual: float) -> str:
    process = child(lambda: city.run(night))
    moment = chance.uniform(0, usual * 1.1)
    process.join(moment)
    slay(process.pid)
    process.join()
    return f"killed after {moment:.2f} s"


def killed_at_an_operation(city: City, night: int, chance: random.Random, usual: float) -> str:
    limit = chance.randrange(1, 350 if night > NIGHTS[0] else 900)
    seen = iter(range(1, limit + 1))

    def watch() -> None:
        def hook(event: str, _: object) -> None:
            if event in OPERATIONS and next(seen, limit) == limit:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)

    process = child(lambda: city.run(night), before=watch)
    code = finish(process)
    return f"killed at file operation {limit}" if code < 0 else f"had fewer than {limit} operations"


def worker_killed(city: City, night: int, chance: random.Random, usual: float) -> str:
    process = child(lambda: city.run(night))
    deadline = time.monotonic() + chance.uniform(0, usual)
    done = "had no worker to kill"
    while process.is_alive() and time.monotonic() < deadline + usual:
        workers = [p for p in psutil.Process(process.pid).children(True) if _is_worker(p)]
        if workers and time.monotonic() > deadline:
            victim = chance.choice(workers)
            victim.kill()
            done = "a worker killed"
            break
        process.join(0.05)
    return f"{done}, the run ended with {finish(process)}"


def _is_worker(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "spawn_main" in " ".join(process.cmdline())
    return False


def disk_full(city: City, night: int, chance: random.Random, usual: float) -> str:
    store, aside = city.folder / "store", city.folder / "aside"
    store.rename(aside)
    store.mkdir()
    size = sum(path.stat().st_size for path in aside.rglob("*") if path.is_file())
    room = size + chance.randrange(20_000, 1_200_000)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", str(store)]
    if subprocess.run(mount, capture_output=True).returncode:
        store.rmdir()
        aside.rename(store)
        return "no file system of its own to fill here"
    try:
        try:
            shutil.copytree(aside, store, symlinks=True, dirs_exist_ok=True)
        except shutil.Error:
            code: Any = "no room for the store itself"
        else:
            code = finish(child(lambda: city.run(night)))
            shutil.rmtree(aside)
            shutil.copytree(store, aside, symlinks=True)
    finally:
        subprocess.run(["umount", "-l", str(store)], check=True)
        store.rmdir()
        aside.rename(store)
    return f"disk full, the run ended with {code}"


def folder_read_only(city: City, night: int, chance: random.Random, usual: float) -> str:
    folders = [p for p in (city.folder / "store").rglob("*") if p.is_dir() and not p.is_symlink()]
    if not folders:
        return "nothing there yet to make read-only"
    folder = chance.choice(folders)
    for path in [city.folder, *city.folder.rglob("*")]:
        os.chown(path, 65534, 65534, follow_symlinks=False)
    folder.chmod(0o555)
    os.chown(folder, 0, 0)

    def drop() -> None:
        os.setgid(65534)
        os.setuid(65534)

    code = finish(child(lambda: city.run(night), before=drop))
    folder.chmod(0o755)
    name = folder.relative_to(city.folder)
    return f"{name} read-only, the run ended with {code}"


def two_at_once(city: City, night: int, chance: random.Random, usual: float) -> str:
    first = child(lambda: city.run(night))
    first.join(chance.uniform(0, usual))
    second = child(lambda: city.run(night))
    codes = finish(first), finish(second)
    if set(codes) - {0, BUSY}:
        raise SystemExit(f"two at once ended with {codes}")
    return f"two at once ended with {codes}"


DISTURBANCES = {
    killed_in_time: 8,
    killed_at_an_operation: 8,
    worker_killed: 2,
    disk_full: 2,
    folder_read_only: 2,
    two_at_once: 2,
}


@dataclass(frozen=True)
class Campaign:
    """A city, what it holds after every undisturbed night, and how long its nights took."""

    folder: Path
    city: City
    seconds: dict[int, float]

    @classmethod
    def prepare(cls, folder: Path) -> Campaign:
        """Live through the nights undisturbed."""
        city = City(folder / "city")
        (city.folder / "in").mkdir(parents=True)
        seconds = {}
        for night in NIGHTS:
            city.deliver(night)
            city.save(folder / f"before-{night}")
            begun = time.perf_counter()
            if code := finish(child(lambda night=night: city.run(night))):
                raise SystemExit(f"the undisturbed night {night} ended with {code}")
            seconds[night] = time.perf_counter() - begun
            save = folder / f"contents-{night}.pkl"
            if finish(child(lambda save=save: pd.to_pickle(contents(city), save))):
                raise SystemExit("the undisturbed contents cannot be read")
        return cls(folder, city, seconds)

    def trial(self, chance: random.Random) -> str:
        """One disturbed night; raises SystemExit where something shows."""
        night = chance.choice([NIGHTS[0], *NIGHTS[1:] * 4])
        kinds, weights = list(DISTURBANCES), list(DISTURBANCES.values())
        disturb = chance.choices(kinds, weights)[0]
        if disturb is worker_killed:
            night = NIGHTS[0]  # later nights need no workers
        city = self.city
        city.restore(self.folder / f"before-{night}")
        told = [disturb(city, night, chance, self.seconds[night])]
        while chance.random() < 0.3:
            told.append(killed_in_time(city, night, chance, self.seconds[night]))
        if code := finish(child(lambda: city.run(night))):
            raise SystemExit(f"after {told} the night {night} ended with {code}: {city.folder}")
        self.judge(city, night, told)
        return f"{disturb.__name__}: night {night}: {'; '.join(told)}"

    def judge(self, city: City, night: int, told: list[str]) -> None:
        """Compare with the undisturbed city; in a child, so that this process can go on forking."""
        verdict = self.folder / "verdict.txt"

        def compare() -> None:
            wanted = pd.read_pickle(self.folder / f"contents-{night}.pkl")
            verdict.write_text(difference(contents(city), wanted))

        if finish(child(compare)):
            raise SystemExit(f"after {told} the contents cannot be read: {city.folder}")
        if text := verdict.read_text():
            raise SystemExit(f"after {told} of night {night}: {text}: {city.folder}")


def main() -> None:
    """Run the campaign; prints what was done, and ends with 0 if nothing ever showed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="disturbed nights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to work [default: a temporary folder]")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="hexcast-chaos-"))
    campaign = Campaign.prepare(folder)
    print(f"undisturbed nights: {json.dumps(campaign.seconds)} s", flush=True)
    done: Counter[str] = Counter()
    for number in range(options.kills):
        told = campaign.trial(random.Random(f"{options.seed}-{number}"))
        done[told.split(":")[0].replace("_", " ")] += 1
        print(f"{number + 1:>4} {told}", flush=True)
    print(f"{options.kills} disturbed nights, nothing showed: {dict(done)}")
    if not options.folder:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
