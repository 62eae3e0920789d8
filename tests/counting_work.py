"""Counters of work: rows, files, logs, chunks, tasks and bytes, as this process comes by them.

What each sees: rows are those that pyarrow hands over from Parquet, what it decoded and filtered
away is not among them; files and bytes are seen by the kernel, so that the readers written in Rust
(Delta's logs, Icechunk's chunks) are counted too, but neither a mapped file's pages nor how often a
file was opened. Workers are seen where they are threads of this process.
"""

from __future__ import annotations

import ctypes
import os
import re
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import deltalake
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from dask.utils import key_split
from distributed import Client
from distributed.diagnostics.plugin import SchedulerPlugin
from icechunk import IcechunkStore

_IN_OPEN, _IN_ISDIR, _IN_Q_OVERFLOW = 0x20, 0x40000000, 0x4000
_EVENT = "iIII"  # watch, mask, cookie, size of the name that follows
STEPS = 100  # of SQLite's machine, that are counted as one


@dataclass(frozen=True)
class Reading:
    """One reading of Parquet: of which table, how many files of it, the rows that it gave."""

    table: str
    files: int
    rows: int


@dataclass
class Work:
    """What was done. ``read``: of Parquet, in order; ``logs``: how often each Delta table's log was
    replayed; ``gets``, ``sets``: how often each key of the cube's Zarr store was read and written;
    ``steps``: hundreds of SQLite's instructions.

    Known when the block ends: ``files``, that were there before and were opened, by kind, each
    once; ``bytes``, that the process read.
    """

    read: list[Reading] = field(default_factory=list)
    logs: Counter[str] = field(default_factory=Counter)
    gets: Counter[str] = field(default_factory=Counter)
    sets: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    files: Counter[str] = field(default_factory=Counter)
    bytes: int = 0

    @property
    def total(self) -> int:
        """Of all that was read and written, but for files and bytes; 0 where nothing was."""
        keys = self.gets.total() + self.sets.total()
        return len(self.read) + self.logs.total() + keys + self.steps


@contextmanager
def counted(root: Path) -> Iterator[Work]:
    """Count what is done within the block; ``root``: the folder of a city, deliveries and all."""
    work, opened = Work(), set[Path]()
    there = {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
    with pytest.MonkeyPatch.context() as patch, _opened(root, opened):
        _count_rows(patch, root, work)
        _count_logs(patch, root, work)
        _count_keys(patch, work)
        _count_steps(patch, work)
        before = _bytes_read()
        yield work
        work.bytes = _bytes_read() - before
    work.files.update(map(kind_of, opened & there))


def kind_of(path: Path) -> str:
    """A file's path without what is a single file's: its folder of the store and its suffix."""
    parts = [part for part in path.parent.parts if not re.match(r"(tag\.)?\d{4}", part)]
    folder = "/".join([*parts, f"*{path.suffix}"])
    return re.sub(r"(?<=/c/)[\d/]+(?=/)", "*", folder)  # a chunk's place


@contextmanager
def _opened(root: Path, found: set[Path]) -> Iterator[None]:
    """Note every file below ``root`` that anything opens, in folders that are there now."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "inotify_init1"):
        pytest.skip("which files are opened is known on Linux alone (inotify)")
    queue = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    inside = [path for path in root.rglob("*") if path.is_dir() and not path.is_symlink()]
    watches = {libc.inotify_add_watch(queue, bytes(at), _IN_OPEN): at for at in (root, *inside)}
    if queue < 0 or -1 in watches:
        raise OSError(ctypes.get_errno(), "inotify cannot watch the store: too many watches")
    try:
        yield
        for watch, mask, name in _events(queue):
            assert not mask & _IN_Q_OVERFLOW, "more was opened than the kernel remembers"
            if not mask & _IN_ISDIR:
                found.add((watches[watch] / name).relative_to(root))
    finally:
        os.close(queue)


def _events(queue: int) -> Iterator[tuple[int, int, str]]:
    while True:
        try:
            data = os.read(queue, 2**20)
        except BlockingIOError:
            return
        at, head = 0, struct.calcsize(_EVENT)
        while at < len(data):
            watch, mask, _, size = struct.unpack_from(_EVENT, data, at)
            yield watch, mask, data[at + head : at + head + size].rstrip(b"\0").decode()
            at += head + size


def _bytes_read() -> int:
    """Of all reads of this process, from the kernel's cache or not."""
    return int(Path("/proc/self/io").read_text().split()[1])


class _Counting:
    """A dataset, or a piece of one, that notes the rows it hands over."""

    def __init__(self, rows: pads.Dataset | pads.Fragment, table: str, work: Work) -> None:
        self._rows, self._table, self._work = rows, table, work

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)

    def get_fragments(self) -> list[_Counting]:
        return [_Counting(each, self._table, self._work) for each in self._rows.get_fragments()]

    def subset(self, **chosen: Any) -> _Counting:
        return _Counting(self._rows.subset(**chosen), self._table, self._work)

    def to_table(self, *arguments: Any, **options: Any) -> Any:
        found = self._rows.to_table(*arguments, **options)
        files = len(getattr(self._rows, "files", [1]))
        self._work.read.append(Reading(self._table, files, found.num_rows))
        return found


