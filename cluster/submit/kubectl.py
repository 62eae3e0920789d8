"""Calls of ``kubectl``, each with an end, and the log of a pod."""

from __future__ import annotations

import shutil
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass

from cluster.errors import ClusterUnavailableError
from cluster.submit.asking import Say
from cluster.submit.marking import stream_of
from cluster.submit.pod_state import CONTAINER

CALL_SECONDS = 60.0
_OF_NIGHT = ("--container", CONTAINER)  # others may be put beside it
LOG_SECONDS = 10.0  # for a log to end after its pod


def require_kubectl() -> None:
    """Raise ClusterUnavailableError where the command is not here."""
    if shutil.which("kubectl") is None:
        raise ClusterUnavailableError(
            "kubectl is not on the PATH: install it, and let kubectl get daskjobs answer from here"
        )


@dataclass(frozen=True)
class Kubectl:
    """The command, for a namespace; its own default where that is None."""

    namespace: str | None = None

    def words(self, *words: str) -> list[str]:
        """A command line."""
        return ["kubectl", *(["--namespace", self.namespace] if self.namespace else []), *words]

    def __call__(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """What it said to these words; code 124 where it did not answer in time."""
        command = [*self.words(*words), "--request-timeout=30s"]
        try:
            return subprocess.run(  # noqa: S603 -- no shell
                command,
                input=text,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=CALL_SECONDS,
                start_new_session=True,  # Ctrl-C is for whoever called
            )
        except subprocess.TimeoutExpired:
            said = f"no answer within {CALL_SECONDS:g} s"
            return subprocess.CompletedProcess(command, 124, "", said)


def warning_of(kubectl: Kubectl, pod: str) -> str:
    """What the cluster warned of last about a pod, as of a Secret that is not there; or nothing."""
    of = f"involvedObject.name={pod},type=Warning"
    last = ("--sort-by=.lastTimestamp", "--output=jsonpath={.items[-1:].message}")
    found = kubectl("get", "events", f"--field-selector={of}", *last)
    return " ".join(found.stdout.split()) if found.returncode == 0 else ""


class PodLog:
    """What a pod says, line by line; Kubernetes keeps both of its streams as one."""

    def __init__(self, kubectl: Kubectl, pod: str, say: Say) -> None:
        self._kubectl = kubectl
        self._pod = pod
        self._say = say
        self._said = 0
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def follow(self) -> None:
        """Follow it, also anew where the connection was lost."""
        if self._reader is not None and self._reader.is_alive():
            return
        self.close()
        self._process = subprocess.Popen(  # noqa: S603 -- no shell
            self._kubectl.words("logs", "--follow", *_OF_NIGHT, self._pod),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        skipped = self._said  # it begins with the first line each time
        for number, line in enumerate(process.stdout or ()):
            if number >= skipped and line.endswith("\n"):
                self._tell(line)

    def _tell(self, line: str) -> None:
        self._said += 1
        self._say(*stream_of(line.rstrip("\n")))

    def finish(self) -> None:
        """Say what is left of a pod that has ended, also a line without an end."""
        if self._reader is not None:
            self._reader.join(LOG_SECONDS)
        self.close()
        found = self._kubectl("logs", *_OF_NIGHT, self._pod)
        for line in found.stdout.splitlines()[self._said :]:
            self._tell(line)
        if found.returncode:
            self._say(
                "err", f"the log of {self._pod} cannot be read: {' '.join(found.stderr.split())}"
            )

    def close(self) -> None:
        """Follow it no longer."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._reader is not None:
                self._reader.join(LOG_SECONDS)
            if self._process.stdout is not None:
                with suppress(OSError):
                    self._process.stdout.close()
            self._process = self._reader = None
