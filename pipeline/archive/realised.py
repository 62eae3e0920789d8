"""How issued forecasts turned out, once what happened is known."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from forecasts import scores
from forecasts.store import writing
from grids.clock import EPOCH, HOUR
from grids.cube import CubeInfo, read_counts, read_info
from grids.hours import HourRange
from pipeline.archive.layout import (
    ARCHIVE,
    NIGHT,
    TARGET,
    array,
    open_archive,
    read,
)
from pipeline.cubing import read_state
from pipeline.delay import maturity, newest_report, reported_share
from pipeline.errors import DataError

HIT_AREA = 0.05  # of the area, for hit rates
_LOG = logging.getLogger(__name__)
Floats = NDArray[np.float64]
Targets = Mapping[str, tuple[str, ...]]


def score_nights(root: Path, store: Any, targets: Targets) -> list[datetime]:
    """Score every night of the archive that is mature and not scored; their reference times.

    A night is mature once the share of reports that training asks of its labels is in, by the
    delays as the cube knows them. What happened is what the cube counts, as known at its watermark.
    ``store``: of a session of the cube's; ``targets``: by name, the categories of each; nights keep
    nan for those that are not among them. Raises DataError for an archive of other cells.
    """
    path = root / ARCHIVE
    if not path.exists():
        return []
    happened = _Happened(store, read_info(store), targets)
    state = read_state(store)
    # Where deliveries have stopped, nothing is known of the days since.
    heard = newest_report(state.delay, state.as_of)
    if heard is None:
        return []
    wait = maturity(reported_share(state.delay, state.as_of))
    with writing(root):
        group = open_archive(path, "r+")
        if not np.array_equal(read(group, "cell_ids"), happened.info.grid.cells):
            raise DataError(
                f"{path} is of other cells than the cube: the next night sets it aside, and begins "
                "another"
            )
        return [_score(group, night, happened) for night in _mature(group, happened, heard - wait)]


@dataclass(frozen=True)
class _Happened:
    """What a cube counts. ``store``: of one commit of it."""

    store: Any
    info: CubeInfo
    targets: Targets

    @property
    def until(self) -> datetime:
        assert self.info.watermark is not None, "an archive has nights, and so has its cube"
        return self.info.watermark

    def of(self, hours: HourRange) -> dict[str, NDArray[np.int64]]:
        """(cell, hour) counts of every target."""
        counts, axis = read_counts(self.store, hours).astype(np.int64), self.info.categories
        return {
            target: counts[..., [axis.index(each) for each in groups]].sum(axis=2).T
            for target, groups in self.targets.items()
        }


@dataclass(frozen=True)
class _Night:
    """A night of an archive; ``expected``, ``baseline``: (hour, cell, target)."""

    at: int
    hours: HourRange
    expected: Floats
    baseline: Floats


def _mature(group: zarr.Group, happened: _Happened, until: datetime) -> Iterator[_Night]:
    """The nights to be scored: those that ended at or before ``until``."""
    done, runs, starts = (read(group, name) for name in ("scored_as_of", "run_id", NIGHT))
    first, last = happened.info.hours.start, int((until - EPOCH) / HOUR)
    nights = min(len(done), len(runs), len(starts))  # a killed night may have left some longer
    for at in range(nights):
        start = int(starts[at])
        if runs[at] and np.isnan(done[at]) and first <= start < last:
            night = _read_night(group, at, start)
            if night is not None and len(night.hours) <= last - start:
                yield night


def _read_night(group: zarr.Group, at: int, start: int) -> _Night | None:
    """What was issued for the hours from ``start`` on; None where it cannot be read, or has gaps.

    A block that the disk has lost is no reason to end other nights: it is told, and left unscored.
    """
    try:
        expected, baseline = (
            read(group, name, at).astype(np.float64) for name in ("expected", "baseline")
        )
    except Exception as fault:  # noqa: BLE001 - it shows as whatever a codec raises
        night = EPOCH + start * HOUR
        _LOG.warning(
            "%s: the night of %s is damaged (%s: %s) and not scored: issue it again with hexcast "
            "backfill --reprocess all",
            ARCHIVE, f"{night:%Y-%m-%d %H:%MZ}", type(fault).__name__, fault,
        )  # fmt: skip
        return None
    issued = np.flatnonzero(np.isfinite(expected[..., 0]).any(axis=1))
    count = len(issued)
    if not count or issued[-1] != count - 1:
        return None
    return _Night(at, HourRange(start, start + count), expected[:count], baseline[:count])


def _score(group: zarr.Group, night: _Night, happened: _Happened) -> datetime:
    """Write the scores of a night; its reference time."""
    counts = happened.of(night.hours)
    for place, target in enumerate(read(group, TARGET).tolist()):
        issued, baseline = (each[..., place].T for each in (night.expected, night.baseline))
        if target in counts and np.isfinite(issued).all():
            for name, score in scores_of(issued, baseline, counts[target]).items():
                array(group, name)[night.at, place] = score
    array(group, "scored_as_of")[night.at] = (happened.until - EPOCH).total_seconds()
    return EPOCH + night.hours.start * HOUR


def scores_of(issued: Floats, baseline: Floats, counts: NDArray[np.int64]) -> dict[str, float]:
    """SCORES of one target and night; all arrays (cell, hour)."""
    return {
        "incidents": float(counts.sum()),
        "expected_incidents": float(issued.sum()),
        "log_score": scores.poisson_log_score(issued, counts),
        "baseline_log_score": scores.poisson_log_score(baseline, counts),
        "hit_rate": scores.hit_rate(issued, counts, HIT_AREA),
        "baseline_hit_rate": scores.hit_rate(baseline, counts, HIT_AREA),
        "auc": scores.auc(issued, counts),
    }
