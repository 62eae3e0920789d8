"""The layers as frames, the same columns in every format.

``hours``: one row per cell and hour; ``shifts``: one per cell and shift; ``cells``: one per cell.

| column | dtype | what it is |
|---|---|---|
| ``hex_id`` | text | H3 cell |
| ``neighbourhood`` | text | where the cell lies, blank where not known (cells) |
| ``T_yearly`` | float32 | incidents of target T in a year, in the long run (cells) |
| ``shift`` | text | name of the shift (shifts) |
| ``valid_start``, ``valid_end`` | timestamp, UTC | the hour or shift, half-open |
| ``valid_local`` | text | the same by the city's clock: ``2024-09-01 00:00 -06:00`` |
| ``lead_hours`` | int16 | hours from the reference time to the start |
| ``hours`` | int16 | how many hours the forecast has of the shift (shifts) |
| ``T_probability`` | float32 | probability of at least one incident of target T, by its law |
| ``T_expected`` | float32 | expected count of incidents |
| ``T_low``, ``T_high`` | int16 | 90 % interval of the count by the same law, both included |
| ``T_baseline`` | float32 | expected count by the best baseline |
| ``T_rank`` | float32 | 1 the hottest cell of the hour or shift, 0 the coldest, evenly spaced |
| ``T_hotspot`` | bool | within the hottest share of the area in this hour or shift |
| ``run_id``, ``model`` | text | the run, and what was issued for every target |
| ``reference_time`` | timestamp, UTC | the first forecast hour of the run |
| ``as_of`` | timestamp, UTC | the cutoff: only what was known then was used |
| ``geometry`` | polygon | EPSG:4326 |
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import geopandas
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecasts.ranking import hotspot_count, positions
from forecasts.schema import Forecast, TargetForecast
from grids.clock import EPOCH, HOUR, local_text
from grids.hexgrid import HexGrid

CRS = "EPSG:4326"
TIME = "datetime64[us, UTC]"
VALID = {"valid_start": TIME, "valid_end": TIME, "valid_local": "str", "lead_hours": "int16"}
PER_TARGET = {
    "probability": "float32",
    "expected": "float32",
    "low": "int16",
    "high": "int16",
    "baseline": "float32",
    "rank": "float32",
    "hotspot": "bool",
}
RUN = {"run_id": "str", "reference_time": TIME, "as_of": TIME, "model": "str"}


def hour_columns(targets: Iterable[str]) -> dict[str, str]:
    """The columns of ``hours`` in order, with their pandas dtypes; geometry last."""
    return {"hex_id": "str"} | VALID | _values(targets) | RUN | {"geometry": "geometry"}


def shift_columns(targets: Iterable[str]) -> dict[str, str]:
    """The columns of ``shifts``."""
    keys = {"hex_id": "str", "shift": "str"} | VALID | {"hours": "int16"}
    return keys | _values(targets) | RUN | {"geometry": "geometry"}


def cell_columns(targets: Iterable[str]) -> dict[str, str]:
    """The columns of ``cells``."""
    rates = {f"{target}_yearly": "float32" for target in targets}
    return {"hex_id": "str", "neighbourhood": "str"} | rates | RUN | {"geometry": "geometry"}


def _values(targets: Iterable[str]) -> dict[str, str]:
    return {f"{t}_{part}": kind for t in targets for part, kind in PER_TARGET.items()}


def hours_frame(forecast: Forecast) -> geopandas.GeoDataFrame:
    """``hours``: cells in the grid's order, then hours. A cell's rows share a geometry object."""
    times = forecast.hours.times
    local = times.tz_convert(forecast.timezone)
    spans = {
        "valid_start": times,
        "valid_end": times + HOUR,
        "valid_local": pd.Index([local_text(at) for at in local]),
        "lead_hours": np.arange(len(times), dtype=np.int16),
    }
    return _per_cell_and_span(forecast, spans, forecast.targets)


def shifts_frame(forecast: Forecast) -> geopandas.GeoDataFrame:
    """``shifts``: cells in the grid's order, then shifts by their start."""
    found = forecast.periods
    start = forecast.hours.start
    spans = {
        "shift": pd.Index([period.shift for period in found]),
        "valid_start": _times(period.first for period in found),
        "valid_end": _times(period.stop for period in found),
        "valid_local": pd.Index([period.local(forecast.timezone) for period in found]),
        "lead_hours": np.array([period.first - start for period in found], np.int16),
        "hours": np.array([period.stop - period.first for period in found], np.int16),
    }
    return _per_cell_and_span(forecast, spans, forecast.targets_by_period)


