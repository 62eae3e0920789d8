"""The peak memory of a part of the work, in a process that has had other peaks before."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def reset_peak() -> None:
    """Let the peak of this process begin anew, where the system can (Linux).

    Elsewhere it goes on growing: then a part's peak is the largest up to its end.
    """
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # man 5 proc
