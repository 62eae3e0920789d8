"""The figures as Prometheus reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from attempting import NOW, attempt
from prometheus_client.parser import text_string_to_metric_families

from forecasts.store import publish, run_time, stage
from pipeline.watch.metrics import METRICS, write_metrics

RUN = "20240901T0600Z"
MODEL = {"made_from": "2024-08-20T06:00:00+00:00", "gain_over_best": {"gain": 0.03}}
MANIFEST = {
    "cells": 3938,
    "incidents_known": 390_000,
    "ingest": {
        "rows_in": 10,
        "kept": 7,
        "merged": 1,
        "quarantined": {'no "coordinates"': 2},
        "quality": {"warnings": ["odd"]},
    },
    "expected_incidents": {"all": 250.5, "violent": 40.0},
    "models": [
        {"target": "all", "issued": "xgboost 2024-08-20T06:00Z", **MODEL},
        {"target": "violent", "issued": "baseline rate", **MODEL, "gain_over_best": None},
    ],
    "peak_mib": {"driver": 900.0, "worker": 1200.0},
}


def read(root: Path) -> dict[tuple[str, ...], float]:
    """Values by name and labels, the city's left out."""
    found = {}
    for family in text_string_to_metric_families((root / METRICS).read_text()):
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("city") == "here"
            found[(sample.name.removeprefix("hexcast_"), *labels.values())] = sample.value
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with stage(tmp_path) as folder:
        (folder / "layer").touch()
        publish(tmp_path, run_time(RUN), folder, MANIFEST)
    return tmp_path


def test_every_figure_is_there(root: Path) -> None:
    made = attempt(0, 0, seconds={"cube": 1.5}, stage_peak_mib={"cube": 2}, gains={"all": 0.02})
    failed = attempt(2, 66, seconds={"cube": 9.0})
    write_metrics("here", root, [made, attempt(1, 0, already_done=True), failed, attempt(3)])
    assert read(root) == {
        ("last_success_timestamp_seconds",): NOW.timestamp() + 90,
        ("last_attempt_timestamp_seconds",): NOW.timestamp() + 150,
        ("last_attempt_exit_code",): 66,
        ("stage_seconds", "cube"): 1.5,
        ("stage_peak_bytes", "cube"): 2 * 2**20,
        ("realised_gain_nats", "all"): 0.02,
        ("newest_run_timestamp_seconds",): run_time(RUN).timestamp(),
        ("cells",): 3938,
        ("incidents_known",): 390_000,
        ("run_peak_bytes", "driver"): 900 * 2**20,
        ("run_peak_bytes", "worker"): 1200 * 2**20,
        ("rows_in",): 10,
        ("rows_kept",): 7,
        ("rows_merged",): 1,
        ("rows_quarantined", 'no "coordinates"'): 2,
        ("quality_warnings",): 1,
        ("expected_incidents", "all"): 250.5,
        ("expected_incidents", "violent"): 40,
        ("model_wins", "all"): 1,
        ("model_wins", "violent"): 0,
        ("holdout_gain_nats", "all"): 0.03,
        ("model_timestamp_seconds", "all"): 1_724_133_600,
        ("model_timestamp_seconds", "violent"): 1_724_133_600,
    }


def test_a_first_night_that_failed_has_figures(tmp_path: Path) -> None:
    write_metrics("here", tmp_path, [attempt(0, 65)])
    assert read(tmp_path).keys() == {
        ("last_attempt_timestamp_seconds",),
        ("last_attempt_exit_code",),
    }
    assert {path.name for path in tmp_path.iterdir()} == {METRICS}
