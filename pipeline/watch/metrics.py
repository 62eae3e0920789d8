"""Figures of a city's nights for Prometheus: a text file for node_exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from forecasts.checking import read_manifest
from forecasts.store import newest_run, run_time
from grids.clock import EPOCH
from pipeline.watch.attempts import Attempt, deciding

METRICS = "metrics.prom"
_MIB = 2**20


@dataclass(frozen=True)
class Family:
    """One metric; ``values`` by the value of ``label``, or the only one by an empty text."""

    name: str
    help: str
    values: Mapping[str, float | None]
    label: str = ""


def write_metrics(city: str, root: Path, attempts: Sequence[Attempt]) -> None:
    """Replace the file at ``root`` by what the attempts and the newest run say."""
    from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

    registry = CollectorRegistry()
    for family in families(root, attempts):
        there = {of: value for of, value in family.values.items() if value is not None}
        if not there:
            continue
        labels = ["city", *filter(None, [family.label])]
        gauge = Gauge(f"hexcast_{family.name}", family.help, labels, registry=registry)
        for of, value in there.items():
            gauge.labels(city, *filter(None, [of])).set(value)
    write_to_textfile(str(root / METRICS), registry)


def families(root: Path, attempts: Sequence[Attempt]) -> Iterator[Family]:
    """All metrics, those without a value included."""
    name = newest_run(root)
    manifest = (read_manifest(root / "runs" / name) if name else None) or {}
    yield from _of_attempts(attempts)
    at = run_time(name).timestamp() if name else None
    yield Family("newest_run_timestamp_seconds", "Reference time of the newest run.", {"": at})
    yield from _of_run(manifest)
    yield from _of_rows(manifest.get("ingest") or {})
    yield from _of_targets(manifest)


def _of_attempts(attempts: Sequence[Attempt]) -> Iterator[Family]:
    ended = [each for each in attempts if each.ended]
    # One that only met another at work says nothing.
    now = max((each.ended or each.started for each in attempts), default=EPOCH)
    last = deciding(attempts, now)
    last = last if last and last.ended else next(reversed(ended), None)
    good = [each for each in ended if not each.exit_code]
    timed = next((each for each in reversed(good) if each.seconds), None)
    gains = next((each.gains for each in reversed(good) if each.gains), {})
    success = _when(good[-1].ended) if good else None
    yield Family(
        "last_success_timestamp_seconds", "End of the last attempt that succeeded.", {"": success}
    )
    yield Family(
        "last_attempt_timestamp_seconds",
        "End of the last attempt.",
        {"": _when(last.ended) if last else None},
    )
    code = last.exit_code if last else None
    yield Family("last_attempt_exit_code", "Exit code of the last attempt.", {"": code})
    seconds = dict(timed.seconds) if timed else {}
    yield Family("stage_seconds", "Seconds of the last night that was made.", seconds, "stage")
    peaks = {stage: mib * _MIB for stage, mib in (timed.stage_peak_mib if timed else {}).items()}
    yield Family("stage_peak_bytes", "Its largest resident memory.", peaks, "stage")
    yield Family(
        "realised_gain_nats",
        "Gain over the best baseline per incident, of the newest scored nights.",
        dict(gains),
        "target",
    )


def _when(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def _of_run(manifest: Mapping[str, Any]) -> Iterator[Family]:
    yield Family("cells", "Cells of the newest run.", {"": manifest.get("cells")})
    known = manifest.get("incidents_known")
    yield Family("incidents_known", "Incidents that it knew.", {"": known})
    peaks = {of: mib * _MIB for of, mib in (manifest.get("peak_mib") or {}).items()}
    yield Family("run_peak_bytes", "Its largest resident memory.", peaks, "process")


def _of_rows(ingest: Mapping[str, Any]) -> Iterator[Family]:
    rows = "Rows of the newest run's deliveries"
    yield Family("rows_in", f"{rows}.", {"": ingest.get("rows_in")})
    yield Family("rows_kept", f"{rows} that are incidents.", {"": ingest.get("kept")})
    yield Family("rows_merged", f"{rows} that said nothing new.", {"": ingest.get("merged")})
    reasons = dict(ingest.get("quarantined") or {})
    yield Family("rows_quarantined", f"{rows} that cannot be used.", reasons, "reason")
    quality = ingest.get("quality") or {}
    count = len(quality.get("warnings") or ()) if ingest else None
    yield Family("quality_warnings", "Warnings of quality of the newest run.", {"": count})


def _of_targets(manifest: Mapping[str, Any]) -> Iterator[Family]:
    expected = dict(manifest.get("expected_incidents") or {})
    yield Family("expected_incidents", "Incidents expected by the newest run.", expected, "target")
    models = manifest.get("models") or ()
    wins = {each["target"]: float(not each["issued"].startswith("baseline ")) for each in models}
    yield Family("model_wins", "1: its model is issued; 0: a baseline.", wins, "target")
    gains = {each["target"]: (each.get("gain_over_best") or {}).get("gain") for each in models}
    yield Family(
        "holdout_gain_nats",
        "Gain over the best baseline per incident, of the nights held out when it was made.",
        gains,
        "target",
    )
    made = {each["target"]: _when(datetime.fromisoformat(each["made_from"])) for each in models}
    yield Family("model_timestamp_seconds", "Cutoff that it was made from.", made, "target")
