"""Nights as jobs of a real SLURM: the same layers, exit codes, and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from chaos import contents, difference
from cities import Small, small_file
from lived import LOCAL, MODEL, NIGHT, Lived
from slurm_daemons import CORES, NODES, absent, slurm
from waiting import until

from cluster.certificates import make_certificates
from cluster.connect import connect
from cluster.errors import ClusterUnavailableError
from cluster.schedules.job import NightlyJob
from cluster.schedules.slurm import batch
from cluster.signals import ended_by_signals
from cluster.spec import ClusterSpec
from cluster.submit.slurm import run
from pipeline.load import load_config
from pipeline.scheduling import nightly_job

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(absent()), reason=absent() or "none"),
]
ROOT = Path(__file__).parent.parent
HPC = {"kind": "slurm", "workers": 2, "memory_gib": 2}
AS_OF = ("--as-of", f"{NIGHT:%Y-%m-%dT%H:%MZ}")


@dataclass
class Heard:
    """What a job has said, by stream."""

    lines: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, stream: str, line: str) -> None:
        self.lines.append((stream, line))

    def of(self, stream: str) -> str:
        return "\n".join(line for name, line in self.lines if name == stream)


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with slurm(tmp_path_factory.mktemp("slurm") / "daemons") as started:
        yield started


@pytest.fixture(autouse=True)
def at_home(conf: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands find this SLURM; afterwards neither job nor process is left."""
    monkeypatch.setenv("SLURM_CONF", str(conf))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    yield
    until(lambda: queued() == "", "the queue's end", 60)
    until(lambda: ranks() == [], "the end of all ranks", 60)


def queued() -> str:
    asked = ["squeue", "--noheader", "--format=%i %T"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout


def ranks(rank: int | None = None) -> list[psutil.Process]:
    """Processes of hexcast in steps of SLURM; of one rank its first."""
    found = []
    for process in psutil.process_iter():
        try:
            variables = process.environ()
            ours = "pipeline.cli" in process.cmdline() or rank is None
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            continue
        if ours and "SLURM_STEP_ID" in variables and rank in (None, int(variables["SLURM_PROCID"])):
            found.append(process)
    return found


def city(folder: Path, **changes: Any) -> Path:
    values: dict[str, Any] = {"model": MODEL, "cluster": HPC} | changes
    return small_file(folder, Small().rows(), **values)


def job_of(path: Path) -> NightlyJob:
    program = path.with_name("hexcast")
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m pipeline.cli "$@"\n')
    program.chmod(0o755)
    return replace(nightly_job(path, load_config(path), program, {}, None), options=AS_OF)


def submitted(path: Path, heard: Callable[[str, str], None], **changes: Any) -> int:
    spec = ClusterSpec(**(load_config(path).cluster.model_dump() | changes))
    return run(job_of(path), spec, heard)


def left(folder: Path) -> list[str]:
    names = (".submit-", ".ranks-", ".ended-")
    return [path.name for path in (folder / "store").iterdir() if path.name.startswith(names)]


def test_a_job_s_night_is_the_night_on_this_machine(tmp_path: Path) -> None:
    there, here = city(tmp_path / "there"), city(tmp_path / "here", cluster=LOCAL)
    heard = Heard()
    assert submitted(there, heard) == 0, heard.of("err")
    command = [sys.executable, "-m", "pipeline.cli", "nightly", str(here), *AS_OF]
    subprocess.run(command, check=True, capture_output=True)
    found, wanted = (contents(Lived(path.parent, load_config(path))) for path in (there, here))
    assert difference(found, wanted) == ""
    assert "layers as of" in heard.of("out")
    assert '"stage": "train"' in heard.of("err")
    assert '"stage"' not in heard.of("out")
    assert "is submitted" in heard.lines[0][1]
    assert "ERROR" not in heard.of("err")
    assert left(there.parent) == []
    schedule(there)
    assert "is done already" in (there.parent / "store" / "logs" / "nightly.log").read_text()


def schedule(path: Path) -> None:
    """As scrontab would start it, to its end."""
    for name, text in batch(job_of(path), ClusterSpec(**HPC), path.parent).items():
        path.with_name(name).write_text(text)
    command = ["sbatch", "--wait", str(path.with_name("hexcast-small.sbatch"))]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def test_a_night_s_own_exit_code_comes_through(tmp_path: Path) -> None:
    path, heard = city(tmp_path), Heard()
    shutil.rmtree(tmp_path / "in")
    assert submitted(path, heard) == 66
    assert heard.of("err").count("no file at") == 1
    config = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(config | {"cutoff": "06:00"}))
    heard = Heard()

    def broken(stream: str, line: str) -> None:
        """What is submitted was right when it was."""
        heard(stream, line)
        if "is submitted" in line:
            path.write_text("nothing: here\n")

    assert submitted(path, broken) == 78
    assert heard.of("err").count("nothing: unknown key") == 1
    assert left(tmp_path) == []


