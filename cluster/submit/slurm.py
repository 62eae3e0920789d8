"""A night as a job of SLURM: submitted, watched while it runs, and cancelled with whoever waits."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

from cluster.errors import ClusterUnavailableError
from cluster.guard import TRY_AGAIN
from cluster.schedules.job import NightlyJob
from cluster.schedules.slurm import batch_script
from cluster.signals import without_signals
from cluster.spec import ClusterSpec
from cluster.submit.asking import LOOK_SECONDS, UNANSWERED_SECONDS, Say, pauses
from cluster.submit.follow import Follower
from cluster.submit.state import JobState, job_state

CANCEL_SECONDS = 90.0  # SLURM itself waits half a minute before it kills
SUBMIT_SECONDS = 120.0
_OF_SHELLS = (126, 127)  # what was to be run cannot be run, or is not there


def shown(job: NightlyJob, spec: ClusterSpec) -> str:
    """The batch script that would be submitted."""
    return batch_script(job, spec, own_log=False)


def require_slurm() -> None:
    """Raise ClusterUnavailableError where nothing can be submitted from here."""
    for tool in ("sbatch", "scontrol", "scancel"):
        if shutil.which(tool) is None:
            raise ClusterUnavailableError(
                f"{tool} is not here: submit on a login node of the cluster, or install SLURM's "
                "commands (Debian: slurm-client)"
            )


def run(job: NightlyJob, spec: ClusterSpec, say: Say) -> int:
    """Submit the night, say what it says, line by line, and return its exit code.

    ``say``: is given ``out`` or ``err`` and a line. Whatever ends this ends the job, too. Raises
    ClusterUnavailableError where the job is not taken, or nobody knows it any more.
    """
    require_slurm()
    job.output.mkdir(parents=True, exist_ok=True)
    number = ""
    # On the disk of the store, which the nodes share.
    with TemporaryDirectory(prefix=".submit-", dir=job.output, ignore_cleanup_errors=True) as name:
        follower = Follower(Path(name), say)
        try:
            with without_signals():
                number = _submit(shown(job, spec), Path(name))
            ended = _watched(number, spec, follower)
        except BaseException:
            if number:
                _cancel(number)
            raise
        finally:
            for left in (*job.output.glob(f".ranks-{number}.*"), job.output / f".ended-{number}"):
                left.unlink(missing_ok=True)
    return _code(number, ended, say)


def _submit(script: str, folder: Path) -> str:
    """The number of the job that SLURM has taken."""
    # In names of files % stands for something, and %% for itself.
    files = (
        f"--{option}={str(folder / name).replace('%', '%%')}"
        for option, name in (("output", "out"), ("error", "err"))
    )
    command = ["sbatch", "--parsable", "--no-requeue", *files]
    try:
        done = subprocess.run(  # noqa: S603 -- no shell
            command,
            input=script,
            capture_output=True,
            text=True,
            check=True,
            timeout=SUBMIT_SECONDS,
        )
    except subprocess.TimeoutExpired as fault:
        raise ClusterUnavailableError(
            f"sbatch does not answer within {SUBMIT_SECONDS:g} s: try again, or ask squeue"
        ) from fault
    except subprocess.CalledProcessError as fault:
        said = " ".join(fault.stderr.split())
        raise ClusterUnavailableError(
            f"SLURM does not take the job ({said}): correct cluster.options, ask for less in "
            "cluster.workers and cluster.memory_gib, or try again when it answers"
        ) from fault
    return done.stdout.strip().partition(";")[0]  # the name of the cluster may follow


def _watched(number: str, spec: ClusterSpec, follower: Follower) -> JobState | None:
    """The state in which the job ended; None where it did not even start in time."""
    follower.say(f"job {number} is submitted to SLURM")
    said, until = "", monotonic() + spec.limit_hours * 3600
    for state in _states(number, max(spec.timeout_seconds, UNANSWERED_SECONDS)):
        follower.look()
        if state is None:
            continue
        if state.line != said:
            said = state.line
            follower.say(f"job {number} {said}")
        if state.ended:
            follower.finish()
            return state
        if state.name == "PENDING" and monotonic() > until:
            break
    _cancel(number)
    return None


def _states(number: str, patience: float) -> Iterator[JobState | None]:
    """What SLURM says of the job, asked less and less often; None in between, for ever.

    Raises ClusterUnavailableError where it has not answered for so many seconds.
    """
    pause, due, answered = pauses(), 0.0, monotonic()
    while True:
        state = None
        if monotonic() >= due:
            state, asked = job_state(number), monotonic()
            due = asked + next(pause)
            answered = answered if state is None else asked
        if monotonic() - answered > patience:
            raise ClusterUnavailableError(
                f"SLURM has not answered for {patience:g} s what became of job {number}: run again "
                "when it does"
            )
        yield state
        sleep(LOOK_SECONDS)


def _code(number: str, state: JobState | None, say: Say) -> int:
    """The night's exit code, or one that says what a scheduler is to do; then with a line."""
    if state is None:
        say("err", f"job {number} did not start within cluster.limit_hours: try again")
        return TRY_AGAIN
    if state.name in ("COMPLETED", "FAILED") and not state.signal and state.code not in _OF_SHELLS:
        if state.code < 128:
            return state.code
        say("err", f"the night was killed by signal {state.code - 128}: run again, which goes on")
        return TRY_AGAIN
    if state.name == "BOOT_FAIL" or state.code in _OF_SHELLS:
        say("err", f"job {number} {state.line}: it could not start hexcast on {state.nodes}")
        return ClusterUnavailableError.exit_code
    say("err", f"job {number} {state.line}: run again, which goes on where it stopped")
    return TRY_AGAIN


def _cancel(number: str) -> None:
    """End the job, and wait until nothing of it runs, for a while."""
    with without_signals(), suppress(ClusterUnavailableError, subprocess.TimeoutExpired):
        command = ["scancel", number]
        subprocess.run(command, capture_output=True, check=False, timeout=SUBMIT_SECONDS)  # noqa: S603
        until = monotonic() + CANCEL_SECONDS
        while monotonic() < until and not ((state := job_state(number)) and state.ended):
            sleep(0.5)
