"""What befalls a cluster in the middle of a night: the night ends right, or the next one does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import psutil
import pytest
from chaos import contents, difference
from dask_processes import Processes, dask_processes, end
from lived import LOCAL, lived

from cluster.spec import ClusterUnavailableError
from pipeline.errors import BusyError
from pipeline.log import StageLog

AFTER = {"ingest": 2.5, "cube": 0.3, "train": 3.0, "forecast": 0.0, "layers": 0.2}  # seconds


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return contents(lived(tmp_path_factory.mktemp("undisturbed"), LOCAL))


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
    """How the night went on which it happened; a night after it ends, whatever became of that."""
    with at_stage(stage, fault) as happened:
        try:
            lived(folder, processes.spec)
            ended = "right"
        except (BusyError, ClusterUnavailableError) as error:
            ended = f"{error.exit_code}: {error}"
    assert happened == [stage]
    return ended


Fault = Callable[[Processes], None]


def kill_a_worker(processes: Processes) -> None:
    end(processes.workers[0])


def kill_its_process(processes: Processes) -> None:
    """Its nanny starts another."""
    [child] = psutil.Process(processes.workers[0].pid).children()[-1:]
    child.kill()


def kill_the_scheduler(processes: Processes) -> None:
    end(processes.scheduler)


ALWAYS = {(kill_a_worker, "train"), (kill_the_scheduler, "cube")}  # the others with make faults
FAULTS = [
    *((kill_a_worker, stage) for stage in AFTER),
    (kill_its_process, "train"),
    *((kill_the_scheduler, stage) for stage in AFTER),
]


@pytest.mark.parametrize(
    ("fault", "stage"),
    [pytest.param(*each, marks=() if each in ALWAYS else pytest.mark.faults) for each in FAULTS],
)
def test_the_night_or_the_next_one_ends_right(
    fault: Fault, stage: str, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    with dask_processes(tmp_path / "processes", 3) as processes:
        processes.spec |= {"wait_for": 2, "timeout_seconds": 20}
        begun = monotonic()
        ended = outcome(tmp_path, processes, stage, lambda: fault(processes))
        print(f"{fault.__name__:20}{stage:10}{monotonic() - begun:6.1f} s  {ended}")
    assert ended == "right" or ended.startswith(("69: ", "75: "))
    assert difference(contents(lived(tmp_path, LOCAL)), undisturbed) == ""
