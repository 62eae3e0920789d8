"""How the issued forecasts of many nights turned out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from forecasts.bootstrap import LEAST_NIGHTS, interval
from forecasts.scores import NAN, information_gain
from pipeline.archive.layout import ARCHIVE, NIGHT, SCORES, TARGET, read

Floats = NDArray[np.float64]
DAY = 86_400  # seconds


@dataclass(frozen=True)
class Realised:
    """How one target's issued forecasts turned out over some nights.

    ``gain``: over the best baseline, nats per incident, with its 95 % interval (nan for fewer than
    two weeks). ``hit_rate``s: of the incidents of all nights.
    """

    target: str
    nights: int
    incidents: int
    expected: float
    gain: float
    gain_low: float
    gain_high: float
    hit_rate: float
    baseline_hit_rate: float


@dataclass(frozen=True)
class Summary:
    """Nights of an archive, how many of them were made a day or more after their cutoff, how many
    are scored, and the targets' newest scored nights.
    """

    kept: int
    hindcasts: int
    scored: int
    targets: tuple[Realised, ...]


def summarize(root: Path, last: int) -> Summary:
    """The archive below ``root``; of its scored nights the newest ``last``."""
    # As readers see it, whatever is being written.
    group = zarr.open_group(root / ARCHIVE, mode="r")
    times = read(group, NIGHT)
    scored = np.isfinite(read(group, "scored_as_of"))
    chosen = np.flatnonzero(scored)[np.argsort(times[scored])][-last:]
    values = {name: read(group, name)[chosen] for name in SCORES}
    found = [
        _realised(target, {name: each[:, place] for name, each in values.items()})
        for place, target in enumerate(read(group, TARGET).tolist())
    ]
    there = tuple(each for each in found if each.nights)
    late = read(group, "made_at") - read(group, "as_of") >= DAY
    return Summary(len(times), int(late.sum()), int(scored.sum()), there)


def _per_incident(sums: Floats) -> Floats:
    """(draw, 2) gains and incidents to gains per incident, nan where there are none."""
    gain, incidents = sums[..., 0], sums[..., 1]
    return np.divide(gain, incidents, out=np.full_like(gain, NAN), where=incidents > 0)


def _realised(target: str, values: Mapping[str, Floats]) -> Realised:
    there = np.isfinite(values["incidents"])
    night = {name: each[there] for name, each in values.items()}
    incidents, ahead = night["incidents"], night["log_score"] - night["baseline_log_score"]
    low = high = NAN
    if there.sum() >= LEAST_NIGHTS and incidents.any():
        sums = np.column_stack([ahead, incidents])
        low, high = map(float, interval(sums, _per_incident))
    total = incidents.sum()
    hits = {
        name: float(np.nansum(night[name] * incidents) / total) if total else NAN
        for name in ("hit_rate", "baseline_hit_rate")
    }
    return Realised(
        target=target,
        nights=int(there.sum()),
        incidents=int(total),
        expected=float(night["expected_incidents"].sum()),
        gain=information_gain(float(ahead.sum()), 0.0, int(total)),
        gain_low=low,
        gain_high=high,
        **hits,
    )
