"""A run's record as lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.nightly import Outcome

_COLUMNS = {
    "gain_over_reference": "gain",
    "average_precision": "avg.prec.",
    "hit_rate_1%": "hit 1%",
    "hit_rate_5%": "hit 5%",
}


def describe(outcome: Outcome) -> Iterator[str]:
    """What the night did: rows, scores on the nights held out, and where the layers are."""
    manifest = outcome.manifest
    if outcome.already_done:
        yield f"{manifest['run_id']} is done already"
    yield from _rows(manifest["ingest"])
    if manifest["ingest"]["quality"]:
        from pipeline.quality.report import quality_lines  # libraries that a finished night spares

        yield from quality_lines(manifest["ingest"]["quality"])
    for model in manifest["models"]:
        yield from _scores(model)
    if outcome.run:
        yield from _layers(outcome.run, manifest)


def _rows(ingest: dict[str, Any]) -> Iterator[str]:
    if not ingest["rows_in"]:
        return
    quarantined = ingest["quarantined"]
    yield (
        f"rows: {ingest['rows_in']:,} in = {ingest['kept']:,} kept + {ingest['merged']:,} merged "
        f"+ {sum(quarantined.values()):,} quarantined"
    )
    for reason, count in quarantined.items():
        yield f"  {count:>9,}  {reason}"


def _scores(model: dict[str, Any]) -> Iterator[str]:
    yield f"{model['target']}: issued is {model['issued']}, made from {model['made_from'][:16]}Z"
    held = model.get("holdout") or {}
    if not held:
        return
    incidents = next(iter(held.values()))["incidents"]
    title = f"  {len(model['holdout_nights'])} nights held out, {incidents:,} incidents"
    yield f"{title:<44}" + "".join(f"{short:>11}" for short in _COLUMNS.values())
    for name, scores in held.items():
        cells = (scores[column] for column in _COLUMNS)
        yield f"    {name:<40}" + "".join(f"{_shown(cell):>11}" for cell in cells)
    if "truth" in held and "model" in held:
        best, model_score, truth = (
            held[name]["log_score"] for name in (model["baseline"], "model", "truth")
        )
        reached = (model_score - best) / (truth - best)
        yield f"    the model reaches {reached:.0%} of what the truth has over the best baseline"


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _layers(run: Path, manifest: dict[str, Any]) -> Iterator[str]:
    yield f"layers as of {manifest['as_of']}:"
    for name in sorted(manifest["files"]):
        yield f"  {run / name}"
    yield f"  {run.parent.parent / 'latest'} -> {run.name}"
    yield f"in QGIS: {run / 'hotspots.qgz'}"
