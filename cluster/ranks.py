"""The ranks of a step of SLURM: ``srun`` starts the same command on each of them.

One is Dask's scheduler, one is the night, the others work. They meet by a file in a folder that
all of them see. The night holds a connection to the scheduler's rank open from then on: however its
process ends, that one notices, and ends itself and the workers. So nothing has to be told at the
end, and a night that is killed leaves no rank behind.
"""

from __future__ import annotations

import hmac
import json
import os
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from cluster.allocation import BESIDE_WORKERS
from cluster.errors import ClusterUnavailableError
from cluster.signals import ENDED
from cluster.spec import Certificates, ClusterSpec

SCHEDULER, NIGHT = 0, 1  # as of dask-jobqueue's runner
LOOK_SECONDS = 0.2  # between two looks at the folder
NONCE = 64  # bytes


@dataclass(frozen=True)
class Step:
    """A step of a job, and this process's ``rank`` among its ``tasks``, which run on ``nodes``."""

    name: str
    rank: int
    tasks: int
    nodes: int

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Step | None:
        """The step that ``srun`` has started this process for, if it has."""
        if "SLURM_STEP_ID" not in environment:  # a batch script itself has the other variables
            return None
        # A job that is begun anew has the number that it had.
        names = ("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT")
        numbers = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_NODES")
        return cls(
            ".".join(environment.get(name, "0") for name in names),
            *(int(environment.get(name, "1")) for name in numbers),
        )

    @property
    def speaks(self) -> bool:
        """Whether this process is to say what all of them would say."""
        return self.rank == min(NIGHT, self.tasks - 1)

    def meeting(self, folder: Path) -> Path:
        """The file by which its ranks meet."""
        return folder / f".ranks-{self.name}.json"


_night: tuple[Step, Path] | None = None  # that this process is the night of, and where it meets


def own_step() -> Step | None:
    """The step that this process belongs to."""
    return Step.of(os.environ)


def require_step(spec: ClusterSpec) -> Step:
    """The step of this process. Raises ClusterUnavailableError where it is none for a night."""
    step = own_step()
    if step is None:
        raise ClusterUnavailableError(
            "kind: slurm, but srun has not started this process: use hexcast submit CONFIG "
            f"--cluster NAME, or srun -n {spec.workers + BESIDE_WORKERS} in an allocation"
        )
    if step.tasks <= BESIDE_WORKERS:
        raise ClusterUnavailableError(
            f"this step of SLURM has {step.tasks} tasks, and Dask's scheduler, the night and a "
            f"worker need {BESIDE_WORKERS + 1}: use srun -n {spec.workers + BESIDE_WORKERS}"
        )
    return step


def take_part(step: Step, spec: ClusterSpec, folder: Path) -> None:
    """Return in the rank that is the night; the others serve it, and end with it.

    ``folder``: on a disk that all nodes share.
    """
    global _night
    if step.rank != NIGHT:
        from cluster.serving import serve  # Dask takes seconds to load

        serve(step, spec, step.meeting(folder))
        raise SystemExit(0)
    _night = step, step.meeting(folder)
    # No daemon: the process is not to end before the others can notice.
    line = threading.Thread(target=_hold, args=(step.meeting(folder), spec.timeout_seconds))
    line.start()


def met(spec: ClusterSpec) -> ClusterSpec:
    """``spec`` with the scheduler's address, the step's certificates and the number of workers.

    Raises ClusterUnavailableError where that rank does not come in time.
    """
    if _night is None:
        require_step(spec)
        raise AssertionError("take_part comes first")
    step, meeting = _night
    found = wait_for_meeting(meeting, spec.timeout_seconds)
    if found is None:
        raise ClusterUnavailableError(
            f"the rank of Dask's scheduler has not come to {meeting} within "
            f"{spec.timeout_seconds:g} s: see the job's log, put output.path on a disk that all "
            "nodes share, or raise cluster.timeout_seconds"
        )
    workers = step.tasks - BESIDE_WORKERS
    return with_certificates(spec, found).model_copy(
        update={"address": found["address"], "workers": workers}
    )


def with_certificates(spec: ClusterSpec, found: Mapping[str, Any]) -> ClusterSpec:
    """``spec`` with those that the scheduler's rank has written."""
    return spec.model_copy(update={"tls": Certificates(**found["tls"])})


def wait_for_meeting(meeting: Path, seconds: float) -> dict[str, Any] | None:
    """What the scheduler's rank has written, once all of it is there; None if it is not in time."""
    until = monotonic() + seconds
    while monotonic() < until and not ENDED.is_set():
        with suppress(OSError, ValueError):
            # Looked for in its folder: a name once not found is long not asked for again on NFS.
            if meeting.name in os.listdir(meeting.parent):  # noqa: PTH208
                _require_own(meeting)
                found: dict[str, Any] = json.loads(meeting.read_text(encoding="utf-8"))
                if "line" in found:
                    return found
        sleep(LOOK_SECONDS)
    return None


def write_meeting(meeting: Path, record: Mapping[str, Any]) -> None:
    """Write it at once, for nobody else to read: it lets into the step."""
    part = meeting.with_suffix(".part")
    part.unlink(missing_ok=True)
    # Not what somebody else has put there meanwhile.
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        json.dump(record, stream)
    part.replace(meeting)


def _require_own(meeting: Path) -> None:
    found = meeting.stat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise ClusterUnavailableError(
            f"{meeting} is not this user's alone, so that somebody else may have written it: put "
            "output.path on a disk that keeps owners and modes"
        )


def answer(word: str, nonce: bytes) -> bytes:
    """What only the night can say: it has read the word, which nobody on the way is to hear."""
    return hmac.new(word.encode(), nonce, "sha256").hexdigest().encode()


_held: list[socket.socket] = []  # until this process ends, however it does


def _hold(meeting: Path, seconds: float) -> None:
    with suppress(OSError, ClusterUnavailableError):  # whoever asks for its work will be told
        found = wait_for_meeting(meeting, seconds)
        if found is not None:
            line = socket.create_connection(tuple(found["line"]), timeout=seconds)
            _held.append(line)
            with line.makefile("rb") as said:
                nonce = said.read(NONCE)
            line.sendall(answer(found["word"], nonce))
