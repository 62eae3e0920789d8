"""Made-up incidents, to be dressed as the exports of many police, and what has to be found."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyproj import Transformer

DENVER, VANCOUVER, LONDON, MEXICO = (
    (39.74, -104.95),
    (49.26, -123.11),
    (51.52, -0.1),
    (19.4, -99.15),
)
BERLIN, BALTIMORE, LOS_ANGELES, NEW_YORK = (
    (52.5, 13.4),
    (39.3, -76.61),
    (34.05, -118.3),
    (40.7, -73.95),
)
CLOCK_12 = "%m/%d/%Y %I:%M:%S %p"
START, DAYS, COUNT = pd.Timestamp("2023-01-02"), 150, 2600
OFFENSES = {
    "THEFT": 0.3, "BURGLARY": 0.12, "MOTOR VEHICLE THEFT": 0.1, "CRIMINAL DAMAGE": 0.13,
    "SIMPLE ASSAULT": 0.12, "ROBBERY": 0.06, "HOMICIDE": 0.01, "NARCOTICS": 0.06, "FRAUD": 0.06,
    "DISORDERLY CONDUCT": 0.04,
}  # fmt: skip


@dataclass(frozen=True)
class Dressed:
    """``columns``: what source.columns has to be (keys that are absent must not be there)."""

    path: list[str]
    columns: dict[str, Any]
    zone: str
    at: tuple[float, float]
    source: dict[str, Any] = field(default_factory=dict)
    kept: float = 0.97
    place: str | None = None
    doubts: tuple[str, ...] = ()
    formats: list[str] | None = None


@cache
def _incidents(at: tuple[float, float], count: int = COUNT, seed: int = 7) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    clock = 1 + 0.8 * np.cos(2 * np.pi * (np.arange(24) - 18) / 24)
    minute = 1440 * rng.integers(0, DAYS, count) + 60 * rng.choice(24, count, p=clock / clock.sum())
    occurred = pd.Series(START + pd.to_timedelta(np.sort(minute), unit="min"))
    occurred += pd.to_timedelta(rng.choice([0, 5, 15, 30, 42], count), unit="min")
    occurred = occurred.where(rng.random(count) > 0.04, occurred.dt.normalize())
    delay = rng.exponential(rng.choice([2.0, 40.0], count, p=[0.8, 0.2])) + 0.2
    reported = occurred + pd.to_timedelta((delay * 60).astype(int), unit="min")
    offense = rng.choice(list(OFFENSES), count, p=list(OFFENSES.values()))
    return pd.DataFrame(
        {
            "occurred": occurred,
            "reported": reported,
            "until": (occurred + pd.to_timedelta(rng.integers(5, 600, count), unit="min")).where(
                rng.random(count) < 0.6
            ),
            "offense": offense,
            "detail": [
                f"{name} - KIND {k}"
                for name, k in zip(offense, rng.integers(0, 9, count), strict=True)
            ],
            "lat": at[0] + rng.normal(0, 0.03, count),
            "lon": at[1] + rng.normal(0, 0.04, count),
            "district": rng.choice(["1", "2", "3", "4", "5", "6"], count),
            "case": [f"23-{i:06d}" for i in rng.permutation(count) + 1000],
            "block": [f"{n * 100} BLOCK OF MAIN ST" for n in rng.integers(1, 90, count)],
        }
    )


def incidents(at: tuple[float, float] = DENVER, count: int = COUNT) -> pd.DataFrame:
    """Times (naive local), offence, place, district, number of the case, in order of time."""
    return _incidents(at, count).copy()


def projected(rows: pd.DataFrame, crs: str, digits: int = 2) -> tuple[list[str], list[str]]:
    """Eastings and northings as text."""
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(rows["lon"], rows["lat"])
    return [f"{v:.{digits}f}" for v in x], [f"{v:.{digits}f}" for v in y]


def text(times: pd.Series, form: str) -> pd.Series:
    """Times in a format, blanks where there is none."""
    return times.dt.strftime(form).fillna("").astype("str")


def unpadded(texts: pd.Series) -> pd.Series:
    """1/8/2020 5:05 for 01/08/2020 05:05, and 130 for 0130."""
    return texts.str.replace(r"(?<!\d)0+(?=\d)", "", regex=True)


def write(rows: pd.DataFrame, path: Path, encoding: str = "utf-8", **options: Any) -> list[str]:
    """The rows as CSV, and its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.to_csv(path, index=False, encoding=encoding, **options)
    return [str(path)]


def places(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Degrees as text."""
    return {"lat": rows["lat"].map("{:.6f}".format), "lon": rows["lon"].map("{:.6f}".format)}
