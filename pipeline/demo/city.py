"""The demo city: a made-up place with known hotspots, clocks, seasons and excitation.

The background is a cell's own rate x the city's hour of the week x the hour of the day of the
cell's type x season x a slow drift of the hotspots.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array

from grids.clock import EPOCH, HOUR, reference_hour
from grids.hexgrid import HexGrid
from grids.hours import HOURS_OF_WEEK, HourRange
from pipeline.demo.kinds import CATEGORIES, CELL_TYPES

MERIDIAN_TIME = ZoneInfo("America/Chicago")
_SELF_SHARE = 0.7  # of an incident's influence stays in its own cell
DRIFT_MEMORY_DAYS, DRIFT_SIZE = 150.0, 0.5  # e-folding time; of log-factors
_DRIFT_KNOT_DAYS = 30.0
_ALIKE = 1.5  # weight of the mean of a cell's neighbours
_KM_PER_DEGREE = 111.2


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
        keep = np.exp(-_DRIFT_KNOT_DAYS / DRIFT_MEMORY_DAYS)
        log = steps.copy()
        for knot in range(1, len(knots)):
            log[knot] = keep * log[knot - 1] + np.sqrt(1 - keep**2) * steps[knot]
        day = np.arange(self.days)
        below = (day // _DRIFT_KNOT_DAYS).astype(int)
        part = (day / _DRIFT_KNOT_DAYS - below)[:, None]
        between = (1 - part) * log[below] + part * log[below + 1]
        factor = np.exp(DRIFT_SIZE * between)
        # Averaged over all days the city keeps its incidents a day: only places gain and lose.
        return np.asarray(factor / (factor @ self.rates.sum(axis=1)).mean() * self.rates.sum())

    def _rough_and_smooth(self, noise: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, cell) standard normal noise made alike in neighbouring cells, still of size 1."""
        mixed = noise + _ALIKE * (self.grid.ring(1) @ noise.T).T
        return np.asarray(mixed / mixed.std(axis=1, keepdims=True))

    @property
    def alikeness(self) -> NDArray[np.float64]:
        """(cell, cell) correlation of the drift's log-factors."""
        mixing = np.eye(len(self.grid)) + _ALIKE * self.grid.ring(1).toarray()
        covariance = mixing @ mixing.T
        return np.asarray(covariance / np.diag(covariance).mean())

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
