"""Is this frame the layer? Asked before every write."""

from __future__ import annotations

from collections.abc import Iterable

import geopandas
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecasts.schema import CRS, PER_TARGET, columns
from grids.clock import HOUR


def validate(frame: geopandas.GeoDataFrame, targets: Iterable[str]) -> None:
    """Raise ValueError where ``frame`` is not the layer of ``targets``.

    Checked are the columns, their order and dtypes, the coordinate system, missing values, the
    ranges of the values, and the order of the rows: cell after cell, each with the same hours.
    """
    targets = tuple(targets)
    _check_columns(frame, columns(targets))
    for target in targets:
        _check_values(frame, target)
    _check_rows(frame)


def _check_columns(frame: geopandas.GeoDataFrame, schema: dict[str, str]) -> None:
    if (found := list(frame.columns)) != list(schema):
        missing, unknown = set(schema) - set(found), set(found) - set(schema)
        raise ValueError(
            f"columns differ from the layer's: missing {sorted(missing)}, unknown"
            f" {sorted(unknown)}; take those of columns(targets), in their order"
        )
    for name, dtype in schema.items():
        if str(frame[name].dtype) != dtype:
            raise ValueError(f"column {name} is {frame[name].dtype}: make it {dtype}")
        if missing_values := int(frame[name].isna().sum()):
            raise ValueError(f"column {name} lacks {missing_values} values: every row needs one")
    if frame.crs is None or frame.crs.to_epsg() != 4326:
        raise ValueError(f"geometry is in {frame.crs}: use {CRS}")


def _check_values(frame: geopandas.GeoDataFrame, target: str) -> None:
    value = {part: frame[f"{target}_{part}"].to_numpy() for part in PER_TARGET}
    for part in ("probability", "expected", "baseline", "rank", "low"):
        _require(value[part] >= 0, f"{target}_{part} is negative")
        _require(np.isfinite(value[part]), f"{target}_{part} is infinite")
    for part in ("probability", "rank"):
        _require(value[part] <= 1, f"{target}_{part} is above 1")
    _require(value["low"] <= value["high"], f"{target}_low is above {target}_high")


def _check_rows(frame: geopandas.GeoDataFrame) -> None:
    start = frame["valid_start"]
    hours = start.nunique()
    if len(frame) == 0 or len(frame) % hours:
        raise ValueError(f"{len(frame)} rows do not give every cell the same {hours} hours")
    row = np.arange(len(frame))
    cell, first = row // hours, row % hours
    _require(_equal(frame["valid_end"], start + HOUR), "valid_end is not an hour after valid_start")
    _require(
        _equal(start, start.iloc[0] + pd.to_timedelta(first, unit="h")),
        "valid_start is out of order: sort by cell, then hour",
    )
    lead = frame["lead_hours"].to_numpy()
    _require(lead == lead[0] + first, "lead_hours does not count the hours")
    _require(
        pd.factorize(frame["hex_id"])[0] == cell,
        "hex_id is out of order: keep the hours of a cell together",
    )


def _equal(left: pd.Series, right: pd.Series | pd.Index) -> NDArray[np.bool_]:
    return np.asarray(left.array == right.array)


def _require(good: NDArray[np.bool_], fault: str) -> None:
    if not good.all():
        raise ValueError(f"{fault}: {int((~good).sum())} rows, the first is {int(good.argmin())}")
