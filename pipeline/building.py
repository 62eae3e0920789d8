"""The first night's cube and state, from all of silver on Dask."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import dask.dataframe as dd
import fsspec
import icechunk
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
from dask.delayed import delayed
from distributed import Future

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
from pipeline.tables import files_until

YEAR = timedelta(days=365)
# As small as they go: every row crosses the cluster once.
_EVENTS = {"hour": "int32", "cell": "int32", "category": "int8", "sign": "int8", "shard": "int32"}
_NAMES = tuple(_EVENTS)[:-1]
PIECE = 2**18  # rows of a file that are read at once, about: a file may be any size


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
    client = cluster.beside
    # Once, and not with every task: a large city's grid outweighs the incidents.
    sent = client.scatter(info, hash=False)
    write = delayed(_write_shards)
    tasks = [write(part, fork, sent, hours) for part in _by_shard(table, sent, cutoff)]
    writing = client.compute(tasks)
    state = _state(table, info, spec, cutoff)  # meanwhile
    require_enough(state, spec.started)
    session.merge(*client.gather(writing))
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


def _by_shard(table: str, info: Future[CubeInfo], cutoff: datetime) -> list[Any]:
    """Delayed frames of events, each with all that is known of the shards in it."""
    read = delayed(_read_events)
    pieces = [read(*piece, info, cutoff) for piece in _pieces(table, cutoff)]
    if not pieces:
        return []
    meta = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _EVENTS.items()})
    events = dd.from_delayed(pieces, meta=meta, verify_meta=False)
    parts: list[Any] = events.shuffle("shard").to_delayed()
    return parts


def _pieces(table: str, cutoff: datetime) -> list[tuple[str, str, int, int]]:
    """Table and file of what is known by then, each file in numbered pieces, and their number."""
    found = []
    for path, rows in files_until(table, "known_at", pd.Timestamp(cutoff)):
        count = -(-rows // PIECE)
        found += [(table, path, number, count) for number in range(count)]
    return found


def _read_events(
    table: str, path: str, number: int, count: int, info: CubeInfo, cutoff: datetime
) -> pd.DataFrame:
    filesystem, _ = fsspec.core.url_to_fs(table)
    [file] = pads.dataset([path], filesystem=filesystem, format="parquet").get_fragments()
    chosen = np.array_split(np.arange(file.num_row_groups), count)[number]
    piece = file.subset(row_group_ids=chosen.tolist())
    known = pc.field("known_at") <= pd.Timestamp(cutoff)
    return _events(piece.to_table(columns=list(ARRIVAL_COLUMNS), filter=known), info)


def _events(rows: pa.Table, info: CubeInfo) -> pd.DataFrame:
    sides = [part.events for part in signed_arrivals(rows, info.grid, info.categories)]
    frame = pd.DataFrame({n: np.concatenate([getattr(e, n) for e in sides]) for n in _NAMES})
    return frame.assign(shard=(frame["hour"] - info.hours.start) // SHARD_HOURS).astype(_EVENTS)


def _write_shards(events: pd.DataFrame, fork: Any, info: CubeInfo, hours: HourRange) -> Any:
    """Write every shard that the events hold; the fork comes back to be merged and committed."""
    size, blocks = (len(info.grid), len(info.categories)), shards(hours)
    for number, rows in events.groupby("shard"):
        hour, *others = (rows[name].to_numpy() for name in _NAMES)
        own = Events(hour.astype(np.int64), *others)
        write_shard(fork.store, blocks[number], net_changes(own, *size))
    return fork
