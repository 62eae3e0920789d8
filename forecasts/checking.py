"""Whether the files of published runs are what was published."""

from __future__ import annotations

import json
from hashlib import file_digest
from pathlib import Path
from typing import Any

from forecasts.store import MANIFEST

Manifest = dict[str, Any]


def read_manifest(run: Path) -> Manifest | None:
    """A run's manifest; None where it is missing or damaged."""
    try:
        found = json.loads((run / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("files"), dict) else None


def faults_of(run: Path) -> list[str]:
    """What of a run is not as its manifest has it, file by file; nothing where all is.

    Every file is read to compare its SHA-256. Files that GIS programs leave beside them are no
    fault.
    """
    manifest = read_manifest(run)
    if manifest is None:
        return [f"{MANIFEST} is missing or damaged"]
    files = sorted(manifest["files"].items())
    return [fault for name, published in files if (fault := _fault_of(run / name, published))]


def _fault_of(path: Path, published: Manifest) -> str | None:
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size != published["bytes"]:
                return f"{path.name} has {size:,} bytes, published were {published['bytes']:,}"
            if file_digest(file, "sha256").hexdigest() != published["sha256"]:
                return f"{path.name} has other contents than published"
    except FileNotFoundError:
        return f"{path.name} is missing"
    return None
