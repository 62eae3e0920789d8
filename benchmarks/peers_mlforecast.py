"""A forecast of every cell by mlforecast: lags, a fit, and nights one after the other.

    python benchmarks/peers_mlforecast.py FOLDER --way "Dask, LightGBM"

Run by the peers' interpreter; nothing of ours is imported. FOLDER holds ``how.json``,
``counts.npy`` (cell, hour) and ``news.npy`` (night, cell, hour); forecasts are left there in the
shape of the news.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import dask.dataframe as dd
import lightgbm
import numpy as np
import pandas as pd
import xgboost
from distributed import Client, LocalCluster
from mlforecast import MLForecast
from mlforecast.distributed import DistributedMLForecast
from mlforecast.distributed.models.dask.lgb import DaskLGBMForecast
from mlforecast.distributed.models.dask.xgb import DaskXGBForecast
from mlforecast.lag_transforms import ExpandingMean, RollingMean, SeasonalRollingMean

# None below the horizon: forecasts would be fed back as counts, and LightGBM, which splits right
# above 0, takes any of them for an incident.
LAGS = [24, 48, 168]
WEEKS = 8
KEEP = 168 * (WEEKS + 1)  # hours of each series that its features reach back
COLUMNS = {"unique_id": "object", "ds": "datetime64[ns]", "y": "float32"}


@dataclass(frozen=True)
class How:
    """``first_hour``: of the counts, since the epoch. ``parts``: partitions, of whole series.

    ``xgboost`` and ``lightgbm``: parameters of the same trees.
    """

    first_hour: int
    zone: str
    threads: int
    rounds: int
    parts: int
    worker_mib: int
    xgboost: dict[str, Any]
    lightgbm: dict[str, Any]


def clock(zone: str, field: str) -> Callable[[pd.DatetimeIndex], Any]:
    """A feature of times in UTC: a field of the city's clock."""

    def read(times: pd.DatetimeIndex) -> Any:
        return getattr(times.tz_localize("UTC").tz_convert(zone), field)

    read.__name__ = field
    return read


def features(how: How) -> dict[str, Any]:
    """Lags, means of some spans, means of the same hour of days and of weeks, and the clock."""
    means = [RollingMean(24), RollingMean(168), RollingMean(672), ExpandingMean()]
    return {
        "freq": "h",
        "lags": LAGS,
        "lag_transforms": {
            24: [*means, SeasonalRollingMean(season_length=24, window_size=28)],
            168: [SeasonalRollingMean(season_length=168, window_size=WEEKS)],
        },
        "date_features": [clock(how.zone, "hour"), clock(how.zone, "dayofweek")],
    }


def frame(counts: np.ndarray, first_cell: int, first_hour: int) -> pd.DataFrame:
    """A row for each cell and hour; counts: (cell, hour), the first at ``first_hour``."""
    cells, hours = counts.shape
    times = (np.arange(hours) + first_hour).astype("datetime64[h]").astype("datetime64[ns]")
    names = np.array([f"{cell:05d}" for cell in range(first_cell, first_cell + cells)], object)
    return pd.DataFrame(
        {
            "unique_id": np.repeat(names, hours),
            "ds": np.tile(times, cells),
            "y": counts.ravel().astype(np.float32),
        }
    )


def part(edges: tuple[int, int], folder: Path, first_hour: int) -> pd.DataFrame:
    """The series of the cells ``[low, high)``, read where they are needed."""
    low, high = edges
    return frame(np.load(folder / "counts.npy", mmap_mode="r")[low:high], low, first_hour)


class Timed(DistributedMLForecast):
    """Says how long it took to make the features, which are kept before anything is fitted."""

    seconds = 0.0

    def _preprocess_partitions(self, *args: Any, **named: Any) -> Any:
        began = perf_counter()
        made = super()._preprocess_partitions(*args, **named)
        Timed.seconds = perf_counter() - began
        return made


