"""What asks a command to end, and when it is heard."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cluster import signals
from cluster.signals import ENDED, ended_by_signals, without_signals

ASKS = (signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers_are_as_they_were() -> Iterator[None]:
    # Below a shell that has started the tests beside it, some are ignored.
    handlers = dict.fromkeys(ASKS, signal.SIG_DFL) | {signal.SIGINT: signal.default_int_handler}
    before = {each: signal.signal(each, handler) for each, handler in handlers.items()}
    yield
    assert {each: signal.getsignal(each) for each in handlers} == handlers
    for each, handler in before.items():
        signal.signal(each, handler)
    ENDED.clear()


@pytest.mark.parametrize("asked", ASKS)
def test_the_first_of_two_ends_the_block(asked: signal.Signals) -> None:
    closed = []

    def work() -> None:
        try:
            signal.raise_signal(asked)
        finally:
            for each in ASKS:  # as a shell, and a terminal that is closed, ask again
                signal.raise_signal(each)
            closed.append(True)

    with pytest.raises(SystemExit) as ended, ended_by_signals():
        work()
    assert ended.value.code == 128 + asked
    assert closed
    assert ENDED.is_set()


def test_what_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with ended_by_signals():
        signal.raise_signal(signal.SIGHUP)
        with without_signals():
            signal.raise_signal(signal.SIGHUP)
    assert not ENDED.is_set()
    assert signal.signal(signal.SIGHUP, signal.SIG_DFL) == signal.SIG_IGN


@pytest.mark.parametrize(
    ("asked", "raised"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)]
)
def test_a_signal_waits_for_the_end_of_what_must_not_be_torn(
    asked: signal.Signals, raised: type[BaseException]
) -> None:
    done = []

    def work() -> None:
        with without_signals():
            signal.raise_signal(asked)
            done.append("the block")
        done.append("what follows it")

    with pytest.raises(raised), ended_by_signals():
        work()
    assert done == ["the block"]


def test_a_signal_is_heard_also_where_the_block_fails() -> None:
    def work() -> None:
        with without_signals():
            signal.raise_signal(signal.SIGTERM)
            raise ValueError("it was killed by the same")

    with pytest.raises(SystemExit), ended_by_signals():
        work()


def test_programs_that_must_not_be_torn_are_not(tmp_path: Path) -> None:
    """Ctrl-C and a service that is stopped mean every process of a group."""
    ask = "import os, signal; os.kill(os.getppid(), signal.SIGTERM); os.kill(os.getpid(), 15)"
    command = [sys.executable, "-c", f"{ask}; open('done', 'w').close()"]

    def work() -> None:
        with without_signals():
            subprocess.run(command, check=True, cwd=tmp_path)

    with pytest.raises(SystemExit), ended_by_signals():
        work()
    assert (tmp_path / "done").exists()


def test_who_asks_again_later_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python does not pass on what is raised in some places."""
    monkeypatch.setattr(signals, "SAME_SECONDS", 0.0)

    def work() -> None:
        with suppress(SystemExit):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit), ended_by_signals():
        work()
