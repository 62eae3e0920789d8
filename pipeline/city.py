"""What every night of a city shares, made from its configuration and its store's axes."""

from __future__ import annotations

from grids.cube import CubeInfo
from pipeline.config import Config
from pipeline.context.calendar import Calendar
from pipeline.context.config import CalendarConfig
from pipeline.context.context import Context
from pipeline.context.reading import read_table
from pipeline.night import Place
from pipeline.replay import City
from pipeline.state import StateSpec


def make_city(config: Config, info: CubeInfo) -> City:
    """The city of a configuration and of the cube that its store holds; reads its tables.

    Raises MissingInputError and DataError, for tables that are not there or of no use.
    """
    spec = StateSpec(len(info.grid), len(info.categories), info.hours.start, config.zone)
    return City(
        spec, Place.of(info.grid), info.grid.cells, config.horizon_days, _context(config, info)
    )


def _context(config: Config, info: CubeInfo) -> Context:
    calendar = make_calendar(config.calendar, config.timezone, info) if config.calendar else None
    return Context(calendar, tuple(read_table(table, info.grid) for table in config.tables))


def make_calendar(named: CalendarConfig, timezone: str, info: CubeInfo) -> Calendar:
    """The calendar of a city; the sun is that of the grid's middle."""
    lat, lon = info.grid.centroids
    middle = float(lat.min() + lat.max()) / 2, float(lon.min() + lon.max()) / 2
    return Calendar(named.country_in(timezone), named.subdivision, *middle)
