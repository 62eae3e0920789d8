"""Nights on a cluster of separate, encrypted processes: the same as on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaos import contents, difference
from dask_processes import Processes, dask_processes, end, make_certificates
from lived import LOCAL, lived

from cluster.connect import connect
from cluster.errors import ClusterUnavailableError
from cluster.spec import ClusterSpec


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with dask_processes(tmp_path_factory.mktemp("processes"), 3) as started:
        yield started


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a night leaves behind that had this machine's own workers."""
    return contents(lived(tmp_path_factory.mktemp("here"), LOCAL))


def test_a_night_on_separate_processes_is_the_night_on_this_machine(
    processes: Processes, here: dict[str, Any], tmp_path: Path
) -> None:
    there = lived(tmp_path, processes.spec)
    assert difference(contents(there), here) == ""
    assert [path.name for path in (tmp_path / "store").glob(".probe*")] == []


def reached(processes: Processes, **changes: Any) -> ClusterSpec:
    return ClusterSpec(**(processes.spec | {"timeout_seconds": 10} | changes))


def test_a_worker_with_other_code_is_named(processes: Processes, tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    for name in ("cluster", "forecasts", "grids", "pipeline"):
        shutil.copytree(root / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "grids" / "clock.py").open("a") as file:
        file.write("# another release\n")
    count = len(processes.workers)
    other = processes.start_worker(["env", f"PYTHONPATH={tmp_path}"])
    try:
        with (
            pytest.raises(ClusterUnavailableError, match="has other code of grids"),
            connect(reached(processes, wait_for=count + 1, timeout_seconds=60)),
        ):
            pass
    finally:
        end(other)
        processes.workers.remove(other)


def test_a_client_of_another_authority_is_turned_away(processes: Processes, tmp_path: Path) -> None:
    make_certificates(tmp_path, "127.0.0.1")
    tls = {name: str(tmp_path / f"{name}.pem") for name in ("ca", "cert", "key")}
    with (
        pytest.raises(ClusterUnavailableError, match="no scheduler answers") as fault,
        connect(reached(processes, tls=tls, timeout_seconds=2)),
    ):
        pass
    assert fault.value.exit_code == 69


def test_too_few_workers_are_said(processes: Processes) -> None:
    with (
        pytest.raises(ClusterUnavailableError, match=r"has \d workers after 1 s, not 9"),
        connect(reached(processes, wait_for=9, timeout_seconds=1)),
    ):
        pass
