"""The runs of a city as their records have them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forecasts.checking import faults_of, list_runs
from forecasts.store import LATEST, run_names
from pipeline.config import Config
from pipeline.errors import DataError, MissingInputError

HEAD = {"run": "run", "made": "made at", "mib": "MiB", "issued": "issued", "remark": ""}


def describe_runs(config: Config, last: int) -> list[dict[str, Any]]:
    """The newest runs, oldest first: name, when made, size, what was issued for every target."""
    root = Path(config.output.path)
    newest = _target(root)
    found = []
    for name, manifest in list(list_runs(root))[-last:]:
        if manifest is None:
            row = {"made": "", "mib": 0.0, "issued": "damaged: its manifest cannot be read"}
        else:
            issued = (f"{model['target']}: {model['issued']}" for model in manifest["models"])
            size = sum(file["bytes"] for file in manifest["files"].values())
            row = {
                "made": f"{manifest['made_at'][:16]}Z",
                "mib": round(size / 2**20, 1),
                "issued": "; ".join(issued),
            }
        found.append({"run": name, **row, "remark": _remark(config, manifest, name == newest)})
    return found


def _remark(config: Config, manifest: Mapping[str, Any] | None, is_newest: bool) -> str:
    remarks = [LATEST] if is_newest else []
    if manifest and manifest["configuration"] != config.fingerprint:
        remarks.append("another configuration")
    return f" ({', '.join(remarks)})" if remarks else ""


def _target(root: Path) -> str:
    link = root / LATEST
    return link.readlink().name if link.is_symlink() else ""


def verify_runs(root: Path, name: str | None = None) -> dict[str, list[str]]:
    """What is wrong with each run, or with one; nothing where it is as published.

    Raises MissingInputError where there is no such run.
    """
    known = run_names(root)
    wanted = [_target(root) if name == LATEST else name] if name else known
    if unknown := [each for each in wanted if each not in known]:
        newest = f", the newest is {known[-1]}" if known else ": hexcast nightly makes one"
        raise MissingInputError(f"{root} has no run {unknown[0] or LATEST}{newest}")
    return {each: faults_of(root / "runs" / each) for each in wanted}


def require_whole(found: Mapping[str, list[str]]) -> None:
    """Raise DataError where a run is not what was published."""
    broken = [name for name, faults in found.items() if faults]
    if broken:
        raise DataError(
            f"{len(broken)} of {len(found)} runs are not as published, the first {broken[0]}: "
            f"{found[broken[0]][0]}; make them again: hexcast backfill --reprocess all"
        )
