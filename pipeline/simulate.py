"""The demo city: a seeded self-exciting point process whose true intensity is known.

The process is that of Mohler et al. (2011), "Self-Exciting Point Process Modeling of Crime", in
discrete time and space. The count of an hour, cell and category is Poisson with the intensity

    lambda(t) = background(t) + T(t),    T(t + 1) = rho * (T(t) + theta * W n(t)),

where ``n`` are the incidents, ``W`` shares each one's influence between its cell and the ring
around it, ``rho`` forgets over days, and ``theta`` is such that an incident has ``branching``
expected children. The background is a cell's own rate x the city's hour of the week x the hour of
the day of the cell's type x season x a slow drift of the hotspots.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array

from grids.hexgrid import HexGrid
from grids.hours import EPOCH, HOUR, HOURS_OF_WEEK, HourRange, reference_hour, times_to_hours

MERIDIAN_TIME = ZoneInfo("America/Chicago")
UNFOUNDED = "UNFOUNDED"
DELAY_MEANS_HOURS = np.array([3.0, 30.0, 336.0])
_RECALL_HOURS = 60 * 24  # 20 e-foldings of the default memory
_SELF_SHARE = 0.7  # of an incident's influence stays in its own cell
_DRIFT_KNOT_DAYS, _DRIFT_MEMORY_DAYS, _DRIFT_SIZE = 30.0, 150.0, 0.5
_KM_PER_DEGREE = 111.2


@dataclass(frozen=True)
class CellType:
    """How the places of one kind live through the day; ``swing`` is a log amplitude."""

    name: str
    peak_hour: float
    swing: float


@dataclass(frozen=True)
class Category:
    """One offence category of the demo city.

    ``share`` of all incidents; ``swing``, ``weekend`` (Friday 18:00 to Sunday 04:00) and
    ``summer`` are log amplitudes; ``affinity`` weighs the cell types; ``delays`` weighs the
    exponential reporting delays with ``DELAY_MEANS_HOURS``; ``window`` is the share with a last
    possible time; ``arrest`` the share with an arrest.
    """

    name: str
    group: str
    share: float
    peak_hour: float
    swing: float
    weekend: float
    summer: float
    affinity: tuple[float, float, float, float]
    delays: tuple[float, float, float]
    window: float
    arrest: float


CELL_TYPES = (
    CellType("downtown", 13, 0.6),
    CellType("nightlife", 0.5, 1.0),
    CellType("retail", 16, 0.8),
    CellType("residential", 20, 0.3),
)
# fmt: off
CATEGORIES = tuple(Category(*row) for row in (
    # name, group, share, peak, swing, weekend, summer, affinity, delays, window, arrest
    ("ASSAULT", "violent", 0.16, 21, 0.5, 0.35, 0.15, (3, 6, 1.5, 1), (0.85, 0.12, 0.03), 0, 0.35),
    ("ROBBERY", "violent", 0.06, 22, 0.6, 0.15, 0.05, (4, 4, 2, 1), (0.92, 0.07, 0.01), 0, 0.2),
    ("THEFT", "property", 0.33, 15, 0.5, -0.1, 0.1, (4, 2, 5, 1), (0.5, 0.38, 0.12), 0.4, 0.08),
    ("BURGLARY", "property", 0.1, 11, 0.3, -0.1, 0.1, (1, 1, 2, 1.2), (0.5, 0.4, 0.1), 0.45, 0.06),
    ("VEHICLE THEFT", "property", 0.15, 22, 0.3, 0, 0.1, (2, 3, 2, 1), (0.6, 0.3, 0.1), 0.4, 0.05),
    ("VANDALISM", "other", 0.14, 23, 0.4, 0.15, 0.15, (2, 3, 1, 1), (0.45, 0.37, 0.18), 0.2, 0.04),
    ("DRUG OFFENSE", "police_initiated", 0.06, 17, 0.4, 0, 0, (5, 4, 1, 1), (1, 0, 0), 0, 0.9),
))
# fmt: on


@dataclass(frozen=True)
class DemoCity:
    """Meridian, a made-up city on real farmland; the seed settles its shape, places and history.

    ``start`` is aware and on the hour; ``days`` are of 24 hours. ``memory_days`` is the e-folding
    time of the excitation, ``branching`` the expected children of an incident, ``delay_scale`` a
    factor on all reporting delays. A cell is an index into ``grid``, a category one into
    ``categories``.
    """

    name: str = "Meridian"
    seed: int = 9
    start: datetime = datetime(2023, 1, 1, 6, tzinfo=UTC)  # local midnight
    days: int = 1096
    resolution: int = 9
    timezone: ZoneInfo = MERIDIAN_TIME
    latitude: float = 42.385
    longitude: float = -94.92
    radius_km: float = 4.6
    incidents_per_day: float = 90.0
    branching: float = 0.25
    memory_days: float = 3.0
    delay_scale: float = 1.0

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or (self.start - EPOCH) % HOUR:
            raise ValueError(f"start {self.start}: give an aware time on the full hour")
        if not 0 <= self.branching < 1:
            raise ValueError(f"branching {self.branching}: the process explodes, use [0, 1)")
        if min(self.days, self.radius_km, self.incidents_per_day, self.memory_days) <= 0:
            raise ValueError("days, radius_km, incidents_per_day and memory_days must be positive")
        if self.delay_scale <= 0:
            raise ValueError(f"delay_scale {self.delay_scale}: use a small one for no delay")

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the offences, in the order of every category axis."""
        return tuple(category.name for category in CATEGORIES)

    @property
    def hours(self) -> HourRange:
        """The simulated hours, UTC."""
        first = reference_hour(self.start)
        return HourRange(first, first + 24 * self.days)

    def rng(self, subject: str) -> np.random.Generator:
        """The random stream of one subject, so that a change to one leaves the others alone."""
        return np.random.default_rng([self.seed, *subject.encode()])

    @cached_property
    def boundary(self) -> shapely.Polygon:
        """An irregular outline, EPSG:4326, longitude first, rounded to about a decimetre."""
        rng = self.rng("boundary")
        angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        waves = np.arange(2, 7)
        phase = rng.uniform(0, 2 * np.pi, len(waves))
        ripple = (0.25 / waves * np.cos(np.outer(angle, waves) + phase)).sum(axis=1)
        radius = self.radius_km * (1 + ripple)
        lon = self.longitude + radius * np.cos(angle) / self._km_per_degree_of_longitude
        lat = self.latitude + radius * np.sin(angle) / _KM_PER_DEGREE
        return shapely.Polygon(np.column_stack([lon, lat]).round(6))

    @cached_property
    def grid(self) -> HexGrid:
        """Every cell that overlaps the boundary: the cells that hold the incidents."""
        return HexGrid.from_polygon(self.boundary, self.resolution)

    @property
    def _km_per_degree_of_longitude(self) -> float:
        return float(_KM_PER_DEGREE * np.cos(np.radians(self.latitude)))

    @cached_property
    def offsets_km(self) -> NDArray[np.float64]:
        """(cell, 2) kilometres east and north of the centre."""
        lat, lon = self.grid.centroids
        east = (lon - self.longitude) * self._km_per_degree_of_longitude
        return np.column_stack([east, (lat - self.latitude) * _KM_PER_DEGREE])

    @cached_property
    def cell_types(self) -> NDArray[np.int8]:
        """(cell,) index into ``CELL_TYPES``: a centre, strips of bars, shops, homes between."""
        rng = self.rng("cell types")
        types = np.full(len(self.grid), 3, np.int8)
        for kind, places, reach in ((2, 5, 0.12), (1, 3, 0.14), (0, 1, 0.2)):
            angle = rng.uniform(0, 2 * np.pi, places)
            away = np.where(kind == 0, 0.0, rng.uniform(0.3, 0.75, places)) * self.radius_km
            centres = np.column_stack([away * np.cos(angle), away * np.sin(angle)])
            apart = np.linalg.norm(self.offsets_km[:, None] - centres, axis=2)
            types[apart.min(axis=1) < reach * self.radius_km] = kind
            types[apart.argmin(axis=0)] = kind  # at least one cell each in a tiny city
        return types

    @cached_property
    def rates(self) -> NDArray[np.float64]:
        """(cell, category) mean background, incidents per hour."""
        rng = self.rng("rates")
        shared = self._rough_and_smooth(rng.standard_normal((1, len(self.grid))))[0]
        own = rng.standard_normal((len(self.grid), len(CATEGORIES)))
        affinity = np.array([category.affinity for category in CATEGORIES]).T[self.cell_types]
        weights = affinity * np.exp(1.0 * shared[:, None] + 0.5 * own)
        share = np.array([category.share for category in CATEGORIES])
        per_hour = self.incidents_per_day / 24 * (1 - self.branching) * share / share.sum()
        return np.asarray(per_hour * weights / weights.sum(axis=0))

    @cached_property
    def clock(self) -> NDArray[np.float64]:
        """(hour of week, cell type, category) factors by the local clock, each of mean 1."""
        hour = np.arange(HOURS_OF_WEEK)[:, None, None]
        types = [(kind.peak_hour, kind.swing) for kind in CELL_TYPES]
        peak, swing = np.array(types).T[:, None, :, None]
        city = [(kind.peak_hour, kind.swing, kind.weekend) for kind in CATEGORIES]
        city_peak, city_swing, weekend = np.array(city).T[:, None, None, :]
        log = swing * np.cos(2 * np.pi * (hour - peak) / 24)
        log = log + city_swing * np.cos(2 * np.pi * (hour - city_peak) / 24)
        log = log + weekend * ((hour >= 4 * 24 + 18) & (hour < 6 * 24 + 4))
        return np.asarray(np.exp(log) / np.exp(log).mean(axis=0))

    @cached_property
    def _clocked_rates(self) -> NDArray[np.float64]:
        return self.rates * self.clock[:, self.cell_types, :]

    @cached_property
    def drift(self) -> NDArray[np.float64]:
        """(day, cell) factor: hotspots rise and fade over months, neighbours together."""
        knots = np.arange(0, self.days + _DRIFT_KNOT_DAYS, _DRIFT_KNOT_DAYS)
        noise = self.rng("drift").standard_normal((len(knots), len(self.grid)))
        steps = self._rough_and_smooth(noise)
        keep = np.exp(-_DRIFT_KNOT_DAYS / _DRIFT_MEMORY_DAYS)
        log = steps.copy()
        for knot in range(1, len(knots)):
            log[knot] = keep * log[knot - 1] + np.sqrt(1 - keep**2) * steps[knot]
        day = np.arange(self.days)
        below = (day // _DRIFT_KNOT_DAYS).astype(int)
        part = (day / _DRIFT_KNOT_DAYS - below)[:, None]
        between = (1 - part) * log[below] + part * log[below + 1]
        factor = np.exp(_DRIFT_SIZE * between)
        # Averaged over all days the city keeps its incidents a day: only places gain and lose.
        return np.asarray(factor / (factor @ self.rates.sum(axis=1)).mean() * self.rates.sum())

    def _rough_and_smooth(self, noise: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, cell) standard normal noise made alike in neighbouring cells, still of size 1."""
        mixed = noise + 1.5 * (self.grid.ring(1) @ noise.T).T
        return np.asarray(mixed / mixed.std(axis=1, keepdims=True))

    @cached_property
    def kernel(self) -> csr_array:
        """(cell, cell) theta * W: the column of a cell is what an incident there sends out.

        Columns of W sum to 1 at the border, too, so that every incident has ``branching``
        expected children: theta * (rho + rho**2 + ...) = branching.
        """
        around = self.grid.ring(1).T
        spread = _SELF_SHARE * eye_array(len(self.grid)) + (1 - _SELF_SHARE) * around
        scale = self.branching * (1 - self._rho) / self._rho
        return csr_array(scale * spread)

    @property
    def _rho(self) -> float:
        return float(np.exp(-1 / (24 * self.memory_days)))

    def background(self, hours: HourRange) -> NDArray[np.float64]:
        """(hour, cell, category) expected incidents an hour without any excitation.

        The drift holds still after the last simulated day. Raises ValueError for hours before
        the city's start.
        """
        if hours.start < self.hours.start:
            raise ValueError(f"hour {hours.start} is before the city's first, {self.hours.start}")
        day = (hours.values - self.hours.start) // 24
        drift = self.drift[np.minimum(day, self.days - 1)]
        year = 2 * np.pi * (hours.values / 24 - 196) / 365.2425  # 1970-01-01 + 196 d: mid July
        summer = np.array([category.summer for category in CATEGORIES])
        season = np.exp(np.cos(year)[:, None] * summer)
        rates = self._clocked_rates[hours.hours_of_week(self.timezone)]
        return np.asarray(rates * drift[:, :, None] * season[:, None, :])

    def each_background(self, hours: HourRange) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Every hour with its (cell, category) background, made a day at a time."""
        for start in range(hours.start, hours.stop, 24):
            block = HourRange(start, min(start + 24, hours.stop))
            yield from zip(block, self.background(block), strict=True)

    def excite(
        self, trigger: NDArray[np.float64], events: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """T of the next hour from T and the incidents of this one, all (cell, category)."""
        return np.asarray(self._rho * (trigger + self.kernel @ events))


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
