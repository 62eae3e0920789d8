"""Training on Dask and keeping models: distributed equals local, and no model from the future."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xgboost
from workers import in_process

from forecasts.counting import CountLaw, CountLaws
from pipeline.baselines.recipe import BASELINES
from pipeline.context.context import NOTHING
from pipeline.errors import ConfigError
from pipeline.learning.features import FEATURE_NAMES, MISSING
from pipeline.learning.fit import fit_booster
from pipeline.learning.model import Model, find_model, predict, save_model
from pipeline.learning.rows import Rows

FITTED = {name: {"number": 0.1} for name in BASELINES}
LAWS = CountLaws(CountLaw(0.1, 0.2), CountLaw(0.3, 0.4))
MADE = datetime(2024, 5, 1, 6, tzinfo=UTC)


def some_rows(count: int = 4000, seed: int = 1) -> Rows:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 200, (count, len(FEATURE_NAMES))).astype(np.uint8)
    counts = rng.poisson(np.exp(codes[:, 3] / 60 - 4)).astype(np.float32)
    weights = np.where(counts > 0, 1.0, 20.0).astype(np.float32)
    starts = np.log(rng.uniform(0.001, 0.1, count)).astype(np.float32)
    return Rows(codes, counts, weights, starts, nights=10)


def split(rows: Rows, edges: list[int]) -> list[Rows]:
    cuts = [0, *edges, len(rows.counts)]
    return [
        Rows(rows.codes[a:b], rows.counts[a:b], rows.weights[a:b], rows.starts[a:b], 1)
        for a, b in pairwise(cuts)
    ]


def expected(booster: xgboost.Booster, rows: Rows) -> np.ndarray:
    matrix = xgboost.DMatrix(
        rows.codes, missing=MISSING, feature_names=list(FEATURE_NAMES), base_margin=rows.starts
    )
    return booster.predict(matrix)


@pytest.mark.timeout(120)
def test_the_same_model_on_any_number_of_workers_and_partitions() -> None:
    rows = some_rows()
    found = []
    for workers, edges in ((1, []), (2, [1000]), (3, [10, 500, 2500, 2500])):
        with in_process(workers, threads=1) as client:
            parts = [client.scatter(part) for part in split(rows, edges)]
            found.append(expected(fit_booster(client, parts, 25, "cpu"), rows))
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found[2], found[0], rtol=0, atol=1e-6)
    assert np.corrcoef(np.log(found[0]) - rows.starts, rows.codes[:, 3])[0, 1] > 0.6, (
        "nothing was learned"
    )


def booster(rounds: int = 3) -> xgboost.Booster:
    rows = some_rows(500)
    matrix = xgboost.DMatrix(
        rows.codes, rows.counts, missing=MISSING, feature_names=list(FEATURE_NAMES)
    )
    return xgboost.train({"objective": "count:poisson"}, matrix, rounds)


def test_a_model_comes_back_as_it_was(tmp_path: Path) -> None:
    model = Model("all", MADE, "blend", FITTED, booster(), True, LAWS, {"note": 1})
    folder = save_model(tmp_path, model, "abc")
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.ubj"]
    found = find_model(tmp_path, "all", "abc", MADE, 28)
    assert found is not None
    assert found.booster is not None
    assert (found.cutoff, found.baseline, found.record) == (MADE, "blend", {"note": 1})
    assert (found.baselines, found.laws) == (FITTED, LAWS)
    rows = some_rows(300, seed=2)
    assert model.booster is not None
    np.testing.assert_array_equal(expected(found.booster, rows), expected(model.booster, rows))
    assert found.label == "xgboost 2024-05-01T06:00Z"


def test_a_baseline_is_kept_and_named_as_one(tmp_path: Path) -> None:
    save_model(tmp_path, Model("all", MADE, "reference", FITTED, booster()), "abc")
    found = find_model(tmp_path, "all", "abc", MADE, 28)
    assert found is not None
    assert found.label == "baseline reference"
    assert found.booster is not None  # the candidate that did not win


def test_no_model_from_the_future_or_too_old_or_of_another_configuration(tmp_path: Path) -> None:
    for days in (0, 30, 60):
        made = MADE + timedelta(days=days)
        save_model(tmp_path, Model("all", made, "blend", FITTED, record={"days": days}), "abc")

    def found(at: datetime, fingerprint: str = "abc") -> int | None:
        model = find_model(tmp_path, "all", fingerprint, at, 28)
        return model.record["days"] if model else None

    assert found(MADE - timedelta(seconds=1)) is None
    assert found(MADE) == 0
    assert found(MADE + timedelta(days=27, hours=22)) == 0
    assert found(MADE + timedelta(days=27, hours=23)) is None  # 28 nights, one of them short
    assert found(MADE + timedelta(days=28)) is None
    assert found(MADE + timedelta(days=30)) == 30
    assert found(MADE + timedelta(days=59)) is None
    assert found(MADE + timedelta(days=61)) == 60
    assert found(MADE, "other") is None


def test_a_model_with_other_features_is_refused() -> None:
    rows = some_rows(100)
    names = [*FEATURE_NAMES[:-1], "an_old_one"]
    matrix = xgboost.DMatrix(rows.codes, rows.counts, missing=MISSING, feature_names=names)
    old = xgboost.train({"objective": "count:poisson"}, matrix, 1)
    night: Any = SimpleNamespace(context=NOTHING)
    with pytest.raises(ConfigError, match="other features"):
        predict(old, night)


def test_a_model_of_other_tables_is_passed_over(tmp_path: Path) -> None:
    save_model(tmp_path, Model("all", MADE, "blend", FITTED, booster()), "abc")
    assert find_model(tmp_path, "all", "abc", MADE, 28) is not None
    assert find_model(tmp_path, "all", "abc", MADE, 28, (*FEATURE_NAMES, "weather.rain")) is None


def test_a_model_of_another_form_or_of_an_older_version_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_model(tmp_path, Model("all", MADE, "blend", FITTED, booster()), "abc")
    monkeypatch.setattr("pipeline.learning.model.FORM", -1)
    assert find_model(tmp_path, "all", "abc", MADE, 28) is None
    monkeypatch.undo()
    assert find_model(tmp_path, "all", "abc", MADE, 28) is not None
    old = json.loads((folder / "model.json").read_text())
    for key in ("form", "baselines", "wins", "laws"):
        del old[key]
    (folder / "model.json").write_text(json.dumps(old))
    assert find_model(tmp_path, "all", "abc", MADE, 28) is None
