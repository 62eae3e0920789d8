"""Reading a service page by page, so that a crawl that was killed goes on where it stopped.

Pages are Parquet files below one folder; what has been read so far stands in ``crawl.json``, which
is written after every page. A crawl is made of legs. The first reads everything, or what changed
since the watermark; where the service has moved on before that was taken over, a further leg reads
what changed since the first began, and its rows replace their older forms. The watermark lies
before the beginning of the last leg, so that what changes during a crawl is read by the next one.

A leg that reads everything has to bring as many rows as the service counts, before it or after it,
whichever are fewer: pages that lack rows without saying so are a fault of many a server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.errors import BusyError, DataError
from pipeline.log import LOGGER
from pipeline.sources.crawl_state import (
    Asked,
    State,
    clear,
    load,
    load_watermark,
    page_file,
    pages_of,
    save,
    save_watermark,
)
from pipeline.sources.pages import (
    Look,
    RestartError,
    Service,
    Want,
    drop_older_forms,
    is_readable,
    write_page,
)

RESTARTS = 3
MOVED_SHARE = 0.01  # of the rows, that may go and come unseen while a service is being read


def crawl(
    service: Service, folder: Path, asked: Asked, choose: Callable[[Look], Sequence[str]]
) -> list[Path]:
    """Files of what is new in the service; ``choose``: the columns wanted of those it has.

    Raises BusyError where the service changes faster than it can be read, and as Web.json does.
    """
    look = service.look()
    state = _resumed(folder, asked, look) or _begin(service, folder, asked, look)
    for _ in range(RESTARTS):
        try:
            state = _read_all(_Reader(service, look, choose(look), folder), state, asked)
            return [path for leg in pages_of(folder, state) for path in leg]
        except RestartError as fault:
            reason, look = fault, service.look()
            state = _begin(service, folder, asked, look, fault.whole)
    raise BusyError(f"{reason}, {RESTARTS} times running: try again later")


def release(folder: Path, overlap: timedelta) -> None:
    """The rows of a finished crawl are held elsewhere: the next one begins where it did."""
    state = load(folder)
    if state is None or not state.is_done:
        return
    bounds = [datetime.fromisoformat(state.began) - overlap]
    bounds += [datetime.fromisoformat(state.newest)] if state.newest else []
    save_watermark(folder, state.asked.reading, min(bounds).isoformat())
    clear(folder)


def _resumed(folder: Path, asked: Asked, look: Look) -> State | None:
    """The crawl that was begun, where it can be gone on with."""
    state = load(folder)
    if state is None or replace(state.asked, version=asked.version) != asked:
        return None
    if not all(is_readable(path) for leg in pages_of(folder, state) for path in leg):
        LOGGER.warning("%s holds a page that is damaged: the crawl begins again", folder)
        return None
    is_same = state.asked.version == asked.version
    return state if is_same or (look.says_changes and not asked.whole) else None


def _begin(service: Service, folder: Path, asked: Asked, look: Look, whole: bool = False) -> State:
    clear(folder)
    since = None
    if look.says_changes and not asked.whole and not whole:
        since = load_watermark(folder, asked.reading)
    counted = None if since else service.count()
    state = State(asked, since, look.at.isoformat(), newest=since, counted=counted)
    save(folder, state)
    return state


@dataclass(frozen=True)
class _Reader:
    service: Service
    look: Look
    columns: Sequence[str]
    folder: Path


def _read_all(reader: _Reader, state: State, asked: Asked) -> State:
    """The rest of the leg at work, and a further one where that was of another version."""
    state = _read_leg(reader, state)
    if state.asked != asked:
        since = datetime.fromisoformat(state.began) - reader.service.overlap
        state = replace(
            state,
            asked=asked,
            since=since.isoformat(),
            began=reader.look.at.isoformat(),
            pages=(*state.pages, 0),
            cursor=None,
            is_read=False,
            is_done=False,
            read=0,
            counted=None,
        )
        save(reader.folder, state)
        state = _read_leg(reader, state)
    if state.is_done:
        return state
    if asked.whole and reader.service.look().stamp != reader.look.stamp:
        raise RestartError("the service changes while it is being read")
    drop_older_forms(pages_of(reader.folder, state))
    state = replace(state, is_done=True)
    save(reader.folder, state)
    return state


def _read_leg(reader: _Reader, state: State) -> State:
    since = datetime.fromisoformat(state.since) if state.since else None
    while not state.is_read:
        want = Want(reader.look, reader.columns, since, state.cursor)
        page = reader.service.page(want)
        *legs, count = state.pages
        if page.rows:
            write_page(page_file(reader.folder, len(legs), count), page, reader.columns)
            count += 1
        newest = [time for time in (state.newest, page.newest and page.newest.isoformat()) if time]
        if page.cursor is not None and page.cursor == state.cursor:
            raise DataError(f"the service does not go on after {page.cursor}: deliver it as files")
        state = replace(
            state,
            pages=(*legs, count),
            cursor=page.cursor,
            newest=max(newest, key=datetime.fromisoformat, default=None),
            is_read=page.cursor is None,
            read=state.read + len(page.ids),
        )
        if state.is_read:
            _require_all(reader, state)
        save(reader.folder, state)
    return state


def _require_all(reader: _Reader, state: State) -> None:
    """Raise RestartError where fewer rows came than there were, before the leg and after it.

    Where the service changed meanwhile a few can have gone ahead of the cursor, and others come
    behind it: those the next crawl reads.
    """
    if state.counted is None:
        return
    least = min(state.counted, reader.service.count())
    if state.read >= least:
        return
    has_moved = reader.service.look().stamp != reader.look.stamp
    if not has_moved or state.read < (1 - MOVED_SHARE) * least:
        text = f"the service counts {least} rows and gives {state.read}"
        raise RestartError(text, whole=True)
