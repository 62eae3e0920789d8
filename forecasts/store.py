"""The run store: what a night made appears at once and whole, or not at all.

```
root/runs/20240901T0600Z/   one run by its reference time; manifest.json lists its files
root/latest                 link to the newest run, by reference time
root/latest.json            the same for readers that see no links (Windows, object stores)
root/hotspots.qgz, ...      FRONT: the newest run's own files under a path that never changes, for
                            programs that follow no link, or save what a link led to
root/.staging/              runs being written; leftovers of a crash until the next stage()
```
Everything happens by rename within ``root``, which therefore must be one file system. Writers in
one store exclude each other by a lock on ``root/.lock``; readers need none. Every writer first
finishes what a crash of another has left half done.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path
from typing import Any

MANIFEST, LATEST, RECORD = "manifest.json", "latest", "latest.json"
FRONT = ("forecast.gpkg", "hotspots.qlr", "hotspots.qgz")
_NAME = "%Y%m%dT%H%MZ"
_NAME_PATTERN = r"\d{8}T\d{4}Z"
_LEFTOVER_SECONDS = 86_400


def run_name(reference: datetime) -> str:
    """Directory of the run with this reference time (aware, whole hour): ``20240901T0600Z``."""
    if reference.tzinfo is None:
        raise ValueError(f"reference time {reference} has no timezone: give an aware datetime")
    utc = reference.astimezone(UTC)
    if utc != utc.replace(minute=0, second=0, microsecond=0):
        raise ValueError(f"reference time {utc} is no whole hour: give the first forecast hour")
    return utc.strftime(_NAME)


@contextmanager
def stage(root: Path) -> Iterator[Path]:
    """An empty directory to write a run into, on the store's file system.

    It is gone after the block: published, or, when the block raises or does not publish, deleted.
    What a killed process left is swept here, once it is a day old or its process is gone.
    """
    staging = root / ".staging"
    staging.mkdir(parents=True, exist_ok=True)
    with writing(root):
        _recover(root)
        _sweep(staging)
        # mkdtemp would make it readable to this user alone, and the published run with it.
        directory = staging / f"{socket.gethostname()}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
        directory.mkdir()
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def publish(root: Path, reference: datetime, staged: Path, manifest: Mapping[str, Any]) -> Path:
    """Make the directory from ``stage`` the run of ``reference``; returns where it now is.

    ``manifest`` is written into it as ``manifest.json``, with ``files`` (bytes and sha256 of every
    file) added; numbers that JSON cannot hold (nan, infinity) become null. Files reach the disk
    before the run appears. ``latest`` names the newest run: a backfilled one does not take it.
    Published files are read-only: programs that only look at a GeoPackage would change it.

    Where the run exists, the old one is moved away and the new one takes its place: a reader sees
    the old run, for an instant none, then the new one, never a mixture. A crash in that instant is
    undone by the next ``stage``, ``publish`` or ``prune``.
    Raises ValueError for a reference time that is naive or no whole hour, or another directory.
    """
    name = run_name(reference)
    if staged.resolve().parent != (root / ".staging").resolve() or not staged.is_dir():
        raise ValueError(f"{staged} is not a directory from stage({str(root)!r}): publish that")
    files = {key: _describe(staged / key) for key in _files(staged) if key != MANIFEST}
    _write(staged / MANIFEST, _json({**manifest, "files": files}).encode())
    for directory in [staged, *(path for path in staged.rglob("*") if path.is_dir())]:
        sync(directory)
    with writing(root):
        _recover(root)
        run = _move_in(root, name, staged)
        _point_latest(root)
    return run


def find_run(root: Path, reference: datetime) -> dict[str, Any] | None:
    """The manifest of the published run of ``reference``, or None where there is no such run."""
    path = root / "runs" / run_name(reference) / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as fault:
        raise ValueError(
            f"{path} is damaged ({fault}): delete that run and make it again"
        ) from None
    return manifest


def prune(root: Path, keep_days: int, spare: str = "") -> list[str]:
    """Delete all runs but those of the newest ``keep_days`` days; returns the deleted names.

    Days (UTC) that have runs are counted, not days up to today: a store that has stood still loses
    nothing, and the newest run, which ``latest`` names, always stays, as does the run ``spare``.
    """
    if keep_days < 1:
        raise ValueError(f"keep_days {keep_days}: keep at least 1 day of runs")
    if not (root / "runs").is_dir():
        return []
    with writing(root):
        _recover(root)
        names = run_names(root)
        kept = sorted({name[:8] for name in names})[-keep_days:]
        gone = [name for name in names if name[:8] not in kept and name != spare]
        for name in gone:
            # Renamed first, so that no reader finds a run with half of its files.
            hidden = root / "runs" / f".{name}.deleted"
            (root / "runs" / name).rename(hidden)
            shutil.rmtree(hidden)
    return gone


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Only one process at a time changes what the store holds."""
    with (root / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # the kernel lets go of it when the process ends
        yield


def _recover(root: Path) -> None:
    """Finish what a crash interrupted."""
    for path in (root / "runs").glob(".*"):
        if match := re.fullmatch(rf"\.({_NAME_PATTERN})\.(replaced|deleted)", path.name):
            run = path.with_name(match[1])
            if match[2] == "replaced" and not run.exists():
                path.rename(run)  # its successor never came
            else:
                shutil.rmtree(path)
    if run_names(root):
        _point_latest(root)


def _sweep(staging: Path) -> None:
    for path in staging.iterdir():
        if _is_leftover(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_leftover(path: Path) -> bool:
    """Whether a staged directory is a day old, or its process on this host has ended."""
    try:
        if time.time() - path.stat().st_mtime > _LEFTOVER_SECONDS:
            return True
    except FileNotFoundError:  # just published
        return False
    owner = re.fullmatch(r"(.+)\.(\d+)\.[0-9a-f]+", path.name)
    return owner is not None and has_ended(owner[1], int(owner[2]))


def has_ended(host: str, process: int) -> bool:
    """Whether a process is known to have ended: nothing is known of other hosts."""
    if host != socket.gethostname():
        return False
    try:
        os.kill(process, 0)  # sends nothing: asks whether the process is there
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's living process
        return False
    return False


def _move_in(root: Path, name: str, staged: Path) -> Path:
    runs = root / "runs"
    runs.mkdir(exist_ok=True)
    run, replaced = runs / name, runs / f".{name}.replaced"
    # POSIX replaces no directory that has files in it: two renames, see publish.
    if run.exists():
        run.rename(replaced)
    staged.rename(run)
    sync(runs)
    shutil.rmtree(replaced, ignore_errors=True)
    return run


def _point_latest(root: Path) -> None:
    """Let ``latest`` and ``latest.json`` name the newest run, where they do not yet."""
    name = run_names(root)[-1]
    body = {"run": f"runs/{name}", "reference_time": run_time(name).isoformat()}
    link, record = root / LATEST, root / RECORD
    if not link.is_symlink() or link.readlink().name != name:
        temporary = root / ".latest"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(Path("runs") / name)
        temporary.replace(link)
    if not record.exists() or record.read_text(encoding="utf-8") != _json(body):
        replace_file(record, _json(body).encode())
    for file in FRONT:
        _put_in_front(root / "runs" / name / file, root / file)
    sync(root)


def _put_in_front(file: Path, front: Path) -> None:
    """The same file again, by a hard link; a copy where there are none."""
    if not file.exists() or (front.exists() and _is_same(file, front)):
        return
    temporary = front.with_name(f".{front.name}")
    temporary.unlink(missing_ok=True)
    try:
        temporary.hardlink_to(file)
    except OSError:
        shutil.copy2(file, temporary)
    temporary.replace(front)


def _is_same(file: Path, copy: Path) -> bool:
    one, other = file.stat(), copy.stat()
    is_copy = (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)
    return file.samefile(copy) or is_copy


def newest_run(root: Path) -> str | None:
    """Name of the run that ``latest`` names, None before there is one."""
    link = root / LATEST
    return link.readlink().name if link.is_symlink() else None


def run_names(root: Path) -> list[str]:
    """Names of the published runs, oldest first."""
    names = (path.name for path in (root / "runs").glob("*"))
    return sorted(name for name in names if re.fullmatch(_NAME_PATTERN, name))


def run_time(name: str) -> datetime:
    """The reference time of a run by its name."""
    return datetime.strptime(name, _NAME).replace(tzinfo=UTC)


def _files(directory: Path) -> list[str]:
    paths = (path for path in directory.rglob("*") if path.is_file())
    return sorted(path.relative_to(directory).as_posix() for path in paths)


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        path.chmod(0o444)
        return {"bytes": path.stat().st_size, "sha256": file_digest(file, "sha256").hexdigest()}


def replace_file(path: Path, content: bytes) -> None:
    """A reader sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}")
    _write(temporary, content)
    temporary.replace(path)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _json(body: Mapping[str, Any]) -> str:
    return json.dumps(finite(body), indent=2, allow_nan=False) + "\n"


def finite(value: Any) -> Any:
    """The same with null for every number that JSON cannot hold."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and value - value != 0 else value


def sync(path: Path) -> None:
    """Make a file's contents, or renames and new names in a folder, outlive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