def _count_rows(patch: pytest.MonkeyPatch, root: Path, work: Work) -> None:
    dataset, read_table = pads.dataset, pq.read_table

    def counting(paths: Any, *arguments: Any, **options: Any) -> _Counting:
        return _Counting(dataset(paths, *arguments, **options), _table(root, paths[0]), work)

    def reading(path: Any, *arguments: Any, **options: Any) -> Any:
        found = read_table(path, *arguments, **options)
        work.read.append(Reading(_table(root, path), 1, found.num_rows))
        return found

    patch.setattr(pads, "dataset", counting)
    patch.setattr(pq, "read_table", reading)


def _table(root: Path, path: str | Path) -> str:
    return Path(path).parent.relative_to(root).as_posix()


def _count_logs(patch: pytest.MonkeyPatch, root: Path, work: Work) -> None:
    replay = deltalake.DeltaTable.__init__

    def replaying(self: Any, table: Any, *arguments: Any, **options: Any) -> None:
        work.logs[Path(table).relative_to(root).as_posix()] += 1
        replay(self, table, *arguments, **options)

    patch.setattr(deltalake.DeltaTable, "__init__", replaying)


def _count_keys(patch: pytest.MonkeyPatch, work: Work) -> None:
    for name, counter in (("get", work.gets), ("set", work.sets)):
        patch.setattr(IcechunkStore, name, _noting(getattr(IcechunkStore, name), counter))


def _noting(method: Any, counter: Counter[str]) -> Any:
    async def noted(self: Any, key: str, *arguments: Any, **options: Any) -> Any:
        counter[key] += 1
        return await method(self, key, *arguments, **options)

    return noted


def _count_steps(patch: pytest.MonkeyPatch, work: Work) -> None:
    connect = sqlite3.connect

    def counting(*arguments: Any, **options: Any) -> sqlite3.Connection:
        database = connect(*arguments, **options)
        database.set_progress_handler(step, STEPS)
        return database

    def step() -> int:
        work.steps += 1
        return 0

    patch.setattr(sqlite3, "connect", counting)


def by_array(keys: Counter[str]) -> Counter[str]:
    """Keys of a Zarr store counted by array, all its chunks together."""
    found: Counter[str] = Counter()
    for key, count in keys.items():
        found[re.sub(r"/c/.*", "/c", key)] += count
    return found


def chunks_of(keys: Counter[str], array: str) -> Counter[str]:
    """The same, of one array's chunks (shards, where it has them) alone."""
    return Counter({key: count for key, count in keys.items() if key.startswith(f"{array}/c/")})


class _Tasks(SchedulerPlugin):
    def __init__(self) -> None:
        self.done: Counter[str] = Counter()

    def transition(self, key: Any, start: str, finish: str, *_: Any, **__: Any) -> None:
        if (start, finish) == ("processing", "memory"):
            self.done[key_split(key)] += 1


@contextmanager
def tasks_of(client: Client) -> Iterator[Counter[str]]:
    """How many tasks a cluster of this process computes within the block, by name of the task.

    One that is computed again counts again; what is scattered is no task.
    """
    plugin, scheduler = _Tasks(), client.cluster.scheduler
    scheduler.add_plugin(plugin, name="tasks")
    try:
        yield plugin.done
    finally:
        scheduler.remove_plugin(name="tasks")
