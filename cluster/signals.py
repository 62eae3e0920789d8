"""What ends a command, held so that what it started is ended, too."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

ENDED = threading.Event()  # set once a command was asked to end
SAME_SECONDS = 5.0  # in which whoever asks again means the same
_ASKS = (signal.SIGTERM, signal.SIGHUP)
_ALL = (signal.SIGINT, *_ASKS)
Handler = Callable[[int, object], None]


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP raise SystemExit in the block, as Ctrl-C raises KeyboardInterrupt.

    So what is open is closed, also where the process is the first of a container, which Linux gives
    no signal that it does not handle. Many ask twice, which is not to tear what is being closed.
    One that is ignored, as under nohup, stays so.
    """
    asked: list[float] = []

    def end(number: int, _: object) -> None:
        ENDED.set()
        if not asked or monotonic() - asked[-1] > SAME_SECONDS:
            asked.append(monotonic())
            raise SystemExit(128 + number)

    ENDED.clear()
    with _handled(_ASKS, end):
        yield


@contextmanager
def without_signals() -> Iterator[None]:
    """What would end the block waits for its end: what was started elsewhere is not left there.

    Nor does it end programs that the block runs, which may be meant, too: they inherit the mask.
    """
    arrived: list[int] = []
    try:
        with _handled(_ALL, lambda number, _: arrived.append(number)):
            before = signal.pthread_sigmask(signal.SIG_BLOCK, _ALL)
            try:
                yield
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
    finally:
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
