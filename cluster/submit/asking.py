"""What all ways to submit a night have in common: what it says, and how often they ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

LOOK_SECONDS = 1.0  # between two questions, at first
LONGEST_SECONDS = 15.0
UNANSWERED_SECONDS = 300.0  # who is asked may be restarted
Say = Callable[[str, str], None]  # "out" or "err", and a line


def pauses() -> Iterator[float]:
    """Seconds between two questions: longer and longer."""
    pause = LOOK_SECONDS
    while True:
        yield pause
        pause = min(1.2 * pause, LONGEST_SECONDS)
