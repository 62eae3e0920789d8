"""What SLURM is asked for, which rank does what, and how a job's end is told; without a SLURM."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import time
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import yaml
from cities import Small, small_file
from pydantic import ValidationError

from cluster import ranks
from cluster.allocation import Allocation
from cluster.connect import connect
from cluster.errors import ClusterUnavailableError
from cluster.ranks import Step, own_step, require_step, take_part, wait_for_meeting
from cluster.schedules.job import NightlyJob
from cluster.schedules.slurm import batch, batch_script
from cluster.spec import ClusterSpec
from cluster.submit.slurm import run, shown
from cluster.submit.state import parse_state
from pipeline.cli import main

HPC = ClusterSpec(kind="slurm", workers=6, memory_gib=8)
TLS = {"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}
STEP = {
    "SLURM_JOB_ID": "12",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_NODES": "1",
    "SLURM_STEP_NUM_TASKS": "4",
}


# What is asked for


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"workers": 0}, "how many workers"),
        ({"address": "tcp://127.0.0.1:8786"}, "address and tls go with kind: address"),
        ({"options": {"p": "short"}}, "'p' is no long option"),
        ({"options": {"--partition": "short"}}, "is no long option"),
        ({"options": {"ntasks": 3}}, "ntasks follows from workers"),
        ({"options": {"time": 3}}, "time follows from"),
        ({"options": {"comment": "two words"}}, "is no value of sbatch"),
        ({"options": {"partition": "a\n#SBATCH --uid=0"}}, "is no value of sbatch"),
        ({"options": {"exclusive": False}}, "is no value of sbatch"),
        ({"options": {"nodes": "2-4"}}, "nodes: '2-4' is no number"),
        ({"options": {"nodes": 2}}, "between nodes nothing is encrypted"),
        ({"kind": "local", "options": {"nodes": 1}}, "options go with kind: slurm"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ClusterSpec(**{"kind": "slurm", "workers": 6, **changes})


@pytest.mark.parametrize("allowed", [{"insecure": True}, {"tls": TLS}])
def test_nodes_talk_encrypted_or_with_a_word(allowed: dict[str, Any]) -> None:
    spec = ClusterSpec(kind="slurm", workers=6, options={"nodes": 2}, **allowed)
    assert spec.encrypted == ("tls" in allowed)
    assert spec.beside == ClusterSpec(workers=6, insecure="insecure" in allowed)


@pytest.mark.parametrize(
    ("nodes", "on_each", "mib"),
    [(1, 8, (6 * 8 + 4 + 1) * 1024), (2, 4, (4 * 8 + 5) * 1024), (3, 3, (3 * 8 + 5) * 1024)],
)
def test_a_node_has_memory_for_its_workers(nodes: int, on_each: int, mib: int) -> None:
    assert Allocation.of(6, 8.0, 4.0, {"nodes": nodes}) == Allocation(8, nodes, on_each, mib)


@pytest.fixture
def job(tmp_path: Path) -> NightlyJob:
    """A night of paths with whatever shells take for their own."""
    folder = tmp_path / "a b%c'd$HOME"
    folder.mkdir()
    hexcast = folder / "hexcast"
    hexcast.write_text('#!/bin/sh\necho "$SLURM_PROCID|$*"\nexit $CODE\n')
    hexcast.chmod(0o755)
    return NightlyJob(
        name="small",
        config=folder / "small.yaml",
        hexcast=hexcast,
        output=folder / "store",
        timezone="America/Denver",
        cutoff=time(0),
        cluster="hpc",
        options=("--json",),
    )


def test_the_script_asks_for_what_the_site_wants(job: NightlyJob) -> None:
    options = {"partition": "short", "nodes": 2, "exclusive": True, "cpus-per-task": 2}
    spec = ClusterSpec(kind="slurm", workers=6, insecure=True, options=options)
    asked = [line for line in shown(job, spec).splitlines() if line.startswith("#SBATCH")]
    assert asked == [
        "#SBATCH --job-name=hexcast-small",
        "#SBATCH --nodes=2",
        "#SBATCH --ntasks=8",
        "#SBATCH --ntasks-per-node=4",
        "#SBATCH --cpus-per-task=2",
        "#SBATCH --mem=21504M",
        "#SBATCH --time=340",
        "#SBATCH --dependency=singleton",
        "#SBATCH --partition=short",
        "#SBATCH --exclusive",
    ]


def test_what_is_scheduled_is_what_is_submitted_with_a_log_of_its_own(
    job: NightlyJob, tmp_path: Path
) -> None:
    submitted = shown(job, HPC).splitlines()
    files = batch(job, HPC, tmp_path)
    scheduled = files["hexcast-small.sbatch"].splitlines()
    assert [line for line in submitted[2:] if line not in scheduled] == []
    more = [line for line in scheduled[2:] if line not in submitted]
    assert [line.split()[0] for line in more] == ["#SBATCH", "mkdir", "exec"]
    assert "#SCRON --ntasks=8\n" in files["hexcast-small.scrontab"]
    assert "srun" not in batch_script(job, ClusterSpec(workers=2))


SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
for rank in 0 1 2; do SLURM_PROCID=$rank "$@" || code=$?; done
exit ${WORSE:-${code:-0}}
"""


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"CODE": "0"}, 0),
        ({"CODE": "66"}, 66),
        ({"CODE": "0", "WORSE": "137"}, 0),  # of a worker that was killed
        ({"CODE": "75", "WORSE": "137"}, 75),
    ],
)
def test_the_script_ends_as_the_night_did(
    job: NightlyJob, tmp_path: Path, environment: dict[str, str], code: int
) -> None:
    (tmp_path / "srun").write_text(SRUN)
    (tmp_path / "srun").chmod(0o755)
    done = _bash(shown(job, HPC), tmp_path, **environment)
    assert done.returncode == code, done.stderr
    words = f"nightly {job.config} --cluster hpc --json"
    assert done.stdout.splitlines() == [f"{rank}|{words}" for rank in range(3)]
    assert list(job.output.iterdir()) == []


