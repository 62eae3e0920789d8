"""Small forecasts to write, draw and check."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from forecasts.counting import POISSON, CountLaw, CountLaws
from forecasts.schema import Forecast, TargetForecast, counted_target
from forecasts.shifts import Shift
from grids.hexgrid import HexGrid
from grids.hours import horizon

DENVER = ZoneInfo("America/Denver")
GRID = HexGrid.from_extent(-104.99, 39.73, -104.97, 39.75, 9)
SHIFTS = (
    Shift.parse("day", "06:00-14:00"),
    Shift.parse("evening", "14:00-22:00"),
    Shift.parse("night", "22:00-06:00"),
)
PLACES = tuple("West End" if lon < -104.98 else "Five Points" for lon in GRID.centroids[1])


def counted(name, expected, baseline, issued, law: CountLaw = POISSON) -> TargetForecast:
    """A target that follows one law, and has in the long run what it is forecast to have."""
    yearly = np.asarray(expected).mean(axis=1) * 8766
    laws = CountLaws(cell_hour=law, district_shift=law)
    return counted_target(name, expected, baseline, yearly, issued, laws)


def tiny_forecast(
    as_of: datetime = datetime(2024, 9, 1, 6, tzinfo=UTC),
    names: tuple[str, ...] = ("all", "violent"),
) -> Forecast:
    """A seeded forecast of a few dozen cells from ``as_of`` to the next local day, same hour."""
    hours = horizon(as_of, DENVER)
    rng = np.random.default_rng(7)
    shape = (len(GRID), len(hours))
    issued = ("xgboost 2024-09-01T06:00Z", "baseline blend")
    targets = tuple(
        counted(name, rng.gamma(0.5, 0.4, shape), rng.gamma(0.5, 0.4, shape), issued[i % 2])
        for i, name in enumerate(names)
    )
    return Forecast(
        "denver-20240901T0600Z-abc123", as_of, hours, DENVER, GRID, targets, SHIFTS, 0.05, PLACES
    )
