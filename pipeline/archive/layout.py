"""The arrays of the forecast cube.

| array | dims | what it is |
|---|---|---|
| those of VALUES | reference_time, lead, cell, target | float32; nan where a night has none |
| those of SCORES | reference_time, target | float64; nan until it is known what happened |
| ``run_id``, ``model``, ``as_of`` | reference_time | as in the layers |
| ``made_at`` | reference_time | when the forecast was made |
| ``scored_as_of`` | reference_time | what is said to have happened is what was known then |
| ``valid_time`` | reference_time, lead | start of the hour |
| ``reference_time``, ``lead``, ``cell_ids``, ``target`` | | the axes; times UTC, lead in hours |
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, BloscShuffle, Crc32cCodec
from zarr.errors import ZarrUserWarning

from forecasts.schema import Forecast
from grids.clock import EPOCH

ARCHIVE = "forecasts.zarr"
NIGHT, LEAD, CELL, TARGET = "reference_time", "lead", "cell", "target"
NO_NIGHT = -1  # a reference time that is not written yet

VALUES = {
    "expected": "expected incidents",
    "probability": "probability of at least one incident",
    "baseline": "expected incidents, by the best baseline",
}
SCORES = {
    "incidents": "incidents that happened",
    "expected_incidents": "incidents that were expected",
    "log_score": "Poisson log score of what was issued, nats",
    "baseline_log_score": "Poisson log score of the best baseline, nats",
    "hit_rate": "share of the incidents in the hottest 5 % of the area, hour by hour",
    "baseline_hit_rate": "share of the incidents in the baseline's hottest 5 % of the area",
    "auc": "area under the ROC curve of what was issued",
}


@dataclass(frozen=True)
class _Layout:
    """One array: its axes, dtype, the value of what is not written, CF attributes."""

    dims: tuple[str, ...]
    kind: Any
    fill: Any
    attributes: Mapping[str, Any]


def _named(meaning: str, **more: str) -> dict[str, Any]:
    return {"long_name": meaning, **more}


def _clock(unit: str, meaning: str, **more: str) -> dict[str, Any]:
    since = f"{unit} since {EPOCH:%Y-%m-%dT%H:%M:%SZ}"
    return _named(meaning, units=since, calendar="proleptic_gregorian", **more)


_BESIDE = "cell_ids valid_time run_id model as_of made_at"
LAYOUT = {
    **{
        name: _Layout((NIGHT, LEAD, CELL, TARGET), "float32", np.nan, attributes)
        for name, meaning in VALUES.items()
        for attributes in [_named(meaning, units="1", coordinates=_BESIDE)]
    },
    **{
        name: _Layout((NIGHT, TARGET), "float64", np.nan, _named(meaning, coordinates=_BESIDE))
        for name, meaning in SCORES.items()
    },
    NIGHT: _Layout(
        (NIGHT,), "int64", NO_NIGHT,
        _clock("hours", "first forecast hour", standard_name="forecast_reference_time"),
    ),
    LEAD: _Layout(
        (LEAD,), "int64", 0,
        _named("from the reference time", standard_name="forecast_period", units="hours"),
    ),
    "valid_time": _Layout(
        (NIGHT, LEAD), "int64", NO_NIGHT,
        _clock("hours", "start of the hour", standard_name="time"),
    ),
    "as_of": _Layout((NIGHT,), "int64", 0, _clock("seconds", "the cutoff")),
    "made_at": _Layout((NIGHT,), "int64", 0, _clock("seconds", "when the forecast was made")),
    "scored_as_of": _Layout(
        (NIGHT,), "float64", np.nan, _clock("seconds", "when what had happened was looked up")
    ),
    "run_id": _Layout((NIGHT,), str, "", _named("run")),
    "model": _Layout((NIGHT,), str, "", _named("what was issued for every target")),
    "target": _Layout((TARGET,), str, "", _named("target")),
    "cell_ids": _Layout((CELL,), "uint64", 0, {}),
}  # fmt: skip


def create_archive(path: Path, forecast: Forecast) -> None:
    """An archive at ``path`` for the forecast's cells and targets, without a night."""
    group = zarr.create_group(path, attributes=_conventions(forecast))
    leads = len(forecast.hours) + 1  # clocks are put back in autumn
    sizes = {NIGHT: 0, LEAD: leads, CELL: len(forecast.grid), TARGET: len(forecast.targets)}
    for name, layout in LAYOUT.items():
        large = name in VALUES
        chunks = sizes | {NIGHT: 1 if large else 1024}
        group.create_array(
            name,
            shape=tuple(sizes[dim] for dim in layout.dims),
            chunks=tuple(chunks[dim] for dim in layout.dims),
            dtype=layout.kind,
            fill_value=layout.fill,
            compressors=_SHUFFLED if large else "auto",
            dimension_names=layout.dims,
            attributes=dict(layout.attributes),
        )
    cells = array(group, "cell_ids")
    cells[:] = forecast.grid.cells
    cells.attrs.update(forecast.grid.to_dict())
    array(group, LEAD)[:] = np.arange(leads)
    array(group, TARGET)[:] = np.array(forecast.target_names, dtype=object)
    show(path)


# Blosc reads on behind the end of a chunk that was cut off, and returns what it finds there.
_SHUFFLED = (BloscCodec(cname="zstd", clevel=5, shuffle=BloscShuffle.shuffle), Crc32cCodec())


def _conventions(forecast: Forecast) -> dict[str, Any]:
    return {
        "Conventions": "CF-1.11",
        "title": f"issued forecasts of {forecast.city}, and how they turned out",
        "dggs": {"name": "h3", "coordinate": "cell_ids", "spatial_dimension": CELL},
        "timezone": forecast.timezone.key,
    }


def open_archive(path: Path, mode: str = "r") -> zarr.Group:
    """The archive as it lies on the disk, nights that are being written included."""
    return zarr.open_group(path, mode=mode, use_consolidated=False)  # type: ignore[arg-type]


def array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    """An array of the archive by its name."""
    found = group[name]
    assert isinstance(found, zarr.Array)
    return found


def read(group: zarr.Group, name: str, at: Any = ...) -> NDArray[Any]:
    """Values of an array, all or a selection."""
    return np.asarray(array(group, name)[at])


def stretch(group: zarr.Group, sizes: Mapping[str, int]) -> None:
    """Make all arrays as long as ``sizes`` says, by axis."""
    for name, layout in LAYOUT.items():
        each, dims = array(group, name), layout.dims
        shape = tuple(sizes.get(dim, size) for dim, size in zip(dims, each.shape, strict=True))
        if shape != each.shape:
            each.resize(shape)


def show(path: Path) -> None:
    """Let readers see what is written: they learn the arrays' sizes from one file, replaced here.

    A reader who opens the store before sees the nights before, a reader after it all of them.
    """
    with warnings.catch_warnings():
        # Not yet part of the Zarr v3 specification; without it xarray warns whenever it opens one.
        # What a killed night left half written has a name that Zarr does not know.
        warnings.simplefilter("ignore", ZarrUserWarning)
        zarr.consolidate_metadata(path)