@contextmanager
def on_dask(folder: Path, how: How, model: Any) -> Iterator[tuple[Any, Callable[[], None]]]:
    """A forecaster on two workers, and how it is fitted."""
    with (
        LocalCluster(
            n_workers=how.threads, threads_per_worker=1, dashboard_address=None,
            memory_limit=how.worker_mib * 2**20, local_directory=folder,
        ) as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        cells = len(np.load(folder / "counts.npy", mmap_mode="r"))
        edges = np.linspace(0, cells, how.parts + 1).astype(int)
        pairs = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
        series = dd.from_map(
            part, pairs, folder=folder, first_hour=how.first_hour,
            meta=pd.DataFrame({k: pd.Series(dtype=v) for k, v in COLUMNS.items()}),
        )  # fmt: skip
        caster = Timed({"y_hat": model}, engine=client, **features(how))
        yield caster, lambda: caster.fit(series, static_features=[], keep_last_n=KEEP)


@contextmanager
def alone(folder: Path, how: How, model: Any) -> Iterator[tuple[Any, Callable[[], None]]]:
    """The same in this process, without Dask."""
    caster = MLForecast({"y_hat": model}, num_threads=how.threads, **features(how))

    def fit() -> None:
        began = perf_counter()
        series = part((0, len(np.load(folder / "counts.npy"))), folder, how.first_hour)
        made = caster.preprocess(series, static_features=[], keep_last_n=KEEP)
        Timed.seconds = perf_counter() - began
        caster.fit_models(made.drop(columns=["unique_id", "ds", "y"]), made["y"])

    yield caster, fit


def _models(how: How) -> dict[str, tuple[Any, Any]]:
    ours = {**how.xgboost, "n_estimators": how.rounds}
    light = {**how.lightgbm, "n_estimators": how.rounds}
    return {
        "Dask, LightGBM": (on_dask, lambda: DaskLGBMForecast(**light)),
        "Dask, XGBoost": (on_dask, lambda: DaskXGBForecast(**ours)),
        "one process, LightGBM": (
            alone, lambda: lightgbm.LGBMRegressor(**light, n_jobs=how.threads)
        ),
        "one process, XGBoost": (
            alone, lambda: xgboost.XGBRegressor(**ours, n_jobs=how.threads)
        ),
    }  # fmt: skip


def forecast(caster: Any, cells: int, hours: int) -> np.ndarray:
    """(cell, hour) expected counts of the next hours."""
    found = caster.predict(hours)
    found = found.compute() if isinstance(found, dd.DataFrame) else found
    order = found.sort_values(["unique_id", "ds"])
    return order["y_hat"].to_numpy(np.float32).reshape(cells, hours)


def say(**found: Any) -> None:
    """At once: of a run that is stopped, what it came to is known."""
    print(json.dumps(found), flush=True)


def nights(caster: Any, news: np.ndarray, first_hour: int) -> np.ndarray:
    """(night, cell, hour) expected counts; each night's news are taken in once it is forecast."""
    expected, times = [], []
    for at, night in enumerate(news):
        began = perf_counter()
        expected.append(forecast(caster, *night.shape))
        caster.update(frame(night, 0, first_hour + at * night.shape[1]))
        times.append(perf_counter() - began)
    say(night=round(median(times), 3))
    return np.stack(expected)


def measure(folder: Path, name: str) -> None:
    """Nights after the first are a local forecaster's, which one on Dask is made into: there
    every ``update`` would leave another copy of all features on the workers.
    """
    how = How(**json.loads((folder / "how.json").read_text()))
    news = np.load(folder / "news.npy")
    opened, model = _models(how)[name]
    say(versions={each: version(each) for each in ("mlforecast", "dask", "pandas")})
    with opened(folder, how, model()) as (caster, fit):
        began = perf_counter()
        fit()
        say(features=round(Timed.seconds, 1), fit=round(perf_counter() - began, 1))
        began = perf_counter()
        forecast(caster, *news.shape[1:])
        say(forecast=round(perf_counter() - began, 2))
        local = caster.to_local() if isinstance(caster, Timed) else caster
    hours = np.load(folder / "counts.npy", mmap_mode="r").shape[1]
    np.save(folder / "peer.npy", nights(local, news, how.first_hour + hours))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--way", required=True)
    options = parser.parse_args()
    measure(options.folder.absolute(), options.way)


if __name__ == "__main__":
    main()
