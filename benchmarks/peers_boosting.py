"""The same trees on the same rows by one library: XGBoost, LightGBM or scikit-learn.

    python benchmarks/peers_boosting.py FOLDER --way LightGBM

Run by whichever interpreter has the library, so nothing of ours is imported. FOLDER holds
``how.json``, rows to learn from and rows held out; what is expected of the latter is left there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

FIT, HELD = "fit", "held"
BINS = 255  # of LightGBM and scikit-learn: a byte less what is missing
AT_ONCE = 100_000  # rows to predict, about a night of a city


@dataclass(frozen=True)
class Rows:
    """``codes`` (row, feature) uint8; ``counts``, ``weights``, ``starts`` (row,) float32."""

    codes: np.ndarray
    counts: np.ndarray
    weights: np.ndarray
    starts: np.ndarray


@dataclass(frozen=True)
class How:
    """``parameters``: of XGBoost; ``missing``: the code that says nothing."""

    parameters: dict[str, Any]
    rounds: int
    threads: int
    missing: int


@dataclass(frozen=True)
class Way:
    """``prepare`` what the library keeps of the rows, ``fit`` it, and ``predict`` other rows."""

    package: str
    prepare: Callable[[Rows, How], Any]
    fit: Callable[[Any, How], Any]
    predict: Callable[[Any, Rows, How], np.ndarray]


def _matrix(rows: Rows, how: How) -> Any:
    import xgboost

    return xgboost.QuantileDMatrix(
        rows.codes, rows.counts, weight=rows.weights, base_margin=rows.starts,
        missing=how.missing, max_bin=how.parameters["max_bin"], nthread=how.threads,
    )  # fmt: skip


def _xgboost(matrix: Any, how: How) -> Any:
    import xgboost

    return xgboost.train({**how.parameters, "nthread": how.threads}, matrix, how.rounds)


def _by_xgboost(booster: Any, rows: Rows, how: How) -> np.ndarray:
    return booster.inplace_predict(rows.codes, missing=how.missing, base_margin=rows.starts)


def lightgbm_parameters(how: How, depth: int) -> dict[str, Any]:
    """The same in LightGBM's words; ``depth``: -1 where leaves alone are limited."""
    of = how.parameters
    return {
        "objective": "poisson",
        "learning_rate": of["eta"],
        "max_depth": depth,
        "num_leaves": 2 ** of["max_depth"],
        "min_sum_hessian_in_leaf": of["min_child_weight"],
        "min_data_in_leaf": 1,
        "lambda_l2": of["lambda"],
        "feature_fraction": of["colsample_bytree"],
        "max_bin": BINS,
        "num_threads": how.threads,
        "seed": of["seed"],
        "verbosity": -1,
    }


def _dataset(rows: Rows, how: How) -> Any:
    import lightgbm

    return lightgbm.Dataset(
        rows.codes, rows.counts, weight=rows.weights, init_score=rows.starts.astype(np.float64),
        params=lightgbm_parameters(how, -1),
    ).construct()  # fmt: skip


def _lightgbm(data: Any, how: How, depth: int) -> Any:
    import lightgbm

    return lightgbm.train(lightgbm_parameters(how, depth), data, how.rounds)


def _by_lightgbm(booster: Any, rows: Rows, how: How) -> np.ndarray:
    raw = booster.predict(rows.codes, raw_score=True, num_threads=how.threads)
    return np.exp(raw + rows.starts)


def _scaled(rows: Rows, _how: How) -> Any:
    """It takes no start. Counts over what is expected, weighed by that, have the same likelihood:
    ``e^s f - n log(e^s f) = e^s (f - n / e^s log f)``, but for what does not hang on ``f``.
    """
    expected = np.exp(rows.starts)
    return rows.codes, rows.counts / expected, rows.weights * expected


def _sklearn(scaled: Any, how: How) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    of = how.parameters
    model = HistGradientBoostingRegressor(
        loss="poisson",
        max_iter=how.rounds,
        max_depth=of["max_depth"],
        max_leaf_nodes=2 ** of["max_depth"],
        min_samples_leaf=1,
        learning_rate=of["eta"],
        l2_regularization=of["lambda"],
        max_features=of["colsample_bytree"],
        max_bins=BINS,
        early_stopping=False,
        random_state=of["seed"],
    )
    return model.fit(scaled[0], scaled[1], sample_weight=scaled[2])


def _by_sklearn(model: Any, rows: Rows, _how: How) -> np.ndarray:
    return model.predict(rows.codes) * np.exp(rows.starts)


WAYS: dict[str, Way] = {
    "XGBoost": Way("xgboost", _matrix, _xgboost, _by_xgboost),
    "LightGBM": Way(
        "lightgbm", _dataset, lambda d, how: _lightgbm(d, how, how.parameters["max_depth"]),
        _by_lightgbm,
    ),
    "LightGBM, any depth": Way(
        "lightgbm", _dataset, lambda d, how: _lightgbm(d, how, -1), _by_lightgbm
    ),
    "scikit-learn": Way("scikit-learn", _scaled, _sklearn, _by_sklearn),
}  # fmt: skip


def fitted(way: Way, rows: Rows, how: How) -> Any:
    """A model of the rows."""
    return way.fit(way.prepare(rows, how), how)


def save(folder: Path, name: str, rows: Any) -> None:
    """Keep rows, ours or these, under a name."""
    for field in fields(Rows):
        np.save(folder / f"{name}-{field.name}.npy", getattr(rows, field.name))


def size(rows: Any) -> int:
    """Bytes of the rows, ours or these."""
    return sum(getattr(rows, field.name).nbytes for field in fields(Rows))


def load(folder: Path, name: str) -> Rows:
    """Rows kept under a name."""
    return Rows(*(np.load(folder / f"{name}-{field.name}.npy") for field in fields(Rows)))


def pieces(rows: Rows) -> Iterator[Rows]:
    """The rows a night at a time: some libraries make eight bytes of every code to predict."""
    for at in range(0, len(rows.counts), AT_ONCE):
        yield Rows(*(getattr(rows, field.name)[at : at + AT_ONCE] for field in fields(Rows)))


def expected_path(folder: Path, way: str) -> Path:
    """Where a way leaves what it expects of the rows held out."""
    return folder / f"expected-{list(WAYS).index(way)}.npy"


def measure(folder: Path, name: str) -> dict[str, Any]:
    """Seconds of each step; rows held out are loaded only when nothing of the fit is needed."""
    way, how = WAYS[name], How(**json.loads((folder / "how.json").read_text()))
    __import__({"scikit-learn": "sklearn.ensemble"}.get(way.package, way.package))
    rows = load(folder, FIT)
    times = [perf_counter()]
    prepared = way.prepare(rows, how)
    times.append(perf_counter())
    model = way.fit(prepared, how)
    times.append(perf_counter())
    del rows, prepared
    held = load(folder, HELD)
    began = perf_counter()
    parts = [way.predict(model, part, how) for part in pieces(held)]
    predict = perf_counter() - began
    np.save(expected_path(folder, name), np.concatenate(parts).astype(np.float32))
    prepare, fit = np.diff(times)
    steps = {"prepare": prepare, "fit": fit, "predict": predict}
    return {"version": version(way.package), **{k: round(float(v), 2) for k, v in steps.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--way", choices=WAYS, required=True)
    options = parser.parse_args()
    print(json.dumps(measure(options.folder, options.way)))


if __name__ == "__main__":
    main()
