"""A fault in the middle of a night, at a stage of it, and how the night went on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest
from dask_processes import Processes
from lived import lived

from cluster.errors import ClusterUnavailableError
from pipeline.errors import BusyError
from pipeline.log import StageLog

# Seconds from a stage's beginning: till then a cluster is reached, and at work.
AFTER = {"ingest": 2.5, "cube": 0.3, "train": 3.0, "forecast": 0.0, "layers": 0.2}

LONGEST_SECONDS = 200


@contextmanager
def at_stage(stage: str, fault: Callable[[], None]) -> Iterator[list[str]]:
    """The fault, once, a while after the stage of this name has begun."""
    happened = list[str]()

    def cause() -> None:
        fault()
        happened.append(stage)

    begin = StageLog.stage

    @contextmanager
    def stage_with_fault(log: StageLog, name: str) -> Iterator[None]:
        with begin(log, name):
            if name == stage and not happened:
                timer = threading.Timer(AFTER[stage], cause)
                timer.start()
                try:
                    yield
                finally:
                    timer.join()
            else:
                yield

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StageLog, "stage", stage_with_fault)
        yield happened


def outcome(folder: Path, processes: Processes, stage: str, fault: Callable[[], None]) -> str:
    """How the night went on which it happened: ``right``, or an exit code that asks for another.

    Printed with what happened and how long the night took, which is never as long as a hang.
    """
    begun = monotonic()
    with at_stage(stage, fault) as happened:
        try:
            lived(folder, processes.spec)
            ended = "right"
        except (BusyError, ClusterUnavailableError) as error:
            ended = f"{error.exit_code}: {error}"
    assert happened == [stage]
    seconds = monotonic() - begun
    print(f"{stage:10}{seconds:6.1f} s  {ended}")
    assert seconds < LONGEST_SECONDS
    assert ended == "right" or ended.startswith(("69: ", "75: "))
    return ended
