"""Putting a night's forecast into the forecast cube."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from forecasts.schema import Floats, Forecast
from forecasts.store import run_name, writing
from grids.clock import EPOCH
from pipeline.archive.layout import (
    ARCHIVE,
    LEAD,
    NIGHT,
    NO_NIGHT,
    SCORES,
    TARGET,
    VALUES,
    array,
    create_archive,
    open_archive,
    read,
    show,
    stretch,
)

KEPT_BITS = 12  # of 23 behind the point: right to an 8,000th, half the bytes
_LOG = logging.getLogger(__name__)


def keep(forecast: Forecast, root: Path) -> None:
    """Put a forecast into the archive below ``root``; one of the same reference time is replaced.

    Values are written first, then what tells readers how many nights there are: they see a new
    night whole or not at all. Axes grow where it has more targets or hours. An archive of other
    cells is set aside, and a new one begun.
    """
    path = root / ARCHIVE
    with writing(root):
        _make_ready(path, forecast)
        group = open_archive(path, "r+")
        times, known = read(group, NIGHT), read(group, TARGET).tolist()
        at = _place(times, forecast.hours.start)
        targets = known + [name for name in forecast.target_names if name not in known]
        leads = max(len(forecast.hours), len(read(group, LEAD)))
        nights = max(at + 1, len(times))
        stretch(group, {NIGHT: nights, LEAD: leads, TARGET: len(targets)})
        array(group, TARGET)[:] = np.array(targets, dtype=object)
        array(group, LEAD)[:] = np.arange(leads)
        _write(group, at, forecast, targets)
        show(path)


def _make_ready(path: Path, forecast: Forecast) -> None:
    """See to it that at ``path`` lies an archive of the forecast's cells."""
    if path.exists():
        if np.array_equal(read(open_archive(path), "cell_ids"), forecast.grid.cells):
            return
        aside = path.with_name(f"forecasts-before-{run_name(forecast.reference_time)}.zarr")
        _LOG.warning("%s is of other cells: kept as %s, and begun anew", path, aside.name)
        path.rename(aside)
    part = path.with_name(f".{path.name}")
    shutil.rmtree(part, ignore_errors=True)
    create_archive(part, forecast)
    part.rename(path)


def _place(times: NDArray[np.int64], reference: int) -> int:
    """Where a night of this reference time (hours) stands, or may stand."""
    for wanted in (reference, NO_NIGHT):  # a killed night may have left a place without a time
        if len(found := np.flatnonzero(times == wanted)):
            return int(found[0])
    return len(times)


def _write(group: zarr.Group, at: int, forecast: Forecast, targets: list[str]) -> None:
    start, leads = forecast.hours.start, read(group, LEAD)
    for name in VALUES:
        shape = (len(leads), len(forecast.grid), len(targets))
        block = np.full(shape, np.nan, np.float32)
        for target in forecast.targets:
            values: Floats = getattr(target, name)
            block[: len(forecast.hours), :, targets.index(target.name)] = rounded(values).T
        array(group, name)[at] = block
    for name in ("scored_as_of", *SCORES):
        array(group, name)[at] = np.nan
    array(group, "valid_time")[at] = start + leads
    array(group, "run_id")[at] = forecast.run_id
    array(group, "model")[at] = forecast.model
    array(group, "as_of")[at] = int((forecast.as_of - EPOCH).total_seconds())
    array(group, NIGHT)[at] = start


def rounded(values: Floats) -> NDArray[np.float32]:
    """To KEPT_BITS behind the point, halves up: what is left compresses."""
    dropped = 23 - KEPT_BITS
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    bits = (bits + np.uint32(1 << (dropped - 1))) & np.uint32(2**32 - (1 << dropped))
    kept: NDArray[np.float32] = bits.view(np.float32)
    return kept
