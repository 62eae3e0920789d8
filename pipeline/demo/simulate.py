"""The demo city's incidents: a seeded self-exciting point process whose intensity is known.

The process is that of Mohler et al. (2011), "Self-Exciting Point Process Modeling of Crime", in
discrete time and space. The count of an hour, cell and category is Poisson with the intensity

    lambda(t) = background(t) + T(t),    T(t + 1) = rho * (T(t) + theta * W n(t)),

where ``n`` are the incidents, ``W`` shares each one's influence between its cell and the ring
around it, ``rho`` forgets over days, and ``theta`` is such that an incident has ``branching``
expected children. The background is ``DemoCity.background``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grids.clock import EPOCH, HOUR, reference_hour
from grids.hours import HourRange, times_to_hours
from pipeline.demo.city import DemoCity
from pipeline.demo.kinds import CATEGORIES, DELAY_MEANS_HOURS

UNFOUNDED = "UNFOUNDED"
_RECALL_HOURS = 60 * 24  # 20 e-foldings of the default memory


@dataclass(frozen=True, eq=False)
class Incidents:
    """The incidents that really happened, in order of their hours.

    ``hour``: (incident,) int64, hours since the epoch, UTC; ``cell``: int32, ``category``: int8,
    indices. ``integrated``: (cell, category) float64, the intensity summed over all hours.
    """

    hour: NDArray[np.int64]
    cell: NDArray[np.int32]
    category: NDArray[np.int8]
    integrated: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.hour)

    def counts(self, hours: HourRange) -> NDArray[np.int64]:
        """(cell, hour, category) incidents in ``hours``."""
        cells, categories = self.integrated.shape
        inside = (self.hour >= hours.start) & (self.hour < hours.stop)
        at = (self.cell[inside], self.hour[inside] - hours.start, self.category[inside])
        counts = np.zeros((cells, len(hours), categories), np.int64)
        np.add.at(counts, at, 1)
        return counts


def simulate(city: DemoCity) -> Incidents:
    """Draw the city's history hour by hour; it begins without any excitation."""
    rng = city.rng("incidents")
    shape = city.rates.shape
    trigger, integrated = np.zeros(shape), np.zeros(shape)
    drawn: list[tuple[int, NDArray[np.int64]]] = []
    for hour, background in city.each_background(city.hours):
        intensity = background + trigger
        integrated += intensity
        slots = _poisson_slots(rng, intensity)
        drawn.append((hour, slots))
        events = np.bincount(slots, minlength=intensity.size).reshape(shape)
        trigger = city.excite(trigger, events.astype(np.float64))
    hours = np.repeat([hour for hour, _ in drawn], [len(slots) for _, slots in drawn])
    cell, category = np.divmod(np.concatenate([slots for _, slots in drawn]), shape[1])
    return Incidents(hours, cell.astype(np.int32), category.astype(np.int8), integrated)


def _poisson_slots(rng: np.random.Generator, intensity: NDArray[np.float64]) -> NDArray[np.int64]:
    # Independent Poisson counts are a Poisson total, shared out in proportion: a handful of
    # draws an hour instead of thousands that are nearly all 0.
    edges = np.cumsum(intensity)
    points = np.sort(rng.random(rng.poisson(edges[-1]))) * edges[-1]
    return np.asarray(np.searchsorted(edges, points, side="right"), np.int64)


def hidden_share(city: DemoCity, hours: HourRange, cutoff: datetime) -> NDArray[np.float64]:
    """(hour, category) expected share of an hour's incidents that is not reported by ``cutoff``.

    Incidents fall evenly within their hour; of the part of an hour after the cutoff all is
    hidden. With S = 1 - F the survival of the delay, a mixture of exponentials, it is the
    integral of S(cutoff - u) over the hour.
    """
    since = (cutoff - EPOCH) / HOUR - hours.values
    longest, shortest = np.maximum(since, 0)[:, None], np.maximum(since - 1, 0)[:, None]
    means = DELAY_MEANS_HOURS * city.delay_scale
    waiting = -means * np.exp(-shortest / means) * np.expm1((shortest - longest) / means)
    weights = np.array([category.delays for category in CATEGORIES])
    return np.asarray(waiting @ weights.T + 1 - (longest - shortest))


def expected_given(
    city: DemoCity, versions: pd.DataFrame, cutoff: datetime, hours: HourRange
) -> NDArray[np.float64]:
    """The true process run forward from what was known at ``cutoff``: the best forecast there is.

    ``versions`` as from ``report_versions``; only rows with ``known_at <= cutoff`` are looked
    at, the latest of each report, without those known to be unfounded. Returns (cell, hour,
    category) float64, expected incidents.

    The mean is carried from 60 days back. An hour's known incidents excite as they are; beside
    them stand the expected hidden ones, lambda(s) x ``hidden_share``: those that occurred and are
    not yet reported, and from the cutoff on all of them. As the process is linear, that is its
    exact conditional mean, up to three things: what the hidden past could be inferred from
    offspring already seen, reports that will prove wrong (about 1.5 % unfounded, 3 % revised),
    and the hour's fault in times of the repeated autumn hour.

    Raises ValueError where ``hours`` begin before the cutoff or the cutoff before the city.
    """
    reference = reference_hour(cutoff)
    if not city.hours.start <= reference <= hours.start:
        raise ValueError(
            f"hours from {hours.start}, cutoff at {reference}, city from {city.hours.start}: "
            "a forecast begins at or after its cutoff, a cutoff at or after the city's start"
        )
    run = HourRange(max(city.hours.start, reference - _RECALL_HOURS), hours.stop)
    at, cell, category = _known_by_hour(versions, cutoff, run)
    hidden = hidden_share(city, run, cutoff)
    trigger = np.zeros(city.rates.shape)
    expected = np.empty((len(hours), *trigger.shape))
    for step, (hour, background) in enumerate(city.each_background(run)):
        intensity = background + trigger
        if hour >= hours.start:
            expected[hour - hours.start] = intensity
        events = hidden[step] * intensity
        seen = slice(at[step], at[step + 1])
        np.add.at(events, (cell[seen], category[seen]), 1.0)
        trigger = city.excite(trigger, events)
    return np.ascontiguousarray(expected.transpose(1, 0, 2))


def _known_by_hour(
    versions: pd.DataFrame, cutoff: datetime, run: HourRange
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Cells and categories in order of their hours, and where each hour of ``run`` begins."""
    known = versions[versions["known_at"] <= cutoff]
    known = known[known["occurred_at"] >= run.times[0]]
    known = known.sort_values("version", kind="stable").drop_duplicates("report_no", keep="last")
    known = known[known["status"] != UNFOUNDED]
    hour = times_to_hours(known["occurred_at"])
    order = np.argsort(hour, kind="stable")
    bounds = np.searchsorted(hour[order], np.arange(run.start, run.stop + 1))
    cell, category = (known[name].to_numpy(np.int64)[order] for name in ("cell", "category"))
    return bounds, cell, category