def test_a_night_that_never_began_is_a_cluster_that_is_not_there(
    job: NightlyJob, tmp_path: Path
) -> None:
    (tmp_path / "srun").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "srun").chmod(0o755)
    assert _bash(shown(job, HPC), tmp_path).returncode == 69


def _bash(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    paths = {"PATH": f"{folder}:/usr/bin:/bin", "SLURM_JOB_ID": "12", **environment}
    command = ["bash", "-c", script]
    return subprocess.run(command, env=paths, capture_output=True, text=True, check=False)


# Which rank does what


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


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"SLURM_STEP_NUM_TASKS": "2"}, "has 2 tasks.* srun -n 4"),
        ({"SLURM_STEP_NUM_NODES": "3"}, "has 3 nodes, between which nothing would be encrypted"),
    ],
)
def test_a_step_that_is_none_for_a_night_is_said_once(
    city: Path,
    changes: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for rank in range(2):
        step(monkeypatch, rank, **changes)
        assert hexcast(monkeypatch, "nightly", city) == 69
        assert bool(capsys.readouterr().err) == (rank == 1)
    with pytest.raises(ClusterUnavailableError, match=said):
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
        begun = monotonic()
        assert wait_for_meeting(meeting, 0.1) is None
        assert monotonic() - begun < 5
    whole = {"address": "tcp://127.0.0.1:1", "line": ["127.0.0.1", 2], "word": "w"}
    meeting.write_text(json.dumps(whole))
    assert wait_for_meeting(meeting, 0.1) == whole


# How a job ends

LINE = (
    "JobId=12 JobName=a JobState={0} Reason={1} Dependency=(null) ExitCode={2} ReqNodeList=(null)"
    " NodeList=n1 Command=(null)"
)
TOOLS = {
    "sbatch": 'cat >$0.script; echo "$*" >$0.words; echo "12;cluster"; exit ${SBATCH:-0}',
    # Writes as the night would, and answers the next state.
    "scontrol": r"""
folder=$(sed -n 's/.*--output=\(.*\)\/out .*/\1/p' HERE/sbatch.words)
echo said >"$folder"/out
printf unfinished >"$folder"/err
sed -n 1p HERE/states
[ $(wc -l <HERE/states) = 1 ] || sed -i 1d HERE/states""",
    "scancel": 'echo "$*" >>HERE/cancelled; echo "CANCELLED" >HERE/states',
}


@pytest.fixture
def site(tmp_path: Path, job: NightlyJob, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands that stand for SLURM's; the file ``states`` holds what scontrol is to answer."""
    cancelled = LINE.format("CANCELLED", "None", "0:15")
    for name, text in TOOLS.items():
        body = text.replace("HERE", str(tmp_path)).replace("CANCELLED", cancelled)
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("cluster.submit.slurm.LOOK_SECONDS", 0.01)
    return tmp_path


def states(folder: Path, *rows: tuple[str, str, str]) -> None:
    (folder / "states").write_text("".join(LINE.format(*row) + "\n" for row in rows))


RUNNING = ("RUNNING", "None", "0:0")


@pytest.mark.parametrize(
    ("state", "exits", "code", "said"),
    [
        ("COMPLETED", "0:0", 0, "is done"),
        ("FAILED", "66:0", 66, "failed"),
        ("FAILED", "69:0", 69, "failed"),
        ("FAILED", "137:0", 75, "killed by signal 9"),
        ("FAILED", "127:0", 69, "could not start hexcast on n1"),
        ("FAILED", "0:9", 75, "run again, which goes on"),
        ("TIMEOUT", "0:15", 75, "took longer than its time limit: run again"),
        ("OUT_OF_MEMORY", "0:125", 75, "took more memory than it asked for: run again"),
        ("CANCELLED", "0:0", 75, "was cancelled: run again"),
        ("NODE_FAIL", "0:0", 75, "lost a node: run again"),
        ("PREEMPTED", "0:0", 75, "had to give way to another: run again"),
        ("BOOT_FAIL", "0:0", 69, "could not start hexcast"),
    ],
)
def test_a_job_s_end_is_an_exit_code(
    job: NightlyJob, site: Path, state: str, exits: str, code: int, said: str
) -> None:
    job = replace(job, output=site / "store")
    states(site, ("PENDING", "Priority", "0:0"), RUNNING, (state, "None", exits))
    heard: list[tuple[str, str]] = []
    assert run(job, HPC, lambda *line: heard.append(line)) == code
    errors = [line for stream, line in heard if stream == "err"]
    assert errors[:2] == ["job 12 is submitted to SLURM", "job 12 is pending (Priority)"]
    assert "job 12 runs on n1" in errors
    assert said in "\n".join(errors)
    assert ("err", "unfinished") in heard
    assert ("out", "said") in heard
    assert list(job.output.iterdir()) == []
    assert (site / "sbatch.script").read_text() == shown(job, HPC)
    assert not (site / "cancelled").exists()


def test_whatever_ends_the_waiting_ends_the_job(job: NightlyJob, site: Path) -> None:
    job = replace(job, output=site / "store")
    states(site, RUNNING, RUNNING)

    def interrupted(_: str, line: str) -> None:
        if "runs on" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(job, HPC, interrupted)
    assert (site / "cancelled").read_text() == "12\n"
    assert list(job.output.iterdir()) == []


def test_a_job_that_nobody_knows_any_more_is_said(
    job: NightlyJob, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.submit.slurm.CANCEL_SECONDS", 0)
    (site / "scontrol").write_text(
        "#!/bin/sh\necho 'error: Invalid job id specified' >&2\nexit 1\n"
    )
    with pytest.raises(ClusterUnavailableError, match="does not know job 12 any more"):
        run(job, HPC, lambda *_: None)
    (site / "scontrol").write_text("#!/bin/sh\nexit 1\n")
    monkeypatch.setattr("cluster.submit.slurm.UNANSWERED_SECONDS", 0)
    with pytest.raises(ClusterUnavailableError, match="has not answered for"):
        run(job, ClusterSpec(kind="slurm", workers=6, timeout_seconds=0.1), lambda *_: None)


def test_without_slurm_nothing_is_submitted(
    job: NightlyJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ClusterUnavailableError, match="sbatch is not here: submit on a login node"):
        run(job, HPC, lambda *_: None)
    assert not job.output.exists()


def test_a_job_that_is_not_taken_is_said(
    job: NightlyJob, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBATCH", "1")
    with pytest.raises(ClusterUnavailableError, match=r"does not take the job.*cluster\.options"):
        run(job, HPC, lambda *_: None)
    assert list(job.output.iterdir()) == []


def test_what_is_no_state_is_none() -> None:
    assert parse_state("") is None
    assert parse_state("JobId=12 JobState=RUNNING") is None
    assert parse_state(LINE.format("RUNNING", "None", "0:0")) is not None
