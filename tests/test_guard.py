"""Nothing waits without an end."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from time import monotonic

import pytest
from workers import in_process

from cluster.errors import WorkerLostError
from cluster.guard import TimeLimitError, time_limit, while_there

SOON = 0.05 / 3600  # hours


def test_what_takes_too_long_is_interrupted_and_told() -> None:
    waiting = threading.Event()
    with pytest.raises(TimeLimitError, match=r"cluster\.limit_hours") as fault, time_limit(SOON):
        waiting.wait(60)
    assert fault.value.exit_code == 75
    assert not isinstance(fault.value, Exception)  # which somebody might take for a damaged file


def test_what_ends_in_time_leaves_signals_and_timers_as_they_were() -> None:
    handler = signal.getsignal(signal.SIGALRM)
    before = signal.getitimer(signal.ITIMER_REAL)[0]
    with time_limit(1.0):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 3000
    assert signal.getsignal(signal.SIGALRM) is handler
    assert signal.getitimer(signal.ITIMER_REAL)[0] == pytest.approx(before, abs=5)


def test_a_command_that_does_not_even_close_is_ended() -> None:
    code = (
        "import cluster.guard as g, threading\n"
        "g.CLOSING_SECONDS = 0.05\n"
        f"with g.time_limit({SOON}):\n"
        "    try:\n        threading.Event().wait(60)\n"
        "    finally:\n        threading.Event().wait(60)\n"
    )
    begun = monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert done.returncode == 75
    assert "does not close" in done.stderr
    assert monotonic() - begun < 30


def test_results_and_faults_of_guarded_work_come_through() -> None:
    with in_process(workers=1, threads=1) as client:
        workers = list(client.nthreads())
        assert while_there(client, workers, lambda: 3) == 3
        with pytest.raises(ZeroDivisionError):
            while_there(client, workers, lambda: 1 // 0)
        with pytest.raises(TimeoutError, match="its own"):
            while_there(client, workers, _late)


def _late() -> None:
    raise TimeoutError("its own")


def test_work_of_a_worker_that_is_gone_is_not_waited_for() -> None:
    forever = threading.Event()
    with (
        in_process(workers=1, threads=1) as client,
        pytest.raises(WorkerLostError, match="tcp://nowhere:1 has left"),
    ):
        while_there(client, ["tcp://nowhere:1"], forever.wait)
    forever.set()
