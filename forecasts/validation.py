"""Are these frames the layers? Asked before every write."""

from __future__ import annotations

from collections.abc import Iterable

import geopandas
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecasts.frames import CRS, PER_TARGET, cell_columns, hour_columns, shift_columns
from forecasts.hotspots import HOTSPOT_COLUMNS
from forecasts.layers import Layers
from grids.clock import HOUR


def validate(layers: Layers) -> None:
    """Raise ValueError where a frame is not its layer.

    Checked are the columns, their order and dtypes, the coordinate system, missing values, the
    ranges of the values, and the order of the rows: cell after cell, each with the same times.
    """
    check_columns(layers.hours, hour_columns(layers.targets))
    check_columns(layers.shifts, shift_columns(layers.targets))
    check_columns(layers.cells, cell_columns(layers.targets))
    check_columns(layers.hotspots, HOTSPOT_COLUMNS)
    for frame in (layers.hours, layers.shifts):
        for target in layers.targets:
            check_values(frame, target)
        check_rows(frame)
    check_hours(layers.hours)
    check_cells(layers.cells, layers.targets)
    check_hotspots(layers.hotspots)


def check_columns(frame: geopandas.GeoDataFrame, schema: dict[str, str]) -> None:
    """Columns in order, dtypes, no value missing, EPSG:4326."""
    if (found := list(frame.columns)) != list(schema):
        missing, unknown = set(schema) - set(found), set(found) - set(schema)
        raise ValueError(
            f"columns differ from the layer's: missing {sorted(missing)}, unknown"
            f" {sorted(unknown)}; take those of the layer, in their order"
        )
    for name, dtype in schema.items():
        if str(frame[name].dtype) != dtype:
            raise ValueError(f"column {name} is {frame[name].dtype}: make it {dtype}")
        if missing_values := int(frame[name].isna().sum()):
            raise ValueError(f"column {name} lacks {missing_values} values: every row needs one")
    if frame.crs is None or frame.crs.to_epsg() != 4326:
        raise ValueError(f"geometry is in {frame.crs}: use {CRS}")


def check_values(frame: pd.DataFrame, target: str) -> None:
    """What is forecast of a target lies where it can."""
    value = {part: frame[f"{target}_{part}"].to_numpy() for part in PER_TARGET}
    for part in ("probability", "expected", "baseline", "rank", "low"):
        _require(value[part] >= 0, f"{target}_{part} is negative")
        _require(np.isfinite(value[part]), f"{target}_{part} is infinite")
    for part in ("probability", "rank"):
        _require(value[part] <= 1, f"{target}_{part} is above 1")
    _require(value["low"] <= value["high"], f"{target}_low is above {target}_high")


def check_rows(frame: pd.DataFrame) -> None:
    """Cell after cell, each with the same times, which end after they start."""
    count = int((frame["hex_id"] == frame["hex_id"].iloc[0]).sum()) if len(frame) else 0
    if count == 0 or len(frame) % count:
        raise ValueError(f"{len(frame)} rows do not give every cell the same {count} times")
    row = np.arange(len(frame))
    _require(
        pd.factorize(frame["hex_id"])[0] == row // count,
        "hex_id is out of order: keep the rows of a cell together",
    )
    for name in ("valid_start", "valid_end", "lead_hours"):
        values = frame[name].array
        _require(np.asarray(values == values[row % count]), f"{name} differs from the first cell's")
    start, end = frame["valid_start"], frame["valid_end"]
    _require(np.asarray(end > start), "valid_end is not after valid_start")
    lead = (start[:count] - start.iloc[0]) // HOUR + frame["lead_hours"].iloc[0]
    _require(np.asarray(lead == frame["lead_hours"][:count]), "lead_hours does not count the hours")
    _require(start[:count].diff().dropna().to_numpy() >= 0, "valid_start is out of order")


def check_hours(frame: pd.DataFrame) -> None:
    """An hour a row, none left out."""
    _require(
        np.asarray(frame["valid_end"] == frame["valid_start"] + HOUR),
        "valid_end is not an hour after valid_start",
    )
    one = frame[frame["hex_id"] == frame["hex_id"].iloc[0]]
    _require(one["lead_hours"].diff().dropna().to_numpy() == 1, "an hour is missing")


def check_cells(frame: pd.DataFrame, targets: Iterable[str]) -> None:
    """Every cell once, with rates that can be."""
    _require(~frame["hex_id"].duplicated().to_numpy(), "hex_id repeats")
    for target in targets:
        _check_amount(frame, f"{target}_yearly")


def _check_amount(frame: pd.DataFrame, name: str) -> None:
    _require(frame[name].to_numpy() >= 0, f"{name} is negative")
    _require(np.isfinite(frame[name].to_numpy()), f"{name} is infinite")


def check_hotspots(frame: pd.DataFrame) -> None:
    """Ranks count from 1 within target and shift, by what is expected."""
    for part in ("expected", "baseline", "area_km2"):
        _check_amount(frame, part)
    for part in ("probability", "share"):
        _require(frame[part].between(0, 1).to_numpy(), f"{part} is not from 0 to 1")
    _require((frame["low"] <= frame["high"]).to_numpy(), "low is above high")
    shifts = frame.groupby(["target", "valid_start", "shift"], sort=False)
    _require((shifts.cumcount() + 1 == frame["rank"]).to_numpy(), "rank does not count the areas")
    _require(
        (shifts["expected"].diff().fillna(0) <= 0).to_numpy(), "an area expects more than a better"
    )


def _require(good: NDArray[np.bool_], fault: str) -> None:
    if not good.all():
        raise ValueError(f"{fault}: {int((~good).sum())} rows, the first is {int(good.argmin())}")
