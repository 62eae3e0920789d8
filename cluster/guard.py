"""Ends to waiting: for workers that have left, and for work that takes too long."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from cluster.errors import WorkerLostError

if TYPE_CHECKING:
    from distributed import Client

LOOK_SECONDS = 1.0  # between two looks at who is there
CLOSING_SECONDS = 60.0  # for a command beyond its limit to close what it holds
TRY_AGAIN = 75
ANSWER_SECONDS = 60.0
Result = TypeVar("Result")


class TimeLimitError(BaseException):
    """A command takes longer than it may. No Exception, so that nothing goes on in spite of it."""

    exit_code = TRY_AGAIN


@contextmanager
def time_limit(hours: float) -> Iterator[None]:
    """Raise TimeLimitError in the block once it takes longer; end the process if that hangs, too.

    Only the main thread has a limit: Python runs handlers of signals there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise TimeLimitError(
            f"this takes longer than cluster.limit_hours ({hours:g}): run again, which goes on "
            "where it stopped, or allow more"
        )

    # A thread's, since handlers of signals wait for whatever is at work in another language.
    last = threading.Timer(hours * 3600 + CLOSING_SECONDS, _end)
    last.daemon = True
    last.start()
    handler = signal.signal(signal.SIGALRM, stop)
    timer = signal.setitimer(signal.ITIMER_REAL, hours * 3600)
    try:
        yield
    finally:
        last.cancel()
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)


def _end() -> None:
    print("hexcast: does not close within a minute: ended", file=sys.stderr, flush=True)
    os._exit(TRY_AGAIN)


def while_there(client: Client, workers: Iterable[str], do: Callable[[], Result]) -> Result:
    """What ``do`` returns; WorkerLostError as soon as one of the workers (addresses) has left.

    For work that waits for ever for a worker that does not come back, as XGBoost's does.
    """
    wanted, outcome = set(workers), Future[Result]()

    def work() -> None:
        try:
            outcome.set_result(do())
        except BaseException as fault:  # noqa: BLE001 - raised again where it is waited for
            outcome.set_exception(fault)

    threading.Thread(target=work, daemon=True).start()
    while True:
        try:
            return outcome.result(timeout=LOOK_SECONDS)
        except TimeoutError:
            if outcome.done():  # meanwhile; or the work's own error
                return outcome.result()
            lost = sorted(wanted - client.nthreads().keys())
            if lost:
                raise WorkerLostError(f"worker {lost[0]} has left while it was at work") from None


def ask(client: Client, function: Callable[..., Result], *arguments: Any) -> dict[str, Result]:
    """What the function returns on each worker, by address.

    Not as a task: workers answer while they are at work. Raises WorkerLostError where one does not
    answer in time, for which ``Client.run`` would wait without end.
    """
    from distributed.comm.core import CommClosedError

    try:
        found: dict[str, Result] = client.sync(
            client._run, function, *arguments, callback_timeout=ANSWER_SECONDS
        )
    except (TimeoutError, CommClosedError) as fault:
        reason = str(fault) or f"within {ANSWER_SECONDS:g} s"
        raise WorkerLostError(f"a worker does not answer ({reason})") from fault
    return found
