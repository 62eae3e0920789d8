"""Sums from which every score of a backtest follows, kept by night so that nights can be resampled.

Nothing here is a score: scores are ratios and differences of these sums, taken in
`pipeline.backtest.summary`. A forecast itself is not kept: 6,000 cells x 24 hours x 10 rivals a
night would be gigabytes.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Of the plot of hits against area; those of the scores, AREA_SHARES, are among them.
CURVE_SHARES = (
    *(0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.125, 0.15),
    *(0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 1.0),
)
# Rates are sorted into bins a hundredth wide: AUC and average precision take rates within a bin
# for equal. The first bin holds all that is smaller, 0 included, the last all that is larger.
RATE_BINS = 2000
LOWEST_RATE, HIGHEST_RATE = 1e-8, 10.0
DECILES = 10
SCALES = ("hour", "night")  # an area can be chosen anew every hour, or once for the night
SCOPES = ("district x shift", "city x hour")  # of the sums whose intervals are held to counts
TALLY_FORM = 2  # another number for other sums: units of another form are not read


@dataclass(frozen=True, eq=False)
class Tallies:
    """Sums of one target over some nights; every array's first axis is the night or the chunk.

    A chunk is what one task worked on, up to seven nights. ``lead``: hours from the reference
    time, as many as the longest night has; a shorter one is 0 there, and ``hour_of_day`` -1.
    Horizons of several days hold an hour several times: deciles, districts and ``covered`` are of
    the ``first_day`` leads alone, so that an hour is in them once.
    ``log_score`` is Poisson's, in nats; ``divergence`` what it is ahead of the reference's on
    average where the forecast is true. ``bins``: cell-hours by expected count (see RATE_BINS),
    with incidents (0) and without (1). ``covered``: sums whose count lay below (0), in (1) and
    above (2) their 90 % interval around what is issued, which the law is of; all 0 where there is
    none. ``within_*``: pairs of two hours of one cell, one with incidents and one without, both
    within the chunk (a week, so that a pair can differ in day as in hour), and how many of them
    were ranked rightly; equal ones count half.
    """

    nights: Ints  # (night,) cutoffs, seconds since the epoch
    first_day: Ints  # (night,) leads up to the next cutoff
    hour_of_day: Ints  # (night, lead)
    cell_hours: Ints  # (night,)
    incidents: Ints  # (night, lead)
    most: Ints  # (night, SCALES, CURVE_SHARES): most incidents that as many cells can have held
    district_observed: Ints  # (night, district)
    log_score: Floats  # (night, rival, lead)
    expected: Floats  # (night, rival, lead)
    divergence: Floats  # (night, rival)
    squared_error: Floats  # (night, rival): of the probability of at least one incident
    hits: Ints  # (night, rival, SCALES, CURVE_SHARES): incidents in the hottest share of the area
    decile_expected: Floats  # (night, rival, decile of the night's rate)
    decile_observed: Ints
    district_expected: Floats  # (night, rival, district)
    bins: Ints  # (night, rival, 2, RATE_BINS)
    covered: Ints  # (night, SCOPES, 3)
    chunk_first: Ints  # (chunk,) cutoff of its first night, as in nights
    within_right: Floats  # (chunk, rival)
    within_pairs: Ints  # (chunk,)
    cell_log_score: Floats  # (chunk, rival, cell), kept as float32
    cell_incidents: Ints  # (chunk, cell)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def join(parts: Sequence[Tallies]) -> Tallies:
    """The tallies of several chunks as one, in their order."""
    names = [f.name for f in fields(Tallies)]
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Tallies(**arrays)


@dataclass(frozen=True)
class Unit:
    """What one task hands back: the tallies of a chunk by target, and the seconds that it took.

    ``rivals``: names on the rival axis, the same for every target.
    """

    rivals: tuple[str, ...]
    targets: Mapping[str, Tallies]
    seconds: float


def to_bytes(unit: Unit) -> bytes:
    """A unit as a compressed .npz, integers as short as they can be."""
    arrays: dict[str, Any] = {"rivals": np.array(unit.rivals), "seconds": np.array(unit.seconds)}
    for target, tallies in unit.targets.items():
        for name, values in tallies.arrays().items():
            arrays[f"{target}.{name}"] = _shortened(name, values)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _shortened(name: str, values: NDArray[Any]) -> NDArray[Any]:
    if name == "cell_log_score":
        return values.astype(np.float32)
    if values.dtype.kind == "i" and values.size:
        return values.astype(
            np.promote_types(*map(np.min_scalar_type, (values.min(), values.max())))
        )
    return values


def from_bytes(content: bytes, targets: Sequence[str]) -> Unit:
    """The inverse of ``to_bytes``."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        found = {}
        for target in targets:
            names = {f.name: str(f.type) for f in fields(Tallies)}
            kinds = {"Ints": np.int64, "Floats": np.float64}
            values = {n: arrays[f"{target}.{n}"].astype(kinds[k]) for n, k in names.items()}
            found[target] = Tallies(**values)
        return Unit(tuple(arrays["rivals"].tolist()), found, float(arrays["seconds"]))
