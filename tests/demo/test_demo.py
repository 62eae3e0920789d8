"""The demo as a newcomer runs it, and how near its forecast came to the truth."""

from __future__ import annotations

from pathlib import Path

import pytest
from cities import midnight

from pipeline.demo.recipe import TRUTH, run_demo
from pipeline.learning.train import MODEL
from pipeline.nightly import Outcome
from pipeline.report import describe

NOW = midnight(1000)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run_demo(tmp_path_factory.mktemp("demo"), NOW)


@pytest.mark.timeout(280)
def test_the_model_lies_between_the_best_baseline_and_the_truth(outcome: Outcome) -> None:
    for model in outcome.manifest["models"]:
        held = {name: scores["log_score"] for name, scores in model["holdout"].items()}
        best = max(held["reference"], held["blend"])
        assert best < held[TRUTH]
        if model["target"] == "all":
            assert best < held[MODEL] < held[TRUTH]
        issued_is_baseline = model["issued"].startswith("baseline")
        assert issued_is_baseline == (MODEL not in held or held[MODEL] <= best)


def test_every_dirty_row_is_accounted_for(outcome: Outcome) -> None:
    ingest = outcome.manifest["ingest"]
    # Eleven kinds of 42 rows: exact duplicates are merged, and what has no number of its own is
    # kept under its content; every other kind is quarantined under its reason.
    assert ingest["merged"] == 42
    assert set(ingest["quarantined"].values()) == {42}
    assert len(ingest["quarantined"]) == 9
    assert ingest["rows_in"] == ingest["kept"] + 42 + 9 * 42


def test_it_ends_with_layers_and_scores(outcome: Outcome) -> None:
    assert outcome.run is not None
    lines = list(describe(outcome))
    assert f"  {outcome.run / 'map.png'}" in lines
    assert any(line.strip().startswith(TRUTH) for line in lines)
    assert all((outcome.run / name).stat().st_size > 0 for name in outcome.manifest["files"])


def test_again_it_does_nothing(outcome: Outcome) -> None:
    assert outcome.run is not None
    folder: Path = outcome.run
    before = (folder / "forecast.parquet").stat().st_mtime_ns
    again = run_demo(folder.parent.parent, NOW)
    assert again.already_done
    assert (folder / "forecast.parquet").stat().st_mtime_ns == before
