"""One night's cube as a plain Zarr v3 store, for those who have no Icechunk.

Stored objects are copied as they are, one at a time: nothing is decoded, no chunk can end up out
of line with another, and memory holds one shard's compressed bytes whatever the cube's length.
"""

from __future__ import annotations

import asyncio
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import icechunk
import zarr
from zarr.abc.store import Store as ZarrStore
from zarr.buffer.cpu import buffer_prototype
from zarr.errors import ZarrUserWarning
from zarr.storage import LocalStore

from grids.cube import CubeInfo, read_info
from grids.snapshots import open_night, tag_of
from pipeline.config import Config
from pipeline.errors import ConfigError, MissingInputError
from pipeline.locks import make_folder, only_one
from pipeline.store import Store

STATE = "state/"  # the forecaster's memory, of no use to others


def export_cube(
    config: Config, out: Path, tag: str | None = None, as_of: datetime | None = None
) -> dict[str, Any]:
    """Write the cube of a night to the new folder ``out``; returns what was written.

    The night is the last one, that of ``tag`` (as in ``20240901T060000Z``), or the newest with a
    cutoff at or before ``as_of`` (aware). ``out`` holds what `grids.cube.open_cube` shows, with
    ``category`` as text, and ``category_flag``: its numbers and CF's flag_meanings, for readers
    without text arrays. It appears whole or not at all.

    Raises MissingInputError where no such night is kept, ConfigError where ``out`` holds something
    or the night is not named properly, BusyError where another export writes ``out``.
    """
    session = _open(config, tag, as_of)
    info = read_info(session.store)
    if info.watermark is None:
        raise MissingInputError(f"{config.output.path} holds no night yet: run hexcast nightly")
    with _staged(out.resolve()) as folder:
        size = asyncio.run(_copy(session.store, LocalStore(folder)))
        _name_categories(folder, info)
    return {
        "path": str(out),
        "night": tag_of(info.watermark),
        "as_of": info.watermark.isoformat(),
        "hours": len(info.hours),
        "cells": len(info.grid),
        "categories": list(info.categories),
        "bytes": size,
    }


def _open(config: Config, tag: str | None, as_of: datetime | None) -> icechunk.Session:
    if tag and as_of:
        raise ConfigError(f"--tag {tag} and --as-of {as_of}: give one of them")
    if as_of and as_of.tzinfo is None:
        raise ConfigError(f"--as-of {as_of} has no offset: write it as 2024-09-01T06:00Z")
    try:
        return open_night(Store(config.output.path).cube, tag, as_of)
    except FileNotFoundError as fault:
        raise MissingInputError(str(fault)) from fault


@contextmanager
def _staged(out: Path) -> Iterator[Path]:
    """An empty folder beside ``out`` that becomes it when the block ends well, and else is gone.

    A killed export leaves its folder behind; the next one to the same place begins by emptying it.
    """
    _require_free(out)
    part = out.with_name(f".{out.name}.part")
    with only_one(make_folder(part, "OUT"), f"another export writes {out}"):
        try:
            for left in part.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            yield part
            part.rename(out)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise


def _require_free(out: Path) -> None:
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ConfigError(f"{out} is there already: give another path, or delete it")


async def _copy(source: ZarrStore, target: ZarrStore) -> int:
    """Copy everything but the state, one object after the other; returns the bytes copied."""
    size = 0
    async for key in source.list():
        if key.startswith(STATE):
            continue
        held = await source.get(key, buffer_prototype)
        assert held is not None, f"{key} is listed and not there"
        await target.set(key.replace("category/", "category_flag/", 1), held)
        size += len(held)
    return size


def _name_categories(folder: Path, info: CubeInfo) -> None:
    """Give the categories their names, and the store one file that holds all its metadata."""
    group = zarr.open_group(folder, mode="r+")
    axis = group.create_array(
        "category",
        shape=(len(info.categories),),
        chunks=(len(info.categories),),
        dtype=str,
        dimension_names=("category",),
    )
    axis[:] = list(info.categories)
    group["counts"].attrs["coordinates"] = "cell_ids category_flag"
    with warnings.catch_warnings():
        # Not yet part of the Zarr v3 specification; without it xarray warns whenever it opens one.
        warnings.filterwarnings("ignore", "Consolidated metadata", ZarrUserWarning)
        zarr.consolidate_metadata(folder)
