"""Silver to cube and state: one commit a night moves both together.

Cube, state and watermark share a commit, so that they cannot disagree; every night is tagged with
its cutoff, so that an earlier night can be looked at as it was.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import icechunk
import numpy as np
import zarr

from grids.clock import reference_hour
from grids.counts import net_changes
from grids.cube import amend, extend_hours, read_info, set_attributes
from grids.hexgrid import HexGrid
from grids.snapshots import BRANCH, night_tags, tag_of
from pipeline.enough import require_enough
from pipeline.errors import ConfigError
from pipeline.silver import read_arrivals
from pipeline.state import STATE_FORM, State, StateSpec, advance, empty_state


def append(repository: icechunk.Repository, table: str, spec: StateSpec, cutoff: datetime) -> State:
    """Move cube and state on to ``cutoff`` by what became known since; nothing else is read.

    Raises MissingInputError, before anything is committed, where deliveries have stopped.
    """
    session = repository.writable_session(BRANCH)
    info, state = read_info(session.store), read_state(session.store)
    tag_night(repository, state.as_of)  # a crash may have left the last night without
    news = read_arrivals(table, info.grid, info.categories, cutoff, after=state.as_of)
    state = advance(state, news, cutoff, spec)
    require_enough(state, spec.started)
    extend_hours(session.store, reference_hour(cutoff))
    amend(session.store, net_changes(news.events, spec.cells, spec.categories))
    commit_state(repository, session, state)
    return state


def commit_state(repository: icechunk.Repository, session: icechunk.Session, state: State) -> None:
    """Commit a session's cube with the state that belongs to it, tagged by its cutoff."""
    write_state(session.store, state)
    watermark = state.as_of.isoformat()
    set_attributes(session.store, {"watermark": watermark})
    session.commit(f"known until {watermark}", metadata={"watermark": watermark})
    tag_night(repository, state.as_of)


def tag_night(repository: icechunk.Repository, cutoff: datetime) -> None:
    """Give the last commit its name, unless it has it: the commit may have been all there was."""
    tag = tag_of(cutoff)
    try:
        repository.lookup_tag(tag)  # a listing would read every tag there is
    except icechunk.IcechunkError:
        repository.create_tag(tag, snapshot_id=repository.lookup_branch(BRANCH))


def latest_state(repository: icechunk.Repository) -> State:
    """The state of the last night, tagged if a crash left it without."""
    state = read_state(repository.readonly_session(BRANCH).store)
    tag_night(repository, state.as_of)
    return state


def state_at(
    repository: icechunk.Repository, table: str, spec: StateSpec, grid: HexGrid, cutoff: datetime
) -> State:
    """The state at a past cutoff, moved on from the last night that was kept before it."""
    info = read_info(repository.readonly_session(BRANCH).store)
    earlier = [tag for tag in night_tags(repository) if tag <= tag_of(cutoff)]
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
    group.attrs.update({"as_of": state.as_of.isoformat(), "form": STATE_FORM})


def read_state(store: Any) -> State:
    """The state that stands beside the cube in a session's store.

    Raises ConfigError where another version of hexcast keeps other sums in it.
    """
    group = zarr.open_group(store, mode="r", path="state")
    if group.attrs.get("form") != STATE_FORM:
        raise ConfigError(
            "the state was made by another version, which kept other sums: delete the folder cube "
            "(and silver, where the configuration gives no boundary or bounds), and the next run "
            "makes them again"
        )
    as_of = datetime.fromisoformat(str(group.attrs["as_of"]))
    arrays = {name: np.asarray(array[...]) for name, array in group.arrays()}
    return State(as_of=as_of, **arrays)
