"""The first night's cube and state, from all of silver on Dask."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import dask.dataframe as dd
import icechunk
import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.dataset as pads
from dask.delayed import delayed

from cluster.lazy import LazyCluster
from grids.clock import reference_hour
from grids.counts import Events, net_changes
from grids.cube import CubeInfo, extend_hours, read_info, shards, write_shard
from grids.hours import HourRange
from grids.shards import SHARD_HOURS
from grids.snapshots import BRANCH
from pipeline.cubing import commit_state
from pipeline.enough import require_enough
from pipeline.silver import ARRIVAL_COLUMNS, read_arrivals, signed_arrivals
from pipeline.state import State, StateSpec, advance, empty_state
from pipeline.tables import open_rows

YEAR = timedelta(days=365)
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
    session = repository.writable_session(BRANCH)
    # Only a session without changes can be forked. So the fork lengthens the time axis and every
    # worker's copy brings that back: one commit, and no reader finds hours without their counts.
    fork, hours = session.fork(), HourRange(spec.start, reference_hour(cutoff))
    extend_hours(fork.store, hours.stop)
    write = delayed(_write_shards)
    tasks = [write(part, fork, info, hours) for part in _by_shard(table, info, cutoff)]
    writing = cluster.client.compute(tasks)
    state = _state(table, info, spec, cutoff)  # meanwhile
    require_enough(state, spec.started)
    session.merge(*cluster.client.gather(writing))
    commit_state(repository, session, state)
    return state


def _state(table: str, info: CubeInfo, spec: StateSpec, cutoff: datetime) -> State:
    """From nothing, a year at a time: a long history is never in memory as a whole."""
    state, known = empty_state(spec), None
    while state.as_of < cutoff:
        until = min(state.as_of + YEAR, cutoff)
        news = read_arrivals(table, info.grid, info.categories, until, after=known)
        state, known = advance(state, news, until, spec), until
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
    size, blocks = (len(info.grid), len(info.categories)), shards(hours)
    ordered = events.sort_values("shard", kind="stable")
    own = Events(*(ordered[name].to_numpy() for name in ("hour", "cell", "category", "sign")))
    numbers, starts = np.unique(ordered["shard"].to_numpy(), return_index=True)
    ends = np.append(starts, len(own))
    for number, start, stop in zip(numbers, ends[:-1], ends[1:], strict=True):
        write_shard(fork.store, blocks[number], net_changes(own[start:stop], *size))
    return fork
