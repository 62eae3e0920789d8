"""Putting a night's forecast into the forecast cube."""

from __future__ import annotations

import logging
import shutil
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import zarr
from numpy.typing import NDArray

from forecasts.schema import Floats, Forecast
from forecasts.store import run_name, sync, writing
from grids.clock import EPOCH
from pipeline.archive.layout import (
    ARCHIVE,
    LAYOUT,
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


def keep(forecast: Forecast, root: Path, made_at: datetime) -> None:
    """Put a forecast into the archive below ``root``; one of the same reference time is replaced.

    Values are written first, then what tells readers how many nights there are: they see a new
    night whole or not at all. Axes grow where it has more targets or hours. An archive of other
    cells, or one that cannot be read, is set aside, and a new one begun.
    """
    path = root / ARCHIVE
    with writing(root):
        _make_ready(path, forecast)
        group = open_archive(path, "r+")
        times, known = read(group, NIGHT), read(group, TARGET).tolist()
        at = _place(times, forecast.hours.start)
        targets = known + [name for name in forecast.target_names if name not in known]
        leads = np.arange(max(len(forecast.hours), len(read(group, LEAD))))
        written = np.flatnonzero(times != NO_NIGHT)  # a killed night may have left a place without
        nights = max(at, *written) + 1 if len(written) else at + 1
        stretch(group, {NIGHT: nights, LEAD: len(leads), TARGET: len(targets)})
        array(group, TARGET)[:] = np.array(targets, dtype=object)
        if read(group, LEAD)[-1] != leads[-1]:
            array(group, LEAD)[:] = leads
            array(group, "valid_time")[:] = read(group, NIGHT)[:, None] + leads
        _write(group, at, forecast, targets, made_at)
        for name in VALUES:  # new files: who is told of them must be able to read them
            for part in (path / name / "c" / str(at)).rglob("*"):
                sync(part)
        show(path)


def _make_ready(path: Path, forecast: Forecast) -> None:
    """See to it that at ``path`` lies an archive of the forecast's cells."""
    if path.exists():
        fault = _fault(path, forecast)
        if not fault:
            return
        name = f"forecasts-before-{run_name(forecast.reference_time)}"
        aside = path.with_name(f"{name}.zarr")
        while aside.exists():
            aside = path.with_name(f"{name}-{uuid4().hex[:8]}.zarr")
        _LOG.warning("%s %s: kept as %s, and begun anew", path, fault, aside.name)
        path.rename(aside)
    part = path.with_name(f".{path.name}")
    shutil.rmtree(part, ignore_errors=True)
    create_archive(part, forecast)
    part.rename(path)


def _fault(path: Path, forecast: Forecast) -> str:
    """Why an archive cannot take the forecast, blank where it can."""
    try:
        group = open_archive(path)
        for name in LAYOUT.keys() - VALUES.keys():
            read(group, name)
        if not np.array_equal(read(group, "cell_ids"), forecast.grid.cells):
            return "is of other cells"
    except Exception as fault:  # noqa: BLE001 - a lost disk block shows as whatever a codec raises
        return f"is damaged, or of another version ({type(fault).__name__}: {fault})"
    return ""


def _place(times: NDArray[np.int64], reference: int) -> int:
    """Where a night of this reference time (hours) stands, or may stand."""
    for wanted in (reference, NO_NIGHT):
        if len(found := np.flatnonzero(times == wanted)):
            return int(found[0])
    return len(times)


def _write(
    group: zarr.Group, at: int, forecast: Forecast, targets: list[str], made_at: datetime
) -> None:
    """A night without ``run_id`` is one that is being written: it is not scored."""
    array(group, "run_id")[at] = ""
    for name in ("scored_as_of", *SCORES):
        array(group, name)[at] = np.nan
    start, leads = forecast.hours.start, read(group, LEAD)
    for name in VALUES:
        shape = (len(leads), len(forecast.grid), len(targets))
        block = np.full(shape, np.nan, np.float32)
        for target in forecast.targets:
            values: Floats = getattr(target, name)
            block[: len(forecast.hours), :, targets.index(target.name)] = rounded(values).T
        array(group, name)[at] = block
    array(group, "valid_time")[at] = start + leads
    array(group, "model")[at] = forecast.model
    for name, instant in {"as_of": forecast.as_of, "made_at": made_at}.items():
        array(group, name)[at] = int((instant - EPOCH).total_seconds())
    array(group, NIGHT)[at] = start
    array(group, "run_id")[at] = forecast.run_id


def rounded(values: Floats) -> NDArray[np.float32]:
    """To KEPT_BITS behind the point, halves up: what is left compresses."""
    dropped = 23 - KEPT_BITS
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    bits = (bits + np.uint32(1 << (dropped - 1))) & np.uint32(2**32 - (1 << dropped))
    kept: NDArray[np.float32] = bits.view(np.float32)
    return kept
