"""What ends a command, held so that what it started is ended, too."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

ENDED = threading.Event()  # set once a command was asked to end
_ASKS = (signal.SIGTERM, signal.SIGHUP)
Handler = Callable[[int, object], None]


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP raise SystemExit in the block, as Ctrl-C raises KeyboardInterrupt.

    So what is open is closed, also where the process is the first of a container, which Linux gives
    no signal that it does not handle. The first one counts: many ask twice, and that is not to tear
    what is being closed. One that is ignored, as under nohup, stays so.
    """

    def end(number: int, _: object) -> None:
        if not ENDED.is_set():
            ENDED.set()
            raise SystemExit(128 + number)

    ENDED.clear()
    with _handled(_ASKS, end):
        yield


@contextmanager
def without_signals() -> Iterator[None]:
    """What would end the block waits for its end: what was started elsewhere is not left there."""
    arrived: list[int] = []
    with _handled((signal.SIGINT, *_ASKS), lambda number, _: arrived.append(number)):
        yield
    if arrived:
        signal.raise_signal(arrived[0])


@contextmanager
def _handled(signals: Sequence[int], handler: Handler) -> Iterator[None]:
    """Only the main thread has handlers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    found = {each: signal.getsignal(each) for each in signals}
    before = {each: was for each, was in found.items() if was != signal.SIG_IGN}
    for each in before:
        signal.signal(each, handler)
    try:
        yield
    finally:
        for each, was in before.items():
            signal.signal(each, was)
