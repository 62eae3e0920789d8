"""The cube: counts (time, cell, category) in Zarr v3, in an Icechunk store that commits at once.

Readers see the last commit and nothing of a night that is being written. One process commits;
workers write whole shards through forks of its session.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import icechunk
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.buffer import default_buffer_prototype
from zarr.codecs import ZstdCodec
from zarr.core.sync import sync

from grids.clock import EPOCH
from grids.counts import SparseCounts, checked_counts
from grids.hexgrid import HexGrid
from grids.hours import HourRange
from grids.shards import SHARD_HOURS, ZSTD_LEVEL, chunk_of, encode_shard
from grids.snapshots import BRANCH, open_night

if TYPE_CHECKING:
    import xarray as xr

_TIME_UNITS = {"units": "hours since 1970-01-01T00:00:00Z", "calendar": "proleptic_gregorian"}


@dataclass(frozen=True)
class CubeInfo:
    """What a cube is made of; read from the store's own metadata."""

    grid: HexGrid
    categories: tuple[str, ...]
    hours: HourRange
    attributes: dict[str, Any]

    @property
    def watermark(self) -> datetime | None:
        """The cutoff up to which the cube has what was known, or None before its first night."""
        text = self.attributes.get("watermark")
        return datetime.fromisoformat(text) if text else None