def test_a_job_that_is_interrupted_is_cancelled(tmp_path: Path) -> None:
    """By SIGTERM, as whoever runs it by a timer would end it."""
    path = city(tmp_path)

    def at_work(stream: str, line: str) -> None:
        if '"stage": "ingest"' in line:
            assert len({process.environ()["SLURM_PROCID"] for process in ranks()}) == 4
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()

    with pytest.raises(SystemExit) as ended, ended_by_signals():
        submitted(path, at_work)
    assert ended.value.code == 128 + signal.SIGTERM
    assert queued() == ""
    assert left(tmp_path) == []
    assert list((tmp_path / "store" / "runs").glob("*")) == []


def test_a_night_goes_on_without_a_worker(tmp_path: Path) -> None:
    """Nor does anybody take part who has not read the file by which its ranks meet."""
    path = city(tmp_path, cluster=HPC | {"options": {"nodes": 2}})
    heard, addresses = Heard(), list[str]()

    def at_work(stream: str, line: str) -> None:
        heard(stream, line)
        if '"stage": "cube"' in line:
            (meeting,) = (tmp_path / "store").glob(".ranks-*")
            assert stat.S_IMODE(meeting.stat().st_mode) == 0o600
            addresses.append(json.loads(meeting.read_text())["address"])
            at = {"kind": "address", "address": addresses[0], "timeout_seconds": 5}
            other = ClusterSpec(**at, tls=make_certificates())
            with pytest.raises(ClusterUnavailableError, match="no scheduler"), connect(other):
                pass
            ranks(3)[0].kill()

    assert submitted(path, at_work) == 0, heard.of("err")
    assert addresses[0].startswith("tls://")
    assert not addresses[0].startswith("tls://127.0.0.1:")
    assert f"runs on {','.join(NODES)}" in heard.of("err")
    assert "layers as of" in heard.of("out")


def test_a_night_that_is_killed_leaves_no_rank(tmp_path: Path) -> None:
    path, heard = city(tmp_path), Heard()

    def at_work(stream: str, line: str) -> None:
        heard(stream, line)
        if '"stage": "ingest"' in line:
            ranks(1)[0].kill()

    assert submitted(path, at_work) == 75
    assert "killed by signal 9" in heard.of("err")
    assert left(tmp_path) == []


def test_what_slurm_does_not_take_is_said(tmp_path: Path) -> None:
    with pytest.raises(ClusterUnavailableError, match=r"invalid partition.*cluster\.options"):
        submitted(city(tmp_path), Heard(), options={"partition": "nowhere"})
    with pytest.raises(ClusterUnavailableError, match=r"not available.*less in cluster\.workers"):
        submitted(city(tmp_path), Heard(), workers=CORES)
    assert left(tmp_path) == []


def test_a_job_that_does_not_start_is_given_up(tmp_path: Path) -> None:
    heard = Heard()
    later = {"options": {"begin": "now+1hour"}, "limit_hours": 0.001}
    assert submitted(city(tmp_path), heard, **later) == 75
    assert "is pending (BeginTime)" in heard.of("err")
    assert "did not start within cluster.limit_hours" in heard.of("err")
    assert left(tmp_path) == []
