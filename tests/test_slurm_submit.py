"""How a job of SLURM is asked for and how its end is told; without a SLURM."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from jobs import awkward_job

from cluster.errors import ClusterUnavailableError
from cluster.schedules.job import NightlyJob
from cluster.schedules.slurm import batch, batch_script
from cluster.spec import ClusterSpec
from cluster.submit.slurm import run, shown
from cluster.submit.state import parse_state

HPC = ClusterSpec(kind="slurm", workers=6, memory_gib=8)


@pytest.fixture
def job(tmp_path: Path) -> NightlyJob:
    """A night of paths with whatever shells take for their own."""
    return awkward_job(tmp_path, "$SLURM_PROCID|$*", cluster="hpc", options=("--json",))


def test_the_script_asks_for_what_the_site_wants(job: NightlyJob) -> None:
    options = {"partition": "short", "nodes": 2, "exclusive": True, "cpus-per-task": 2}
    spec = ClusterSpec(kind="slurm", workers=6, options=options)
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
    starts = files["hexcast-small.scrontab"]
    assert "#SCRON --ntasks=8\n" in starts
    assert "#SCRON --job-name=hexcast-small-nightly\n" in starts, "singletons wait for a name"
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
    for module in ("slurm", "asking"):
        monkeypatch.setattr(f"cluster.submit.{module}.LOOK_SECONDS", 0.01)
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