def create_cube(
    repository: icechunk.Repository,
    grid: HexGrid,
    categories: tuple[str, ...],
    start: int,
    attributes: dict[str, Any],
) -> None:
    """An empty cube that begins at hour ``start``; its grid and categories are frozen with it.

    It takes the place of any other in the repository.
    """
    session = repository.writable_session(BRANCH)
    group = zarr.create_group(session.store, overwrite=True, attributes=_conventions() | attributes)
    chunk = chunk_of(len(grid))
    group.create_array(
        "counts",
        shape=(0, len(grid), len(categories)),
        chunks=(SHARD_HOURS, chunk, len(categories)),
        shards=(SHARD_HOURS, chunk * -(-len(grid) // chunk), len(categories)),
        dtype="uint16",
        fill_value=0,
        compressors=ZstdCodec(level=ZSTD_LEVEL),
        dimension_names=("time", "cell", "category"),
        attributes={"long_name": "incidents", "units": "1", "coordinates": "cell_ids"},
        config={"write_empty_chunks": False},
    )
    time = group.create_array(
        "time", shape=(0,), chunks=(2**16,), dtype="int64", dimension_names=("time",)
    )
    time.attrs.update(_TIME_UNITS | {"standard_name": "time", "long_name": "start of the hour"})
    cells = group.create_array(
        "cell_ids",
        shape=(len(grid),),
        chunks=(len(grid),),
        dtype="uint64",
        dimension_names=("cell",),
    )
    cells[:] = grid.cells
    cells.attrs.update(grid.to_dict())
    _write_categories(group, categories)
    group.attrs["start"] = start
    session.commit("create the cube")


def _conventions() -> dict[str, Any]:
    return {
        "Conventions": "CF-1.11",
        "title": "incidents per H3 cell, hour and category",
        "dggs": {"name": "h3", "coordinate": "cell_ids", "spatial_dimension": "cell"},
    }


def _write_categories(group: zarr.Group, categories: tuple[str, ...]) -> None:
    """CF flags: numbers with their meanings, since Zarr v3 has no settled text type."""
    axis = group.create_array(
        "category",
        shape=(len(categories),),
        chunks=(len(categories),),
        dtype="int8",
        dimension_names=("category",),
    )
    axis[:] = np.arange(len(categories), dtype=np.int8)
    axis.attrs["flag_values"] = list(range(len(categories)))
    axis.attrs["flag_meanings"] = " ".join(categories)


def read_info(store: Any) -> CubeInfo:
    """Grid, categories, hours and attributes of the cube in a session's store."""
    group = zarr.open_group(store, mode="r")
    cells, counts = _array(group, "cell_ids"), _array(group, "counts")
    grid = HexGrid.from_dict(dict(cells.attrs), np.asarray(cells[:]))
    categories = tuple(str(_array(group, "category").attrs["flag_meanings"]).split(" "))
    start = int(str(group.attrs["start"]))
    hours = HourRange(start, start + counts.shape[0])
    return CubeInfo(grid, categories, hours, dict(group.attrs))


def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    array = group[name]
    assert isinstance(array, zarr.Array)
    return array


def extend_hours(store: Any, stop: int) -> HourRange:
    """Lengthen the time axis to end at hour ``stop``; the new hours, all empty, are returned."""
    group = zarr.open_group(store, mode="r+")
    counts, time = _array(group, "counts"), _array(group, "time")
    start = int(str(group.attrs["start"]))
    new = HourRange(start + counts.shape[0], max(stop, start + counts.shape[0]))
    size = new.stop - start
    counts.resize((size, *counts.shape[1:]))
    time.resize((size,))
    time[size - len(new) :] = new.values
    return new


def shards(hours: HourRange) -> list[HourRange]:
    """The whole shards that make up a cube's hours; the last may be shorter."""
    starts = range(hours.start, hours.stop, SHARD_HOURS)
    return [HourRange(at, min(at + SHARD_HOURS, hours.stop)) for at in starts]


def write_shard(store: Any, hours: HourRange, counts: SparseCounts) -> None:
    """Write one whole shard. ``counts``: all that its ``hours`` hold, each slot once.

    Raises ValueError for hours that begin no shard, for counts at other hours, and for a slot
    below zero or above 65,535.
    """
    group = zarr.open_group(store, mode="r+")
    array, first = _array(group, "counts"), hours.start - int(str(group.attrs["start"]))
    if first < 0 or first % SHARD_HOURS or not 0 < len(hours) <= SHARD_HOURS:
        raise ValueError(f"hours {hours.start} to {hours.stop} are no shard of {SHARD_HOURS} hours")
    if len(counts.hour) and not hours.start <= counts.hour.min() <= counts.hour.max() < hours.stop:
        raise ValueError(f"counts of {counts.hour.min()} to {counts.hour.max()} are of other hours")
    key = f"{array.path}/{array.metadata.encode_chunk_key((first // SHARD_HOURS, 0, 0))}"
    encoded = encode_shard(counts, hours.start, *array.shape[1:])
    if encoded is None:
        sync(array.store.delete(key))
    else:
        sync(array.store.set(key, default_buffer_prototype().buffer.from_bytes(encoded)))


def amend(store: Any, net: SparseCounts) -> None:
    """Add net changes to the hours they belong to. Raises ValueError below 0 or on overflow."""
    group = zarr.open_group(store, mode="r+")
    counts = _array(group, "counts")
    hour = net.hour - int(str(group.attrs["start"]))
    if len(hour) and not 0 <= hour.min() <= hour.max() < counts.shape[0]:
        raise ValueError(f"hours {net.hour.min()} to {net.hour.max()} leave the cube's time axis")
    # One read and one write of every shard touched: its inner chunks are rewritten together.
    for shard in np.unique(hour // SHARD_HOURS):
        here = hour // SHARD_HOURS == shard
        at = (hour[here], net.cell[here], net.category[here])
        old = np.asarray(counts.get_coordinate_selection(at), np.int64)
        counts.set_coordinate_selection(at, checked_counts(old + net.change[here]))


def read_counts(store: Any, hours: HourRange) -> NDArray[np.uint16]:
    """(time, cell, category) counts of ``hours``, as far as the cube has them."""
    group = zarr.open_group(store, mode="r")
    first = int(str(group.attrs["start"]))
    found = _array(group, "counts")[max(hours.start - first, 0) : max(hours.stop - first, 0)]
    return np.asarray(found, np.uint16)


def set_attributes(store: Any, attributes: dict[str, Any]) -> None:
    """Update the cube's attributes in the same commit as its data."""
    zarr.open_group(store, mode="r+").attrs.update(attributes)


def open_cube(path: str, tag: str | None = None, as_of: datetime | None = None) -> xr.Dataset:
    """The cube as xarray sees it: lazily read, categories by name, hours as timestamps (UTC).

    ``tag`` names an earlier night (its cutoff, as in ``20240901T060000Z``); ``as_of`` (aware) opens
    the newest night whose cutoff is at or before it; without either the last commit is opened.
    xdggs understands the dataset: ``xdggs.decode(open_cube(path))``. Raises FileNotFoundError
    where there is no cube or no such night is kept, ValueError as `open_night` does.
    """
    import xarray as xr  # takes a second to load, and no night needs it

    session = open_night(path, tag, as_of)
    times = xr.coders.CFDatetimeCoder(time_unit="us")
    dataset: xr.Dataset = xr.open_zarr(
        session.store, consolidated=False, chunks={}, decode_times=times
    )
    names = str(dataset["category"].attrs["flag_meanings"]).split(" ")
    named: xr.Dataset = dataset.assign_coords(category=("category", names))
    return named.set_coords("cell_ids")


def hour_of(instant: datetime) -> int:
    """The hour that an aware instant falls in."""
    return int((instant - EPOCH).total_seconds() // 3600)
