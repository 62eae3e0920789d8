"""Nights submitted to a cluster of separate, encrypted processes: their driver runs there, too."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from chaos import contents, difference
from cities import Small, small_file
from dask_processes import Processes, dask_processes
from lived import MODEL, NIGHT, Lived
from waiting import until

from cluster.connect import connect
from cluster.errors import ClusterUnavailableError
from cluster.spec import ClusterSpec
from cluster.submit.driver import CLOSING_SECONDS
from cluster.submit.task import workers_of
from pipeline.load import load_config

HEXCAST = Path(sys.executable).with_name("hexcast")
AT = ["--as-of", NIGHT.isoformat()]


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with dask_processes(tmp_path_factory.mktemp("processes"), 2) as started:
        yield started


@pytest.fixture
def city(processes: Processes, tmp_path: Path) -> Path:
    (tmp_path / "clusters.yaml").write_text(yaml.safe_dump({"office": processes.spec}))
    return small_file(tmp_path, Small().rows(), model=MODEL)


def command(name: str, city: Path, *more: str) -> list[str]:
    return [str(HEXCAST), name, str(city), *AT, *more]


def run(name: str, city: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(name, city, *more), capture_output=True, text=True, check=False, timeout=120
    )


def drivers(processes: Processes) -> list[psutil.Process]:
    """Processes in which a worker runs a night."""
    nannies = [psutil.Process(worker.pid) for worker in processes.workers]
    below = (child for nanny in nannies for child in nanny.children(recursive=True))
    return [each for each in below if "pipeline.submitted" in _words(each)]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def kept(processes: Processes) -> list[Any]:
    """What a cluster still has of nights: tasks, results, and what they said."""
    with connect(ClusterSpec(**processes.spec)) as client:
        tasks = [*client.processing().values(), *client.has_what().values()]
        said = [topic for topic in client.get_events() if topic.startswith("hexcast-")]
    return [*filter(None, tasks), *said]


def test_a_submitted_night_is_the_night_of_this_machine(
    processes: Processes, city: Path, tmp_path: Path
) -> None:
    there = run("submit", city, "--cluster", "office", "--json")
    assert there.returncode == 0, there.stderr
    assert json.loads(there.stdout)["city"] == "small", "standard output is the night's alone"
    said = there.stderr.splitlines()
    assert processes.spec["address"].rpartition(":")[0] in said[0]
    stages = [line["stage"] for line in map(json.loads, said[1:]) if "seconds" in line]
    assert stages[:2] == ["ingest", "cube"]

    other = tmp_path / "other"
    assert run("nightly", city, "--out", str(other)).returncode == 0
    ours, own = (Lived(tmp_path, load_config(city, out)) for out in (None, other))
    assert difference(contents(ours), contents(own)) == ""

    again = run("submit", city, "--cluster", "office")
    assert (again.returncode, "done already" in again.stdout) == (0, True)
    assert drivers(processes) == []
    assert kept(processes) == []


def test_the_nights_exit_code_and_words_come_through(city: Path, tmp_path: Path) -> None:
    (tmp_path / "in" / "incidents.csv").unlink()
    found = run("submit", city, "--cluster", "office")
    assert found.returncode == 66
    assert "hexcast: " in found.stderr.splitlines()[-1]


def test_a_night_whose_worker_is_a_task_of_slurm_says_what_is_wrong(tmp_path: Path) -> None:
    """Of a step itself only one task speaks."""
    numbers = {"SLURM_STEP_ID": "0", "SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "8"}
    path = str(tmp_path / "small.yaml")
    asked = {"arguments": ["nightly", path], "files": {path: "nothing: here\n"}}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline.submitted"],
        stdin=pipe, stderr=pipe, text=True, env=os.environ | numbers,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stderr
        print(json.dumps(asked), file=process.stdin, flush=True)  # and open: its end is the night's
        assert "nothing: unknown key" in process.stderr.read()
    assert process.returncode == 78


@pytest.mark.parametrize("way", [signal.SIGTERM, signal.SIGKILL])
def test_who_ends_the_command_ends_the_night(
    processes: Processes, city: Path, tmp_path: Path, way: int
) -> None:
    words = command("submit", city, "--cluster", "office")
    with subprocess.Popen(words, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        until((tmp_path / "store" / "silver").exists, "silver")
        assert len(drivers(processes)) == 1
        process.send_signal(way)
    until(lambda: not drivers(processes), "the night's end", CLOSING_SECONDS / 2)  # by itself
    assert not (tmp_path / "store" / "latest").exists()


@pytest.mark.parametrize("anywhere", [True, False])
def test_a_night_outlives_the_worker_that_it_ran_on(
    processes: Processes, city: Path, tmp_path: Path, anywhere: bool
) -> None:
    words = command("submit", city, "--cluster", "office")
    if anywhere:  # any of the workers has the store; else one is to make it
        (tmp_path / "store").mkdir()
    with subprocess.Popen(words, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        until(lambda: drivers(processes), "a driver")
        (driver,) = drivers(processes)
        before = driver.pid
        worker = driver.parent()
        assert worker is not None
        os.kill(worker.pid, signal.SIGKILL)
        until(lambda: not psutil.pid_exists(before), "the end of the orphan", 10)
        assert process.wait(90) == 0
    assert (tmp_path / "store" / "latest").exists()


def test_what_would_be_submitted_is_shown_and_nothing_done(
    processes: Processes, city: Path, tmp_path: Path
) -> None:
    found = run("submit", city, "--cluster", "office", "--dry-run")
    assert found.returncode == 0
    assert processes.spec["address"] in found.stdout
    store = tmp_path / "store"
    assert f"hexcast nightly {city} --cluster office --out {store} --as-of" in found.stdout
    assert not store.exists()


def test_this_machine_is_nothing_to_submit_to(city: Path) -> None:
    found = run("submit", city)
    assert found.returncode == 78
    assert "cluster.kind is local, which is this machine: hexcast nightly" in found.stderr


def test_a_store_that_no_worker_can_make_is_said(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        connect(ClusterSpec(**processes.spec)) as client,
        pytest.raises(ClusterUnavailableError, match="no worker has, or may make"),
    ):
        workers_of(client, tmp_path / "file" / "store")
