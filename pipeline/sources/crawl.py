"""Reading a service page by page, so that a crawl that was killed goes on where it stopped.

Pages are Parquet files below one folder; what has been read so far stands in ``crawl.json``, which
is written after every page. A crawl is made of legs. The first reads everything, or what changed
since the watermark; where the service has moved on before that was taken over, a further leg reads
what changed since the first began, and its rows replace their older forms. The watermark lies
before the beginning of the last leg, so that what changes during a crawl is read by the next one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.errors import BusyError, DataError
from pipeline.sources.pages import Look, RestartError, Service, Want, drop_older_forms, write_page

_STATE, _WATERMARK = "crawl.json", "watermark.json"
RESTARTS = 3


@dataclass(frozen=True)
class Asked:
    """What a crawl is for: a version of the service, read in some way; ``whole``: a snapshot."""

    version: int
    reading: str
    whole: bool


@dataclass(frozen=True)
class _State:
    """How far a crawl has come; times in ISO 8601.

    ``since``, ``began``: of the leg at work. ``pages``: how many files each leg has. ``is_read``:
    whether the leg at work is through; ``is_done``: whether all is.
    """

    asked: Asked
    since: str | None
    began: str
    pages: tuple[int, ...] = (0,)
    cursor: Any = None
    newest: str | None = None
    is_read: bool = False
    is_done: bool = False


def crawl(
    service: Service, folder: Path, asked: Asked, choose: Callable[[Look], Sequence[str]]
) -> list[Path]:
    """Files of what is new in the service; ``choose``: the columns wanted of those it has.

    Raises BusyError where the service changes faster than it can be read, and as Web.json does.
    """
    look = service.look()
    state = _resumed(folder, asked, look) or _begin(folder, asked, look)
    for _ in range(RESTARTS):
        try:
            state = _read_all(_Reader(service, look, choose(look), folder), state, asked)
            return [path for leg in _legs(folder, state) for path in leg]
        except RestartError as fault:
            reason, look = fault, service.look()
            state = _begin(folder, asked, look, fault.whole)
    raise BusyError(f"{reason}, {RESTARTS} times running: try again later")


def release(folder: Path, overlap: timedelta) -> None:
    """The rows of a finished crawl are held elsewhere: the next one begins where it did."""
    state = _load(folder)
    if state is None or not state.is_done:
        return
    bounds = [datetime.fromisoformat(state.began) - overlap]
    bounds += [datetime.fromisoformat(state.newest)] if state.newest else []
    mark = {"reading": state.asked.reading, "since": min(bounds).isoformat()}
    _write(folder / _WATERMARK, mark)
    _clear(folder)


def _resumed(folder: Path, asked: Asked, look: Look) -> _State | None:
    """The crawl that was begun, where it can be gone on with."""
    state = _load(folder)
    if state is None or replace(state.asked, version=asked.version) != asked:
        return None
    is_same = state.asked.version == asked.version
    return state if is_same or (look.says_changes and not asked.whole) else None


def _begin(folder: Path, asked: Asked, look: Look, whole: bool = False) -> _State:
    _clear(folder)
    since, path = None, folder / _WATERMARK
    if path.exists() and look.says_changes and not asked.whole and not whole:
        mark = json.loads(path.read_text())
        since = mark["since"] if mark["reading"] == asked.reading else None
    state = _State(asked, since, look.at.isoformat(), newest=since)
    _save(folder, state)
    return state


@dataclass(frozen=True)
class _Reader:
    service: Service
    look: Look
    columns: Sequence[str]
    folder: Path


def _read_all(reader: _Reader, state: _State, asked: Asked) -> _State:
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
        )
        _save(reader.folder, state)
        state = _read_leg(reader, state)
    if state.is_done:
        return state
    if asked.whole and reader.service.look().stamp != reader.look.stamp:
        raise RestartError("the service changes while it is being read")
    drop_older_forms(_legs(reader.folder, state))
    state = replace(state, is_done=True)
    _save(reader.folder, state)
    return state


def _read_leg(reader: _Reader, state: _State) -> _State:
    since = datetime.fromisoformat(state.since) if state.since else None
    while not state.is_read:
        want = Want(reader.look, reader.columns, since, state.cursor)
        page = reader.service.page(want)
        *legs, count = state.pages
        if page.rows:
            write_page(_file(reader.folder, len(legs), count), page, reader.columns)
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
        )
        _save(reader.folder, state)
    return state


def _file(folder: Path, leg: int, number: int) -> Path:
    return folder / f"{leg:03d}-{number:06d}.parquet"


def _legs(folder: Path, state: _State) -> list[list[Path]]:
    return [
        [_file(folder, leg, number) for number in range(count)]
        for leg, count in enumerate(state.pages)
    ]


def _load(folder: Path) -> _State | None:
    path = folder / _STATE
    if not path.exists():
        return None
    values = json.loads(path.read_text())
    return _State(**{**values, "asked": Asked(**values["asked"]), "pages": tuple(values["pages"])})


def _save(folder: Path, state: _State) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / _STATE, asdict(state))


def _write(path: Path, values: dict[str, Any]) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(values))
    temporary.replace(path)


def _clear(folder: Path) -> None:
    """Forget a crawl, its state first: pages without it are not there."""
    (folder / _STATE).unlink(missing_ok=True)
    for pattern in ("*.parquet", "*.new"):
        for path in folder.glob(pattern):
            path.unlink()
