"""Training on a GPU beside the CPU of the same machine: the same code, `device` as data.

    python benchmarks/gpu.py --rows 1000000 4000000 [--rounds 300] [--out benchmarks/gpu.json]

Rows are drawn like a city's: 8-bit feature codes, Poisson counts that hang on some of them, empty
cell-hours with weight 100 (one in a hundred is kept), so that R rows stand for some 100 R
cell-hours. Both devices run through `pipeline.learning.fit.fit_booster` on a Dask
cluster of one worker.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import numpy as np
import xgboost
from distributed import Client, LocalCluster

from cluster.gpu import gpu_count
from pipeline.learning.features import FEATURE_NAMES, MISSING
from pipeline.learning.fit import fit_booster
from pipeline.learning.rows import Rows

PARTS = 8
EMPTY_SHARE = 0.01


def draw_rows(count: int, seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    codes = rng.integers(1, 200, (count, len(FEATURE_NAMES)), np.uint8)
    rate = np.exp(codes[:, 3] / 40.0 + codes[:, 15] / 60.0 - 9.0)
    happened = rng.poisson(np.minimum(rate / EMPTY_SHARE, 2.0)).astype(np.float32)
    weights = np.where(happened > 0, 1.0, 1.0 / EMPTY_SHARE).astype(np.float32)
    starts = np.full(count, np.log(happened.mean()), np.float32)
    return Rows(codes, happened, weights, starts, nights=1)


def train(client: Client, count: int, rounds: int, device: str) -> dict[str, object]:
    parts = [client.scatter(draw_rows(count // PARTS, seed)) for seed in range(PARTS)]
    fit_booster(client, parts, 2, device)  # libraries loaded, device awake
    began = perf_counter()
    booster = fit_booster(client, parts, rounds, device)
    seconds = perf_counter() - began
    probe = xgboost.DMatrix(
        draw_rows(100_000, 99).codes, missing=MISSING, feature_names=list(FEATURE_NAMES)
    )
    return {
        "device": device,
        "rows": count,
        "rounds": rounds,
        "seconds": round(seconds, 2),
        "row_rounds_per_second": round(count * rounds / seconds),
        "gpu_mib": gpu_memory() if device == "cuda" else None,
        "predicted": booster.predict(probe),
    }


def gpu_memory() -> int:
    """MiB that the GPU's processes hold now, as the driver counts them."""
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return int(shown.split()[0])


def compare(sizes: list[int], rounds: int) -> list[dict[str, object]]:
    devices = ["cpu", "cuda"] if gpu_count() else ["cpu"]
    found = []
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=os.cpu_count(),
            processes=False,
            dashboard_address="127.0.0.1:0",
            protocol="tcp",
            host="127.0.0.1",
        ) as cluster,
        Client(cluster) as client,
    ):
        for count in sizes:
            results = [train(client, count, rounds, device) for device in devices]
            predictions = [result.pop("predicted") for result in results]
            for result, predicted in zip(results, predictions, strict=True):
                gap = np.abs(predicted - predictions[0]) / predictions[0]
                result["largest_gap_to_cpu"] = float(gap.max())
                result["median_gap_to_cpu"] = float(np.median(gap))
                result["times_the_cpu"] = round(results[0]["seconds"] / result["seconds"], 2)
                print(json.dumps(result), flush=True)
            found += results
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "gpus": gpu_count(),
        "python": platform.python_version(),
        "xgboost": version("xgboost"),
        "dask": version("dask"),
    }
    record = {"machine": machine, "runs": compare(arguments.rows, arguments.rounds)}
    if arguments.out:
        arguments.out.write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
