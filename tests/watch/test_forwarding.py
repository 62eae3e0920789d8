"""What workers log arrives here, a JSON object a line, with the run and the stage at work."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from threading import get_ident

import pytest
from distributed import Client

from cluster.forwarding import forwarded
from cluster.lazy import LazyCluster
from cluster.spec import ClusterSpec
from pipeline.log import StageLog, configure_logging, placing


def warn(name: str) -> None:
    logging.getLogger(name).warning("a row of https://user:secret@far.example is odd")


def test_a_warning_of_a_task_is_a_line_here(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging()
    log, names = StageLog("here-1"), ("hexcast", "pipeline.odd", "cluster.odd")
    spec = ClusterSpec(workers=1, memory_gib=1)
    with placing(log), LazyCluster(spec, tmp_path, (forwarded,)) as lazy, log.stage("train"):
        for name in names:
            lazy.client.submit(warn, name).result()
    *lines, ended = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert len(lines) == len(names)
    for line in lines:
        assert line["message"] == "a row of https://***@far.example is odd"
        assert (line["level"], line["run_id"], line["stage"]) == ("WARNING", "here-1", "train")
        assert line["worker"].startswith("tcp://127.0.0.1:")
    assert ended["message"].startswith("train ")


def issue() -> None:
    log = StageLog("there-2", measured=False)
    with placing(log, get_ident()), log.stage("layers"):
        warn("pipeline.odd")


def test_a_worker_that_knows_its_run_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging()
    spec = ClusterSpec(workers=1, memory_gib=1)
    with placing(StageLog("here-1")), LazyCluster(spec, tmp_path, (forwarded,)) as lazy:
        lazy.client.submit(issue).result()
    (line,) = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert (line["run_id"], line["stage"]) == ("there-2", "layers")


def test_workers_of_this_process_log_once(
    client: Client, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging()
    with forwarded(client):
        client.submit(warn, "hexcast").result()
    assert len(capfd.readouterr().err.splitlines()) == 1
