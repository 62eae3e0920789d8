"""Files that are there whole or not at all, also after the power was cut."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """What ``write`` puts into the file that it is given takes the place of ``path`` at once."""
    temporary = path.with_name(path.name + ".new")
    write(temporary)
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """The content of a file, or the names in a folder, are on the disk when this returns.

    A name can come to the disk before the content that it is of: a file that was renamed but not
    synced may be empty when the power comes back.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
