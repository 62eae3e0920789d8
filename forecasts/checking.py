"""The published runs: which there are, and whether their files are what was published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path
from typing import Any

from forecasts.store import MANIFEST, run_names

Manifest = dict[str, Any]


def list_runs(root: Path) -> Iterator[tuple[str, Manifest | None]]:
    """Name and manifest of every run, oldest first; None where the manifest cannot be read."""
    for name in run_names(root):
        yield name, _manifest(root / "runs" / name)


def faults_of(run: Path) -> list[str]:
    """What is not as the run's manifest has it, file by file; nothing where all is.

    Every file is read to compare its SHA-256.
    """
    manifest = _manifest(run)
    if manifest is None:
        return [f"{MANIFEST} is missing or damaged"]
    listed = manifest["files"]
    there = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    faults = [f"{name} is missing" for name in sorted(listed.keys() - there)]
    faults += [f"{name} was not published" for name in sorted(there - listed.keys() - {MANIFEST})]
    for name in sorted(listed.keys() & there):
        faults += _faults_of_file(run / name, name, listed[name])
    return faults


def _faults_of_file(path: Path, name: str, published: Manifest) -> list[str]:
    size = path.stat().st_size
    if size != published["bytes"]:
        return [f"{name} has {size:,} bytes, published were {published['bytes']:,}"]
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    return [] if digest == published["sha256"] else [f"{name} has other contents than published"]


def _manifest(run: Path) -> Manifest | None:
    try:
        found = json.loads((run / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("files"), dict) else None
