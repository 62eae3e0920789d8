"""Locks of the operating system, which go with the process that holds them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import BusyError, ConfigError


def make_folder(folder: Path, setting: str) -> Path:
    """``folder``, made where it is missing. Raises ConfigError naming the ``setting``."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise ConfigError(f"{setting}: {folder} cannot be made ({fault})") from fault
    return folder


@contextmanager
def only_one(path: Path, busy: str) -> Iterator[None]:
    """Hold the lock of a file, made where it is missing, or of a folder.

    Raises BusyError where another process holds it; ``busy`` says what that one does.
    """
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            raise BusyError(f"{busy}: try again when it is done") from fault
        yield
    finally:
        os.close(handle)
