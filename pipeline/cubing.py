"""Silver to cube and state: built once on Dask, then one commit a night that moves both together.

Cube, state and watermark share a commit, so that they cannot disagree; every night is tagged with
its cutoff, so that an earlier night can be looked at as it was.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import dask.dataframe as dd
import icechunk
import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.dataset as pads
import zarr
from dask.delayed import delayed

from cluster.connect import LazyCluster
from grids.counts import Events, bin_incidents, net_changes
from grids.cube import (
    BRANCH,
    SHARD_HOURS,
    CubeInfo,
    amend,
    extend_hours,
    read_info,
    set_attributes,
    tag_of,
    write_shard,
)
from grids.hexgrid import HexGrid
from grids.hours import HourRange, reference_hour
from pipeline.baselines import require_history
from pipeline.silver import ARRIVAL_COLUMNS, read_arrivals, signed_arrivals
from pipeline.state import State, StateSpec, advance, empty_state
from pipeline.tables import open_rows

_EVENTS = {"hour": "int64", "cell": "int32", "category": "int8", "sign": "int8", "shard": "int64"}


def build(
    repository: icechunk.Repository,
    table: str,
    spec: StateSpec,
    cutoff: datetime,
    cluster: LazyCluster,
) -> State:
    """Cube and state from everything known at ``cutoff``; one task writes one whole shard.

    Raises MissingInputError, before anything is committed, where too little is known by then.
    """
    info = read_info(repository.readonly_session(BRANCH).store)
    arrivals = read_arrivals(table, info.grid, info.categories, cutoff)
    state = advance(empty_state(spec), arrivals, cutoff, spec)
    require_history(state, spec.started)
    session = repository.writable_session(BRANCH)
    extend_hours(session.store, reference_hour(cutoff))
    if session.has_uncommitted_changes:  # such a session cannot be forked
        session.commit("lengthen the time axis")
    session = repository.writable_session(BRANCH)
    fork, hours = session.fork(), HourRange(spec.start, reference_hour(cutoff))
    write = delayed(_write_shards)
    tasks = [write(part, fork, info, hours) for part in _by_shard(table, info, cutoff)]
    session.merge(*cluster.client.compute(tasks, sync=True))
    _commit(repository, session, state)
    return state


def _by_shard(table: str, info: CubeInfo, cutoff: datetime) -> list[Any]:
    """Delayed frames of events, each with all that is known of the shards in it."""
    files = open_rows(table, "known_at", until=pd.Timestamp(cutoff))
    if files is None:
        return []
    meta = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _EVENTS.items()})
    events = dd.from_map(
        _read_events, files.files, table=table, info=info, cutoff=cutoff, meta=meta
    )
    parts: list[Any] = events.shuffle("shard").to_delayed()
    return parts


def _read_events(path: str, table: str, info: CubeInfo, cutoff: datetime) -> pd.DataFrame:
    known = open_rows(table, "known_at", until=pd.Timestamp(cutoff))
    assert known is not None
    dataset = pads.dataset([path], filesystem=known.filesystem, format="parquet")
    chosen = pc.field("known_at") <= pd.Timestamp(cutoff)
    rows = dataset.to_table(columns=list(ARRIVAL_COLUMNS), filter=chosen)
    events = [part.events for part in signed_arrivals(rows, info.grid, info.categories)]
    names = ("hour", "cell", "category", "sign")
    frame = pd.DataFrame({n: np.concatenate([getattr(e, n) for e in events]) for n in names})
    return frame.assign(shard=(frame["hour"] - info.hours.start) // SHARD_HOURS)


def _write_shards(events: pd.DataFrame, fork: Any, info: CubeInfo, hours: HourRange) -> Any:
    """Write every shard that the events hold; the fork comes back to be merged and committed."""
    size = (len(info.grid), len(info.categories))
    for shard, rows in events.groupby("shard"):
        first = hours.start + int(str(shard)) * SHARD_HOURS
        block = HourRange(first, min(first + SHARD_HOURS, hours.stop))
        columns = [rows[name].to_numpy() for name in ("hour", "cell", "category", "sign")]
        write_shard(fork.store, block, bin_incidents(Events(*columns), block, *size))
    return fork


def append(repository: icechunk.Repository, table: str, spec: StateSpec, cutoff: datetime) -> State:
    """Move cube and state on to ``cutoff`` by what became known since; nothing else is read."""
    session = repository.writable_session(BRANCH)
    info, state = read_info(session.store), read_state(session.store)
    news = read_arrivals(table, info.grid, info.categories, cutoff, after=state.as_of)
    extend_hours(session.store, reference_hour(cutoff))
    amend(session.store, net_changes(news.events, spec.cells, spec.categories))
    state = advance(state, news, cutoff, spec)
    _commit(repository, session, state)
    return state


def _commit(repository: icechunk.Repository, session: icechunk.Session, state: State) -> None:
    write_state(session.store, state)
    watermark = state.as_of.isoformat()
    set_attributes(session.store, {"watermark": watermark})
    snapshot = session.commit(f"known until {watermark}", metadata={"watermark": watermark})
    repository.create_tag(tag_of(state.as_of), snapshot_id=snapshot)


def state_at(
    repository: icechunk.Repository, table: str, spec: StateSpec, grid: HexGrid, cutoff: datetime
) -> State:
    """The state at a past cutoff, moved on from the last night that was kept before it."""
    info = read_info(repository.readonly_session(BRANCH).store)
    earlier = [tag for tag in repository.list_tags() if tag <= tag_of(cutoff)]
    if earlier:
        state = read_state(repository.readonly_session(tag=max(earlier)).store)
        news = read_arrivals(table, grid, info.categories, cutoff, after=state.as_of)
    else:
        state = empty_state(spec)
        news = read_arrivals(table, grid, info.categories, cutoff)
    return advance(state, news, cutoff, spec)


def write_state(store: Any, state: State) -> None:
    """Keep the state's arrays beside the cube."""
    group = zarr.open_group(store, mode="r+").require_group("state")
    for name, values in state.arrays().items():
        array = group.require_array(
            name, shape=values.shape, dtype=values.dtype, chunks=values.shape, exact=False
        )
        array[...] = values
    group.attrs["as_of"] = state.as_of.isoformat()


def read_state(store: Any) -> State:
    """The state that stands beside the cube in a session's store."""
    group = zarr.open_group(store, mode="r", path="state")
    as_of = datetime.fromisoformat(str(group.attrs["as_of"]))
    arrays = {name: np.asarray(array[...]) for name, array in group.arrays()}
    return State(as_of=as_of, **arrays)
