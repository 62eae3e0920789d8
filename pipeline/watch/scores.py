"""How the newest nights that are scored turned out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.archive.summary import Realised

SCORED = 28  # nights


def newest_scores(root: Path) -> tuple[Realised, ...]:
    """Each target's, of those kept below ``root``; none before the first is kept."""
    from pipeline.archive.layout import ARCHIVE  # with NumPy and Zarr
    from pipeline.archive.summary import summarize

    return summarize(root, SCORED).targets if (root / ARCHIVE).is_dir() else ()