def cells_frame(forecast: Forecast) -> geopandas.GeoDataFrame:
    """``cells``: what does not change over a night."""
    data: dict[str, Any] = {
        "hex_id": pd.Index(forecast.grid.hex_ids),
        "neighbourhood": pd.Index(forecast.neighbourhoods or [""] * len(forecast.grid)),
    }
    for target in forecast.targets:
        data[f"{target.name}_yearly"] = target.yearly.astype(np.float32)
    index = pd.RangeIndex(len(forecast.grid))
    return located(pd.DataFrame(data | provenance(forecast), index), forecast.grid.polygons)


def provenance(forecast: Forecast) -> dict[str, Any]:
    """What every row of a run says of it."""
    return {
        "run_id": forecast.run_id,
        "reference_time": timestamp(forecast.reference_time),
        "as_of": timestamp(forecast.as_of),
        "model": forecast.model,
    }


def timestamp(instant: datetime) -> pd.Timestamp:
    """An aware instant as frames hold it: UTC, microseconds."""
    return pd.Timestamp(instant.astimezone(UTC)).as_unit("us")


def located(rows: pd.DataFrame, geometry: NDArray[np.object_]) -> geopandas.GeoDataFrame:
    """Rows with their places, which are the last column."""
    return geopandas.GeoDataFrame(rows, geometry=geometry, crs=CRS)


def _times(hours: Iterable[int]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([timestamp(EPOCH + hour * HOUR) for hour in hours])


def _per_cell_and_span(
    forecast: Forecast, spans: dict[str, Any], targets: tuple[TargetForecast, ...]
) -> geopandas.GeoDataFrame:
    """``spans``: columns of what every cell has rows for, hours or shifts, in order."""
    grid: HexGrid = forecast.grid
    count = len(spans["valid_start"])
    each = np.tile(np.arange(count), len(grid))
    data: dict[str, Any] = {"hex_id": pd.Index(grid.hex_ids).repeat(count)}
    data |= {name: values[each] for name, values in spans.items()}
    for target in targets:
        data |= _target_columns(target, forecast.hotspot_share)
    index = pd.RangeIndex(len(grid) * count)
    rows = pd.DataFrame(data | provenance(forecast), index=index)
    return located(rows, np.repeat(grid.polygons, count))


def _target_columns(target: TargetForecast, share: float) -> dict[str, NDArray[Any]]:
    places = positions(target.expected)
    cells = len(places)
    parts = {
        "probability": target.probability,
        "expected": target.expected,
        "low": whole_counts(target.name, target.low),
        "high": whole_counts(target.name, target.high),
        "baseline": target.baseline,
        "rank": 1 - places / max(cells - 1, 1),
        "hotspot": places < hotspot_count(cells, share),
    }
    return {f"{target.name}_{k}": parts[k].ravel().astype(v) for k, v in PER_TARGET.items()}


def whole_counts(name: str, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same. Raises ValueError where a bound of an interval is no count from 0 to 32,767."""
    bad = ~((counts >= 0) & (counts <= np.iinfo(np.int16).max) & (counts == np.floor(counts)))
    if bad.any():
        raise ValueError(
            f"{name}: the interval's bound {counts[bad][0]} is no count from 0 to 32,767"
        )
    return counts
