"""How far a crawl has come, kept beside its pages after each of them until all is taken over."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.log import LOGGER
from pipeline.sources.whole import write_whole

_STATE, _WATERMARK = "crawl.json", "watermark.json"


@dataclass(frozen=True)
class Asked:
    """What a crawl is for: a version of the service, read in some way; ``whole``: a snapshot."""

    version: int
    reading: str
    whole: bool


@dataclass(frozen=True)
class State:
    """How far a crawl has come; times in ISO 8601.

    ``since``, ``began``: of the leg at work. ``pages``: how many files each leg has. ``is_read``:
    whether the leg at work is through; ``is_done``: whether all is. ``read``: rows of the leg at
    work; ``counted``: how many there were at its beginning, None where it is not for all of them.
    """

    asked: Asked
    since: str | None
    began: str
    pages: tuple[int, ...] = (0,)
    cursor: Any = None
    newest: str | None = None
    is_read: bool = False
    is_done: bool = False
    read: int = 0
    counted: int | None = None


def page_file(folder: Path, leg: int, number: int) -> Path:
    """Where a page of a leg lies."""
    return folder / f"{leg:03d}-{number:06d}.parquet"


def pages_of(folder: Path, state: State) -> list[list[Path]]:
    """The files of every leg."""
    return [
        [page_file(folder, leg, number) for number in range(count)]
        for leg, count in enumerate(state.pages)
    ]


def load(folder: Path) -> State | None:
    """How far the crawl has come; None where none is, or where that cannot be read any more."""
    values = _read(folder / _STATE)
    try:
        asked, pages = Asked(**values["asked"]), tuple(map(int, values["pages"]))
        return State(**{**values, "asked": asked, "pages": pages})
    except (KeyError, TypeError, ValueError):
        return None


def save(folder: Path, state: State) -> None:
    """Note how far the crawl has come."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / _STATE, asdict(state))


def load_watermark(folder: Path, reading: str) -> str | None:
    """From when on the next crawl reads, in ISO 8601; None where all was read in another way."""
    values = _read(folder / _WATERMARK)
    return values.get("since") if values.get("reading") == reading else None


def save_watermark(folder: Path, reading: str, since: str) -> None:
    """Note from when on the next crawl reads."""
    _write(folder / _WATERMARK, {"reading": reading, "since": since})


def _write(path: Path, values: dict[str, Any]) -> None:
    write_whole(path, lambda file: file.write_text(json.dumps(values)))


def _read(path: Path) -> dict[str, Any]:
    """What was written; nothing where there is no file, or one that is damaged."""
    try:
        values = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        values = None
    if isinstance(values, dict):
        return values
    LOGGER.warning("%s is damaged: the crawl begins again", path)
    return {}


def clear(folder: Path) -> None:
    """Forget a crawl, its state first: pages without it are not there."""
    (folder / _STATE).unlink(missing_ok=True)
    for pattern in ("*.parquet", "*.new"):
        for path in folder.glob(pattern):
            path.unlink()
