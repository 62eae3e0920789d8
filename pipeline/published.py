"""The runs of a city as their records have them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forecasts.checking import faults_of, read_manifest
from forecasts.store import LATEST, newest_run, run_names
from pipeline.config import Config
from pipeline.errors import DataError, MissingInputError


def describe_runs(config: Config, last: int) -> list[dict[str, Any]]:
    """The newest runs, oldest first: name, when made, MiB, what was issued for every target, and
    remarks.
    """
    root = Path(config.output.path)
    newest = newest_run(root)
    return [_described(config, root, name, name == newest) for name in run_names(root)[-last:]]


def _described(config: Config, root: Path, name: str, is_newest: bool) -> dict[str, Any]:
    manifest = read_manifest(root / "runs" / name)
    remarks = [LATEST] if is_newest else []
    if manifest is None:
        return {"run": name, "made": None, "mib": None, "issued": {}, "remarks": ["damaged"]}
    if manifest["configuration"] != config.fingerprint:
        remarks.append("another configuration")
    return {
        "run": name,
        "made": manifest["made_at"],
        "mib": round(sum(file["bytes"] for file in manifest["files"].values()) / 2**20, 1),
        "issued": {model["target"]: model["issued"] for model in manifest["models"]},
        "remarks": remarks,
    }


def verify_runs(root: Path, name: str | None = None) -> dict[str, list[str]]:
    """What is wrong with each run, or with one; nothing where it is as published.

    Raises MissingInputError where there is no such run.
    """
    known = run_names(root)
    wanted = [newest_run(root) if name == LATEST else name] if name else known
    if unknown := [each for each in wanted if each not in known]:
        newest = f", the newest is {known[-1]}" if known else ": hexcast nightly makes one"
        raise MissingInputError(f"{root} has no run {unknown[0] or LATEST}{newest}")
    found = {each: faults_of(root / "runs" / each) for each in wanted if each}
    there = set(run_names(root))  # a night that ran meanwhile may have pruned some
    return {each: faults for each, faults in found.items() if each in there}


def require_whole(found: Mapping[str, list[str]]) -> None:
    """Raise DataError where a run is not what was published."""
    broken = [name for name, faults in found.items() if faults]
    if broken:
        raise DataError(
            f"{len(broken)} of {len(found)} runs are not as published, the first {broken[0]}: "
            f"{found[broken[0]][0]}; make them again: hexcast backfill CONFIG --from DAY --to DAY "
            "--reprocess all"
        )
