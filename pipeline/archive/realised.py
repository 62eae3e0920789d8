"""How issued forecasts turned out, once what happened is known."""

from __future__ import annotations

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
        wanted = list(_mature(group, happened, heard - wait))
        for at, hours in wanted:
            _score(group, at, hours, happened)
    return [EPOCH + hours.start * HOUR for _, hours in wanted]


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


def _mature(
    group: zarr.Group, happened: _Happened, until: datetime
) -> Iterator[tuple[int, HourRange]]:
    """Place and hours of the nights to be scored: those that ended at or before ``until``."""
    done, runs, starts = (read(group, name) for name in ("scored_as_of", "run_id", NIGHT))
    first, last = happened.info.hours.start, int((until - EPOCH) / HOUR)
    nights = min(len(done), len(runs), len(starts))  # a killed night may have left some longer
    for at in range(nights):
        start = int(starts[at])
        if runs[at] and np.isnan(done[at]) and first <= start < last:
            issued = np.isfinite(read(group, "expected", np.s_[at, :, 0])).any(axis=1)
            hours = HourRange(start, start + int(issued.sum()))
            if issued[: len(hours)].all() and 0 < len(hours) <= last - start:
                yield at, hours


def _score(group: zarr.Group, at: int, hours: HourRange, happened: _Happened) -> None:
    counts = happened.of(hours)
    night = np.s_[at, : len(hours)]
    expected, baseline = (
        read(group, name, night).astype(np.float64) for name in ("expected", "baseline")
    )
    for place, target in enumerate(read(group, TARGET).tolist()):
        issued = expected[..., place].T
        if target in counts and np.isfinite(issued).all():
            for name, score in scores_of(issued, baseline[..., place].T, counts[target]).items():
                array(group, name)[at, place] = score
    array(group, "scored_as_of")[at] = (happened.until - EPOCH).total_seconds()


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
