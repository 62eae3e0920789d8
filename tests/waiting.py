"""Waiting for what other processes do, which tests cannot do without, with an end."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep


def until(happened: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait till it has; TimeoutError where it does not."""
    deadline = monotonic() + seconds
    while not happened():
        if monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s")
        sleep(0.05)
