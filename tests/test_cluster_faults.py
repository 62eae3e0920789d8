"""What befalls a cluster in the middle of a night: the night ends right, or the next one does.

A few with every run of the tests, all with ``make faults``.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from breaking import AFTER, outcome
from chaos import contents, difference
from dask_processes import Processes, dask_processes, end
from lived import LOCAL, NIGHT, NOW, lived
from networks import GATEWAY, Host, network, unavailable

from cluster.spec import ClusterSpec
from pipeline.backfill import run_backfill
from pipeline.config import Config
from pipeline.learning.boosting import tuning_path
from pipeline.tuning.recipe import run_tuning

CUT_SECONDS = 30


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return contents(lived(tmp_path_factory.mktemp("undisturbed"), LOCAL))


Fault = Callable[[Processes], None]


def kill_a_worker(processes: Processes) -> None:
    end(processes.workers[0])


def kill_its_process(processes: Processes) -> None:
    """Its nanny starts another."""
    _process_of(processes).kill()


def stall_a_worker(processes: Processes) -> None:
    """It does nothing for a while, as on a machine that swaps."""
    group = os.getpgid(processes.workers[0].pid)
    os.killpg(group, signal.SIGSTOP)
    threading.Timer(CUT_SECONDS, os.killpg, (group, signal.SIGCONT)).start()


def kill_the_scheduler(processes: Processes) -> None:
    end(processes.scheduler)


def _process_of(processes: Processes) -> psutil.Process:
    nanny = psutil.Process(processes.workers[0].pid)
    return next(child for child in nanny.children() if "spawn_main" in " ".join(child.cmdline()))


ALWAYS = {(kill_a_worker, "train")}
RIGHT = {kill_a_worker, kill_its_process, stall_a_worker}  # a night goes on without one worker
FAULTS = [
    *((kill_a_worker, stage) for stage in AFTER),
    *((kill_the_scheduler, stage) for stage in AFTER),
    *((fault, "train") for fault in (kill_its_process, stall_a_worker)),
    (stall_a_worker, "cube"),
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
        ended = outcome(tmp_path, processes, stage, lambda: fault(processes))
    if fault in RIGHT and stage != "ingest":
        assert ended == "right"
    assert difference(contents(lived(tmp_path, LOCAL)), undisturbed) == ""


@pytest.mark.faults
def test_a_backfill_goes_on_without_a_worker(tmp_path: Path) -> None:
    first, last = (NIGHT - timedelta(days=days) for days in (16, 1))
    killed = list[str]()
    with dask_processes(tmp_path / "processes", 3) as processes:

        def say(line: str) -> None:
            if "last chunk" in line and not killed:
                kill_a_worker(processes)
                killed.append(line)

        cities = [lived(tmp_path / name, LOCAL) for name in ("there", "here")]
        there, here = (city.config for city in cities)
        there = there.model_copy(update={"cluster": ClusterSpec(**processes.spec)})
        for config in (there, here):
            run_backfill(config, first.date(), last.date(), NOW, "missing", say)
    assert killed
    assert difference(*map(contents, cities)) == ""


def test_a_search_goes_on_without_a_worker(tmp_path: Path) -> None:
    killed = list[str]()
    with dask_processes(tmp_path / "processes", 2) as processes:

        def say(line: str) -> None:
            if "trial 1" in line and not killed:
                kill_a_worker(processes)
                killed.append(line)

        here = lived(tmp_path / "here", LOCAL).config
        there = here.model_copy(update={"cluster": ClusterSpec(**processes.spec)})
        found = _searched(there, say)
    assert killed
    tuning_path(here, NIGHT).unlink()
    assert found == _searched(here, lambda _: None)


def _searched(config: Config, say: Callable[[str], None]) -> list[dict[str, Any]]:
    trials = run_tuning(config, NOW, NIGHT, 30, say, most_trials=4)["trials"]
    assert len(trials) == 4
    return [{**trial, "seconds": 0} for trial in trials]


@pytest.mark.faults
def test_a_worker_with_too_little_memory_ends_no_night(
    undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    """It is ended by its nanny whenever it takes more, over and over."""
    with dask_processes(tmp_path / "processes", 2) as processes:
        processes.start_worker((), "--memory-limit", "300MiB")
        processes.spec |= {"wait_for": 2, "timeout_seconds": 20}
        outcome(tmp_path, processes, "cube", lambda: None)
    assert difference(contents(lived(tmp_path, LOCAL)), undisturbed) == ""


@pytest.mark.faults
@pytest.mark.skipif(bool(unavailable()), reason=unavailable())
@pytest.mark.parametrize("stage", ["cube", "train"])
def test_a_worker_is_cut_off_for_half_a_minute(
    stage: str, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    def cut(host: Host) -> None:
        host.plug(False)
        threading.Timer(CUT_SECONDS, host.plug, (True,)).start()

    with network(3) as hosts, dask_processes(tmp_path / "processes", 0, GATEWAY) as processes:
        for host in hosts:
            nowhere = tmp_path / host.name
            nowhere.mkdir()
            processes.start_worker(host.before(nowhere), "--host", host.address)
        processes.spec |= {"wait_for": 3, "timeout_seconds": 60}
        outcome(tmp_path, processes, stage, lambda: cut(hosts[0]))
    assert difference(contents(lived(tmp_path, LOCAL)), undisturbed) == ""
