import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import peers_boosting
import pytest
from peers_bench import openmp
from peers_boosting import How, Rows
from peers_section import growth, section
from peers_skill import gained, mean_forecast, over_start
from watched import Limits, run

PEERS = Path(__file__).parents[1] / ".venv-peers/bin/python"
ENOUGH = Limits(seconds=60, mib=2000)
HOW = How(
    {"objective": "count:poisson", "eta": 0.1, "max_depth": 2, "min_child_weight": 1.0,
     "lambda": 1.0, "colsample_bytree": 1.0, "max_bin": 256, "seed": 1},
    rounds=60, threads=1, missing=255,
)  # fmt: skip


def draw(seed, rows=4000):
    """Counts are twice and half of what they start from, by the first code."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (rows, 3), np.uint8)
    starts = rng.uniform(-2, 0, rows).astype(np.float32)
    factor = np.where(codes[:, 0] < 2, 0.5, 2.0)
    counts = rng.poisson(np.exp(starts) * factor).astype(np.float32)
    return Rows(codes, counts, np.ones(rows, np.float32), starts), factor


@pytest.mark.parametrize("way", ["XGBoost", "scikit-learn"])
def test_every_way_learns_what_the_start_does_not_know(way):
    rows, _ = draw(1)
    held, factor = draw(2)
    model = peers_boosting.fitted(peers_boosting.WAYS[way], rows, HOW)
    found = peers_boosting.WAYS[way].predict(model, held, HOW) / np.exp(held.starts)
    assert found[factor == 2.0].mean() == pytest.approx(2.0, rel=0.1)
    assert found[factor == 0.5].mean() == pytest.approx(0.5, rel=0.1)


def test_rows_come_back_and_are_cut_into_nights(tmp_path, monkeypatch):
    rows, _ = draw(3, rows=10)
    peers_boosting.save(tmp_path, "held", rows)
    monkeypatch.setattr(peers_boosting, "AT_ONCE", 4)
    parts = list(peers_boosting.pieces(peers_boosting.load(tmp_path, "held")))
    assert [len(part.counts) for part in parts] == [4, 4, 2]
    assert np.concatenate([part.codes for part in parts]).tolist() == rows.codes.tolist()


def test_lightgbm_in_an_environment_of_its_own(tmp_path):
    if not PEERS.exists():
        pytest.skip("needs .venv-peers: make .venv-peers/.ready")
    rows, _ = draw(1)
    for name in (peers_boosting.FIT, peers_boosting.HELD):
        peers_boosting.save(tmp_path, name, rows)
    (tmp_path / "how.json").write_text(json.dumps(vars(HOW)))
    said = run(
        [str(PEERS), peers_boosting.__file__, str(tmp_path), "--way", "LightGBM"],
        Limits(200, 2000),
        openmp(PEERS, tmp_path),
    )
    assert "stopped" not in said
    expected = np.load(peers_boosting.expected_path(tmp_path, "LightGBM"))
    assert gained([(expected[None], np.exp(rows.starts)[None], rows.counts[None])])["value"] > 0.1


def test_a_gain_is_nats_per_incident():
    counts = np.array([[1, 0]])
    twice = gained([(np.array([[1.0, 0.5]]), np.array([[0.5, 0.5]]), counts)] * 2)
    assert twice == {"value": pytest.approx(np.log(2) - 0.5), "low": None, "high": None}


def test_the_gain_over_the_start_is_by_night():
    starts = np.log(np.full(6, 0.5, np.float32))
    night = SimpleNamespace(starts=starts[:2], counts=np.array([1.0, 0.0]))
    longer = SimpleNamespace(starts=starts[2:], counts=np.array([0.0, 0.0, 1.0, 0.0]))
    held = [night, longer]
    assert over_start(np.exp(starts), held)["value"] == pytest.approx(0.0, abs=1e-6)
    assert over_start(np.full(6, 1 / 3), held)["value"] == pytest.approx(np.log(2 / 3) + 0.5)


def test_the_mean_is_a_cells_own_by_the_citys_hours_of_week():
    of_week = np.tile(np.arange(168), 3)
    counts = np.zeros((2, len(of_week)), np.uint8)
    counts[0, of_week == 5] = 200
    found = mean_forecast(counts, of_week, np.array([[5, 6]]))
    assert found.shape == (1, 2, 2)
    assert found[0, 0, 0] / found[0, 0, 1] == pytest.approx(601)
    assert found[0, 0, 0] / found[0, 1, 0] == pytest.approx(600.5 / 0.5)
    every = mean_forecast(counts, of_week, of_week[None])
    assert every[0].mean(axis=1) == pytest.approx((counts.sum(axis=1) + 0.5) / 504)


def test_what_a_process_says_and_how_large_it_was():
    code = "print('{\"a\": 1}'); x = bytearray(60 * 2**20); sum(range(10**7))"
    said = run([sys.executable, "-c", code], ENOUGH)
    assert said["a"] == 1
    assert 60 < said["largest_mib"] <= said["sum_mib"] < 200
    assert "stopped" not in said


@pytest.mark.parametrize(
    ("code", "limits", "why"),
    [
        ("import signal; signal.pause()", Limits(0.3, 2000), "time: more than 0 s"),
        ("x = bytearray(2**28); import signal; signal.pause()", Limits(20, 100), "memory: more"),
        ("raise ValueError('no such cell')", ENOUGH, "fault: ValueError: no such cell"),
    ],
)
def test_a_process_that_is_too_much_is_stopped_and_says_why(code, limits, why):
    assert run([sys.executable, "-c", code], limits)["stopped"].startswith(why)


def size(cells, **ways):
    return {"cells": cells, "cell_hours": cells * 10**6, "ways": ways}


def done(fit, mib, **more):
    gain = {"value": 0.1, "low": None, "high": None}
    return {"fit": fit, "sum_mib": mib, "night": 0.5, "forecast": 0.8, "gain": gain, **more}


def test_growth_is_of_the_sizes_that_came_to_an_end():
    stopped = {"sum_mib": 900, "stopped": "time: more than 150 s"}
    sizes = [size(1, a=done(3.0, 100)), size(2, a=done(5.0, 150)), size(4, a=stopped)]
    assert growth(sizes, "a", "fit") == pytest.approx(2.0)
    assert growth(sizes, "a", "sum_mib") == pytest.approx(50.0)
    assert growth(sizes[1:], "a", "fit") is None


def found_rows():
    gain = {"value": 0.01, "low": 0.008, "high": 0.012}
    way = {"package": "xgboost", "version": "3.2.0", "prepare": 1.0, "fit": 9.0, "predict": 2.0,
           "largest_mib": 1200, "gain": gain}  # fmt: skip
    slow = {
        "package": "scikit-learn",
        "largest_mib": 7000,
        "stopped": "memory: more than 6,144 MiB",
    }
    return {
        "config": "configs/denver.yaml", "as_of": "2024-09-01", "target": "all", "rounds": 160,
        "leaves": 64, "threads": 2, "features": 42, "fit_rows": 2_000_000, "rows_mib": 100.0,
        "held_rows": 5000, "held_nights": 28, "incidents": 700,
        "ways": {"XGBoost": way, "scikit-learn": slow},
    }  # fmt: skip


def found_series():
    sizes = [
        size(250, ours=done(3.0, 800, issued="xgboost"), Dask=done(9.0, 1500, features=2.0)),
        size(500, ours=done(4.0, 900), Dask={"sum_mib": 9000, "stopped": "memory: more than"}),
    ]
    return {
        "config": "configs/denver.yaml", "as_of": "2024-09-01", "cutoff": "2024-07-28", "days": 365,
        "nights": 14, "weeks_after": 5, "rounds": 160, "depth": 6, "sizes": sizes,
        "limits": {"seconds": 240, "mib": 6144},
    }  # fmt: skip


def test_the_sections_are_written_from_json_alone():
    found = json.loads(json.dumps({"rows": found_rows(), "series": found_series()}))
    text = section(found)
    assert "## The same rows, other boosters\n" in text
    assert "| XGBoost | 1.0 | 9.0 | 1.00 | 2.0 | 1,200 | 0.0100 (0.0080 to 0.0120) |" in text
    assert "| scikit-learn |  | memory: more than 6,144 MiB |  |  | 7,000 |  |" in text
    assert "## mlforecast on Dask\n" in text
    assert "| 250 | 250.0 | ours: xgboost |  | 3.0 | 0.8 | 0.50 | 800 | 0.1000 |  |" in text
    assert "| ours | 0.00 | 0 | 500 |  |" in text
    assert "| Dask |  |  | 250 | 500: memory: more than |" in text
    assert "{" not in text
    assert section({"rows": found["rows"]}).startswith("## The same rows")
    assert "mlforecast" not in section({"rows": found["rows"]})
