"""Scoring on request: what ``hexcast score`` does, and every night by itself."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from grids.cube import read_info
from grids.snapshots import open_night
from pipeline.archive.layout import ARCHIVE
from pipeline.archive.realised import score_nights
from pipeline.config import Config
from pipeline.errors import MissingInputError
from pipeline.place import require_same_store
from pipeline.plainly import plainly
from pipeline.store import Store


def score_issued(config: Config) -> list[datetime]:
    """Score the nights that have become mature; their reference times.

    Raises MissingInputError where no forecast is kept yet, or no cube says what happened.
    """
    root = Path(config.output.path)
    if not (root / ARCHIVE).exists():
        raise MissingInputError(f"{root} keeps no forecast yet: hexcast nightly issues one")
    with plainly(config.output.path):
        return score_nights(root, _cube(config), config.targets)


def _cube(config: Config) -> Any:
    """The store of the cube's last night."""
    try:
        store = open_night(Store(config.output.path).cube).store
    except FileNotFoundError as fault:
        raise MissingInputError(str(fault)) from fault
    info = read_info(store)
    require_same_store(config, info)
    if info.watermark is None:
        raise MissingInputError(
            f"{config.output.path}/cube holds no night yet, and says what happened once it does: "
            "run hexcast nightly"
        )
    return store
