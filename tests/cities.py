"""A small made-up city for tests: a few cells, some months, reports with delay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import h3
import numpy as np
import pandas as pd
import yaml

from grids.hexgrid import HexGrid
from pipeline.config import Config
from pipeline.load import parse_config

START = datetime(2024, 1, 1, 7, tzinfo=UTC)  # local midnight in Denver
BOUNDS = (-104.995, 39.735, -104.975, 39.75)
KINDS = ("assault", "theft", "vandalism", "drug possession")
COLUMNS = {
    "key": ["id"],
    "occurred_at": "occurred",
    "reported_at": "reported",
    "category": "kind",
    "latitude": "lat",
    "longitude": "lon",
}


@dataclass(frozen=True)
class Small:
    """Days of history, incidents a day, seed."""

    days: int = 130
    per_day: float = 60.0
    seed: int = 7

    def rows(self) -> pd.DataFrame:
        """Incidents as a city delivers them: local text, a report time, a key."""
        rng = np.random.default_rng(self.seed)
        grid = HexGrid.from_extent(*BOUNDS, 9)
        count = rng.poisson(self.per_day * self.days)
        lat, lon = grid.centroids
        inside = (lat > BOUNDS[1]) & (lat < BOUNDS[3]) & (lon > BOUNDS[0]) & (lon < BOUNDS[2])
        weight = rng.gamma(0.5, size=len(grid)) * inside
        cell = rng.choice(len(grid), count, p=weight / weight.sum())
        # Cells wake at opposite hours, which no citywide clock can say: a model can win.
        of_day = (rng.choice(24, count, p=_clock()) + 12 * (cell % 2)) % 24
        hour = 24 * rng.integers(0, self.days, count) + of_day
        occurred = pd.Series(pd.Timestamp(START) + pd.to_timedelta(hour * 60 + 7, unit="min"))
        delay = rng.exponential(rng.choice([2.0, 60.0], count, p=[0.8, 0.2]))
        reported = occurred + pd.to_timedelta((delay * 60).astype(int), unit="min")
        order = np.argsort(reported.to_numpy(), kind="stable")
        frame = pd.DataFrame(
            {
                "id": [f"C{number:06d}" for number in range(count)],
                "occurred": _local(occurred),
                "reported": _local(reported),
                "kind": rng.choice(KINDS, count, p=[0.2, 0.4, 0.3, 0.1]),
                "lat": np.char.mod("%.6f", lat[cell]),
                "lon": np.char.mod("%.6f", lon[cell]),
            },
            dtype="str",
        )
        return frame.iloc[order].reset_index(drop=True)


def _clock() -> np.ndarray:
    shape = np.exp(2 * np.cos(2 * np.pi * (np.arange(24) - 22) / 24))
    return shape / shape.sum()


def _local(times: pd.Series) -> pd.Series:
    # January to June holds one change of the clock; the minutes it hides are not drawn here.
    return times.dt.tz_convert("America/Denver").dt.strftime("%Y-%m-%d %H:%M").astype("str")


def small_config(folder: Path, rows: pd.DataFrame, **changes: Any) -> Config:
    """The rows written below ``folder``, and a configuration that reads them."""
    values = _small(folder, rows)
    values["groups"]["property"] = {"categories": ["theft"]}
    values["targets"] = {"all": ["violent", "property", "other"], "violent": ["violent"]}
    values["model"] = {"rounds": 150, "holdout_nights": 14}
    return parse_config(values | changes, folder / "small.yaml")


def small_file(folder: Path, rows: pd.DataFrame, **changes: Any) -> Path:
    """The same with one target, as a file that a user would have written."""
    path = folder / "small.yaml"
    values = _small(folder, rows)
    path.write_text(yaml.safe_dump(values | changes))
    return path


def _small(folder: Path, rows: pd.DataFrame) -> dict[str, Any]:
    (folder / "in").mkdir(parents=True, exist_ok=True)
    rows.to_csv(folder / "in" / "incidents.csv", index=False)
    return {
        "name": "small",
        "timezone": "America/Denver",
        "cutoff": "00:00",
        "source": {
            "path": "in/*.csv",
            "start": START.date().isoformat(),
            "date_formats": ["%Y-%m-%d %H:%M"],
            "columns": dict(COLUMNS),
        },
        "grid": {"bounds": list(BOUNDS)},
        "groups": {"violent": {"categories": ["assault"]}},
        "targets": {"violent": ["violent"]},
        "output": {"path": "store"},
    }


def reported_at(rows: pd.DataFrame) -> pd.Series:
    """Report times of delivered rows, UTC."""
    naive = pd.to_datetime(rows["reported"])
    return naive.dt.tz_localize("America/Denver", ambiguous=True).dt.tz_convert("UTC")


def midnight(day: int) -> datetime:
    """The cutoff at the end of the ``day``-th day, at local midnight."""
    naive = datetime(2024, 1, 1) + timedelta(days=day)
    return pd.Timestamp(naive, tz="America/Denver").tz_convert("UTC").to_pydatetime()


def center(grid: HexGrid, index: int) -> tuple[float, float]:
    """Latitude and longitude of a cell's centre."""
    lat, lon = h3.api.basic_int.cell_to_latlng(int(grid.cells[index]))
    return lat, lon
