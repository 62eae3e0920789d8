"""What happens to the nights of ``chaos.py``, and the forked children that they run in."""

from __future__ import annotations

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
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from chaos_city import NIGHTS, City

from cluster.errors import ClusterUnavailableError
from pipeline.errors import HexcastError

FORK = multiprocessing.get_context("fork")
LIMIT = 240  # seconds that any run may take
BUSY, BROKEN = 75, 70
BROKEN_LOG = Path(tempfile.gettempdir()) / f"hexcast-chaos-{os.getpid()}.log"
PAGE = 4096  # of a tmpfs, which keeps whole ones
OPERATIONS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink")


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
    store.mkdir(exist_ok=True)  # before the first night there is none
    store.rename(aside)
    store.mkdir()
    pages = [-(-path.lstat().st_size // PAGE) + 1 for path in aside.rglob("*")]
    room = sum(pages) * PAGE + chance.randrange(20_000, 1_200_000)
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
