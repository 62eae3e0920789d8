"""Scoring on request: what ``hexcast score`` does, and every night by itself."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from grids.snapshots import open_repository
from pipeline.archive.layout import ARCHIVE
from pipeline.archive.realised import score_nights
from pipeline.config import Config
from pipeline.errors import MissingInputError
from pipeline.plainly import plainly
from pipeline.store import Store


def score_issued(config: Config) -> list[datetime]:
    """Score the nights that have become mature; their reference times.

    Raises MissingInputError where no forecast is kept yet.
    """
    root = Path(config.output.path)
    if not (root / ARCHIVE).exists():
        raise MissingInputError(f"{root} keeps no forecast yet: hexcast nightly issues one")
    with plainly(config.output.path):
        return score_nights(root, open_repository(Store(config.output.path).cube), config.targets)
