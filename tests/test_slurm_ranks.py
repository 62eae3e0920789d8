"""Which rank of a step of SLURM does what; without a SLURM."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import monotonic

import pytest
import yaml
from cities import Small, small_file

from cluster import ranks
from cluster.connect import connect
from cluster.errors import ClusterUnavailableError
from cluster.ranks import Step, own_step, require_step, take_part, wait_for_meeting, write_meeting
from cluster.spec import ClusterSpec
from pipeline.cli import main

STEP = {
    "SLURM_JOB_ID": "12",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_NODES": "1",
    "SLURM_STEP_NUM_TASKS": "4",
}


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """The configuration of a small city that wants SLURM."""
    cluster = {"kind": "slurm", "workers": 2, "timeout_seconds": 0.3}
    return small_file(tmp_path, Small(days=2).rows(), cluster=cluster)


def hexcast(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["hexcast", *map(str, words)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def step(monkeypatch: pytest.MonkeyPatch, rank: int, **changes: str) -> None:
    for name, value in (STEP | {"SLURM_PROCID": str(rank)} | changes).items():
        monkeypatch.setenv(name, value)


DAYS = ("--from", "2024-01-02", "--to", "2024-01-02")
COMMANDS = [
    ("nightly",), ("ingest",), ("cube",), ("train",), ("forecast",), ("check",), ("tune",),
    ("backfill", *DAYS), ("backtest", *DAYS),
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_ranks_that_serve_begin_nothing(
    city: Path,
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    served: list[Step] = []
    monkeypatch.setattr("cluster.serving.serve", lambda step, *_: served.append(step))
    command, *options = words
    for rank in (0, 2, 3):
        step(monkeypatch, rank)
        assert hexcast(monkeypatch, command, city, *options) == 0
    assert [each.rank for each in served] == [0, 2, 3]
    assert list((city.parent / "store").iterdir()) == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_outside_an_allocation_the_remedy_is_said(
    city: Path,
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("SLURM_STEP_ID", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    command, *options = words
    assert hexcast(monkeypatch, command, city, *options) == 69
    said = capsys.readouterr().err
    assert ("hexcast submit CONFIG" in said) == (command != "check")
    assert ("sbatch is not here" in said) == (command == "check")
    assert not (city.parent / "store").exists()


def test_what_needs_no_cluster_needs_no_allocation(
    city: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SLURM_STEP_ID", raising=False)
    monkeypatch.setattr("cluster.submit.slurm.shutil.which", lambda tool: tool)
    assert hexcast(monkeypatch, "check", city) == 0
    assert "slurm, 2 workers of an allocation" in capsys.readouterr().out
    for scheduler, code in (("cron", 0), ("slurm", 0), ("kubernetes", 78)):
        assert hexcast(monkeypatch, "schedule", city, "--for", scheduler) == code
    assert "or --for slurm" in capsys.readouterr().err


def test_a_step_that_is_none_for_a_night_is_said_once(
    city: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for rank in range(2):
        step(monkeypatch, rank, SLURM_STEP_NUM_TASKS="2")
        assert hexcast(monkeypatch, "nightly", city) == 69
        assert bool(capsys.readouterr().err) == (rank == 1)
    with pytest.raises(ClusterUnavailableError, match=r"has 2 tasks.* srun -n 4"):
        require_step(ClusterSpec(kind="slurm", workers=2))


def test_one_of_them_says_what_is_wrong_with_the_configuration(
    city: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    city.write_text(yaml.safe_dump(yaml.safe_load(city.read_text()) | {"cutof": "06:00"}))
    for rank in range(4):
        step(monkeypatch, rank)
        assert hexcast(monkeypatch, "nightly", city) == 78
    assert capsys.readouterr().err.count("unknown key") == 1


def test_a_batch_script_is_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    step(monkeypatch, 0)
    assert own_step() == Step("12.0.0", 0, 4, 1)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert own_step() == Step("12.0.1", 0, 4, 1)
    monkeypatch.delenv("SLURM_STEP_ID")
    assert own_step() is None


def test_a_scheduler_that_does_not_come_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "_night", None)
    spec = ClusterSpec(kind="slurm", workers=2, timeout_seconds=0.3)
    take_part(Step("12.0.0", ranks.NIGHT, 4, 1), spec, tmp_path)
    with (
        pytest.raises(ClusterUnavailableError, match=r"has not come to .*12\.0\.0\.json"),
        connect(spec),
    ):
        pass


@pytest.mark.parametrize("rank", [0, 2])
def test_without_its_library_the_extra_is_named(
    tmp_path: Path, rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cluster.runner", None)
    with pytest.raises(ClusterUnavailableError, match=r"pip install hexcast\[slurm\]"):
        take_part(Step("12.0.0", rank, 4, 1), ClusterSpec(kind="slurm", workers=2), tmp_path)


def test_a_worker_without_a_scheduler_ends(tmp_path: Path) -> None:
    """The night says why."""
    spec = ClusterSpec(kind="slurm", workers=2, timeout_seconds=0.3)
    with pytest.raises(SystemExit) as ended:
        take_part(Step("12.0.0", 2, 4, 1), spec, tmp_path)
    assert ended.value.code == 0


def test_half_a_meeting_is_not_read(tmp_path: Path) -> None:
    meeting = Step("12.0.0", 1, 4, 1).meeting(tmp_path)
    for half in ("", '{"address": "tcp', '{"address": "tcp://127.0.0.1:1"}'):
        meeting.write_text(half)
        meeting.chmod(0o600)
        begun = monotonic()
        assert wait_for_meeting(meeting, 0.1) is None
        assert monotonic() - begun < 5
    whole = {"address": "tls://127.0.0.1:1", "line": ["127.0.0.1", 2], "word": "w"}
    write_meeting(meeting, whole)
    assert wait_for_meeting(meeting, 0.1) == whole


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_meeting_that_others_may_have_written_or_read_is_refused(
    tmp_path: Path, mode: int
) -> None:
    meeting = Step("12.0.0", 1, 4, 1).meeting(tmp_path)
    write_meeting(meeting, {"line": []})
    meeting.chmod(mode)
    with pytest.raises(ClusterUnavailableError, match="not this user's alone"):
        wait_for_meeting(meeting, 0.1)


def test_what_somebody_has_put_in_the_way_is_not_written_to(tmp_path: Path) -> None:
    meeting, other = Step("12.0.0", 1, 4, 1).meeting(tmp_path), tmp_path / "other"
    other.touch(mode=0o666)
    meeting.with_suffix(".part").symlink_to(other)
    write_meeting(meeting, {"word": "w"})
    assert other.read_text() == ""
    assert json.loads(meeting.read_text()) == {"word": "w"}
