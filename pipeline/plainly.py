"""Faults of the surroundings in plain words: a full disk, a folder that is closed, a lost worker.

The libraries below report the same fault in many types, some with nothing but its text to go by.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.errors import is_of_lost_worker
from pipeline.errors import BusyError, ConfigError, DataError, HexcastError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_FULL_TEXT = ("no space left on device", "disk is full", "quota exceeded")
_CLOSED_TEXT = ("permission denied", "read-only file system", "readonly database")
_DAMAGED_TEXT = ("database disk image is malformed", "file is not a database")


@contextmanager
def plainly(root: str) -> Iterator[None]:
    """Raise faults of the surroundings of a store at ``root`` as errors that say what to do."""
    try:
        yield
    except HexcastError:
        raise
    except Exception as fault:
        plain = explain(fault, root)
        if plain is None:
            raise
        raise plain from fault


def explain(fault: BaseException, root: str) -> HexcastError | None:
    """The fault as one of ours, None where it is a fault of the program."""
    text, number = " ".join(str(fault).split()), getattr(fault, "errno", None)
    if number in _FULL or any(words in text.lower() for words in _FULL_TEXT):
        return BusyError(f"the disk of {root} is full ({text}): free some space, then run again")
    if number in _CLOSED or any(words in text.lower() for words in _CLOSED_TEXT):
        name = str(getattr(fault, "filename", None) or root)
        if not Path(name).absolute().is_relative_to(Path(root).absolute()):
            return ConfigError(f"{name} cannot be used ({text}): give this user the right to")
        return ConfigError(
            f"{root} cannot be written ({text}): give this user the right to write there"
        )
    if "database is locked" in text.lower():
        return BusyError(f"another run writes {root}: try again when it is done")
    if any(words in text.lower() for words in _DAMAGED_TEXT):
        return DataError(
            f"the index {root}/silver/keys.sqlite is damaged ({text}): delete it, and the next run "
            "makes it again from silver"
        )
    if is_of_lost_worker(fault):
        return BusyError(
            f"a worker was lost ({type(fault).__name__}: {text[:200]}): run again; if it happens "
            "again, give workers more memory (cluster.memory_gib)"
        )
    return None
