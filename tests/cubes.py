"""Small cubes with nights in them, made without a pipeline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import xarray as xr

from grids.counts import Events, net_changes
from grids.cube import amend, create_cube, extend_hours, hour_of, read_info, set_attributes
from grids.hexgrid import HexGrid
from grids.snapshots import BRANCH, open_repository, tag_of

GRID = HexGrid.from_extent(-105.0, 39.70, -104.96, 39.73, 8)
CATEGORIES = ("violent", "property")
PER_NIGHT = 400
FIRST = datetime(2024, 9, 1, 6, tzinfo=UTC)


def cutoff(day: float) -> datetime:
    """The cutoff of the night so many days after the first."""
    return FIRST + timedelta(days=day)


def begin(path: str) -> None:
    """A cube without nights, as a store has between its first ingestion and its first night."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    create_cube(open_repository(path), GRID, CATEGORIES, hour_of(FIRST) - 24, {"city": "small"})


def add_nights(path: str, days: list[float], named: bool = True) -> None:
    """A night each: the axis grows to its cutoff, and PER_NIGHT more incidents are known."""
    repository = open_repository(path)
    for day in days:
        session, at = repository.writable_session(BRANCH), cutoff(day)
        number = nights_in(session.store)
        extend_hours(session.store, hour_of(at))
        amend(session.store, net_changes(_late_reports(number), len(GRID), len(CATEGORIES)))
        set_attributes(session.store, {"watermark": at.isoformat(), "nights": number + 1})
        snapshot = session.commit(tag_of(at))
        if named:
            repository.create_tag(tag_of(at), snapshot_id=snapshot)


def _late_reports(night: int) -> Events:
    """Incidents of the first day, enough of them that a shard is a file of its own."""
    rng = np.random.default_rng(night)
    return Events(
        hour_of(FIRST) - 24 + rng.integers(0, 24, PER_NIGHT),
        rng.integers(0, len(GRID), PER_NIGHT, dtype=np.int32),
        rng.integers(0, len(CATEGORIES), PER_NIGHT, dtype=np.int8),
        np.ones(PER_NIGHT, np.int8),
    )


def nights_in(store: object) -> int:
    """How many nights the cube in a session's store has seen."""
    return int(read_info(store).attributes.get("nights", 0))


def is_whole(cube: xr.Dataset) -> bool:
    """Whether a cube holds as many incidents, and as many hours, as its own record says."""
    incidents = cube.attrs["nights"] * PER_NIGHT
    hours = hour_of(datetime.fromisoformat(cube.attrs["watermark"])) - (hour_of(FIRST) - 24)
    return int(cube["counts"].sum()) == incidents and cube.sizes["time"] == hours
