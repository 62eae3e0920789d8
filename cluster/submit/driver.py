"""On a worker: a night in a process of its own, told line by line to who submitted it.

A process, since a night's limit and its interruption are signals, and its memory is not the
worker's. It ends with the worker: its standard input is a pipe that nothing else holds open.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from cluster.errors import ClusterUnavailableError
from cluster.spec import ClusterSpec, is_text

if TYPE_CHECKING:
    from distributed import Worker

LOOK_SECONDS = 1.0  # between two looks whether it is still wanted
CLOSING_SECONDS = 20.0  # for a night that is interrupted to close what it holds


@dataclass(frozen=True)
class Errand:
    """What a worker is asked to run, and what it tells.

    ``module``: run by the worker's Python, with ``arguments`` and ``files`` (texts by path) as JSON
    in the first line of its standard input. ``clusters``: path of one more such file, which names
    this very cluster ``name``. ``environment``: added to the worker's. ``topic``: of Dask's events,
    each a pair: ``out``, ``err`` and a line, or ``end`` and nothing.
    """

    module: str
    arguments: Sequence[str]
    files: Mapping[str, str]
    clusters: str
    name: str
    spec: ClusterSpec
    environment: Mapping[str, str]
    topic: str = ""


def drive(errand: Errand) -> int:
    """Run it to its end, as a task; returns its exit code, negative where a signal ended it."""
    from distributed import get_worker, secede

    worker = get_worker()
    key = str(worker.get_current_task())
    secede()  # the night's own tasks find this thread free
    try:
        return _run(errand, worker, key)
    finally:
        worker.log_event(errand.topic, ["end", ""])


def _run(errand: Errand, worker: Worker, key: str) -> int:
    pipe, line = subprocess.PIPE, json.dumps(_request(errand, worker))
    command = [sys.executable, "-P", "-m", errand.module]
    environment = {**os.environ, **errand.environment, "PYTHONUNBUFFERED": "1"}
    worker.log_event(errand.topic, ["err", f"on {worker.address}, host {socket.gethostname()}"])
    with subprocess.Popen(  # noqa: S603 -- this very Python, a module of ours
        command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, text=True, errors="replace"
    ) as process:
        streams = {"out": process.stdout, "err": process.stderr}
        told = [_tell(worker, errand.topic, *each) for each in streams.items()]
        with suppress(BrokenPipeError):  # it has ended, and said why
            print(line, file=process.stdin, flush=True)
        _wait(process, worker, key)
        for thread in told:
            thread.join()
        return process.returncode


def _request(errand: Errand, worker: Worker) -> dict[str, Any]:
    own = errand.spec.model_dump(exclude_none=True) | {"address": worker.scheduler.address}
    own = {name: value for name, value in own.items() if name != "tls"}
    if tls := _certificates(worker):
        own["tls"] = tls
    try:
        ClusterSpec.model_validate(own)
    except ValueError as fault:
        raise ClusterUnavailableError(
            f"the night cannot use its cluster as worker {worker.address} does, at "
            f"{own['address']} ({fault}): correct cluster.address, tls or insecure"
        ) from None
    files = {**errand.files, errand.clusters: json.dumps({errand.name: own})}
    return {"arguments": list(errand.arguments), "files": files}


def _certificates(worker: Worker) -> dict[str, str]:
    """The worker's own: those of who submitted are of another machine."""
    held: Any = worker.security
    found = {"ca": held.tls_ca_file, "cert": held.tls_worker_cert, "key": held.tls_worker_key}
    return {
        name: each if is_text(each) else os.path.abspath(each)  # noqa: PTH100
        for name, each in found.items()
        if each
    }


def _tell(worker: Worker, topic: str, name: str, stream: IO[str] | None) -> threading.Thread:
    def tell() -> None:
        for line in stream or ():
            worker.log_event(topic, [name, line.rstrip("\n")])

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    return thread


def _wait(process: subprocess.Popen[str], worker: Worker, key: str) -> None:
    """Until it has ended; it is interrupted once nobody wants its task any more."""
    while process.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_SECONDS)
            return
        task = worker.state.tasks.get(key)
        # Not yet long-running is a worker whose event loop has been busy since it began.
        if task is None or task.state not in ("executing", "long-running"):
            break
    process.send_signal(signal.SIGINT)
    try:
        process.wait(CLOSING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
