"""How issued forecasts turned out, once what happened is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import zarr
from numpy.typing import NDArray

from forecasts import scores
from forecasts.store import writing
from grids.clock import EPOCH, HOUR
from grids.cube import CubeInfo, read_counts, read_info
from grids.hours import HourRange
from grids.snapshots import BRANCH
from pipeline.archive.layout import (
    ARCHIVE,
    LEAD,
    NIGHT,
    TARGET,
    array,
    open_archive,
    read,
)
from pipeline.cubing import read_state
from pipeline.delay import maturity, reported_share

HIT_AREA = 0.05  # of the area, for hit rates
Floats = NDArray[np.float64]
Targets = Mapping[str, tuple[str, ...]]


def score_nights(root: Path, repository: icechunk.Repository, targets: Targets) -> list[datetime]:
    """Score every night of the archive that is mature and not scored; their reference times.

    A night is mature once the share of reports that training asks of its labels is in, by the
    delays as the cube knows them. What happened is what the cube counts, as known at its watermark.
    ``targets``: by name, the categories of each; nights keep nan for those that are not among them.
    """
    path = root / ARCHIVE
    if not path.exists():
        return []
    store = repository.readonly_session(BRANCH).store
    happened = _Happened(store, read_info(store), targets)
    wait = maturity(reported_share(read_state(store).delay, happened.until))
    with writing(root):
        group = open_archive(path, "r+")
        wanted = list(_mature(group, happened, wait))
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
    group: zarr.Group, happened: _Happened, wait: timedelta
) -> Iterator[tuple[int, HourRange]]:
    """Place and hours of the nights to be scored; until their last hour is ``wait`` old."""
    starts, done = read(group, NIGHT), read(group, "scored_as_of")
    last = int((happened.until - wait - EPOCH) / HOUR) - array(group, LEAD).shape[0]
    first = happened.info.hours.start
    for at in np.flatnonzero(np.isnan(done) & (first <= starts) & (starts <= last)).tolist():
        issued = np.isfinite(read(group, "expected", np.s_[at, :, 0])).any(axis=1)
        yield at, HourRange(int(starts[at]), int(starts[at]) + int(issued.sum()))


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
