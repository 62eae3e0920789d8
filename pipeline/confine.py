"""Names that come from data or configuration stay below the folder that they are given."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.errors import DataError, HexcastError

_LONGEST = 255  # bytes in one name, on the file systems in use


def inside(root: Path, name: str, fault: type[HexcastError] = DataError) -> Path:
    """``root/name``, where that lies below ``root`` with all links followed; else raises ``fault``.

    ``name`` may have folders in it, parted by ``/``. Refused are absolute names, ``..``, what
    Windows takes for a drive or a separator, control characters, and a link that leads out.
    """
    parts = name.split("/")
    if not name or any(part in ("", ".", "..") for part in parts):
        raise fault(f"{name!r} leads out of {root}, or nowhere: a name must stay below its folder")
    if re.search(r"[\x00-\x1f\x7f\\]|^[A-Za-z]:", name):
        raise fault(
            f"{name!r} is no name of a file below {root}: leave out \\, drives and controls"
        )
    if any(len(part.encode()) > _LONGEST for part in parts):
        raise fault(f"{name[:40]!r}... is too long for a file below {root}: shorten it")
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()):
        raise fault(f"{name!r} is a link that leads out of {root}: take the link away")
    return path
