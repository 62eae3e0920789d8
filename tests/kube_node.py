"""A node of Kubernetes for tests: it runs pods as processes of this machine, without containers.

What a kubelet does: it takes the pods of an API server, mounts their volumes as folders, starts
their commands, says how they are and what they log, and ends them when they are deleted. Paths of
mounts are written into arguments and variables, since no process has a root of its own.
"""

from __future__ import annotations

import base64
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import requests

LOOK_SECONDS = 0.1
GRACE_SECONDS = 20
BIN = Path(sys.executable).parent
_SERVICE = re.compile(r"[a-z0-9.-]+-scheduler[a-z0-9.-]*:8786")


def now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@dataclass
class Running:
    """A pod's process, and the lines of its log."""

    pod: dict[str, Any]
    process: subprocess.Popen[str] | None = None
    lines: list[str] = field(default_factory=list)
    whole: threading.Event = field(default_factory=threading.Event)
    killed: float = 0.0


class Node:
    """``claims``: the folders of volumes, by the names of their claims."""

    def __init__(self, session: requests.Session, api: str, folder: Path, name: str) -> None:
        self._session, self._folder, self._name = session, folder, name
        self._of = f"{api}/api/v1/namespaces/default"
        self._ports: dict[str, int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self.claims: dict[str, Path] = {}
        self._running: dict[str, Running] = {}

    def __enter__(self) -> Node:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(30)
        for each in self._running.values():
            _kill(each, signal.SIGKILL)

    def _live(self) -> None:
        while not self._ended.is_set():
            with suppress(requests.RequestException):  # the next look tells
                self._look()
            self._ended.wait(LOOK_SECONDS)

    def _look(self) -> None:
        found = self._session.get(f"{self._of}/pods", timeout=10).json()["items"]
        for pod in found:
            if pod["spec"].get("nodeName") != self._name:
                continue
            uid = pod["metadata"]["uid"]
            if "deletionTimestamp" in pod["metadata"]:
                self._leave(pod)
            elif uid not in self._running:
                self._take(pod)
            else:
                self._tell(pod)
        uids = {pod["metadata"]["uid"] for pod in found}
        for uid in self._running.keys() - uids:  # taken away by force
            _kill(self._running[uid], signal.SIGKILL)

    def _take(self, pod: dict[str, Any]) -> None:
        (container,) = pod["spec"]["containers"]
        if "nowhere" in container["image"]:
            message = f'Back-off pulling image "{container["image"]}"'
            waiting = {"waiting": {"reason": "ImagePullBackOff", "message": message}}
            self._status(pod, "Pending", waiting)
            return
        started = self._start(pod, container)
        if started is None:
            self._status(pod, "Pending", {"waiting": {"reason": "ContainerCreating"}})
            return
        self._running[pod["metadata"]["uid"]] = started
        self._status(pod, "Running", {"running": {"startedAt": now()}})

    def _start(self, pod: dict[str, Any], container: dict[str, Any]) -> Running | None:
        paths: dict[str, Path] = {}
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", ())}
        for mount in container.get("volumeMounts", ()):
            path = self._volume(pod, volumes[mount["name"]])
            if path is None:
                return None
            paths[mount["mountPath"]] = path
        labels = pod["metadata"]["labels"]
        port = self._ports.setdefault(labels["dask.org/cluster-name"], free_port())
        variables = {"PATH": f"{BIN}:/usr/bin:/bin", "KUBERNETES_SERVICE_HOST": "127.0.0.1"}
        for each in container.get("env", ()):
            variables[each["name"]] = self._here(each["value"], paths, port)
        words = [
            re.sub(r"\$\((\w+)\)", lambda found: variables[found[1]], self._here(w, paths, port))
            for w in (*container["command"], *container.get("args", ()))
        ]
        if words[0] == "dask":
            words += ["--host", "127.0.0.1"]
        process = subprocess.Popen(
            words,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        running = Running(pod, process)
        threading.Thread(target=_read, args=(running,), daemon=True).start()
        return running

    def _here(self, text: str, paths: dict[str, Path], port: int) -> str:
        text = _SERVICE.sub(f"127.0.0.1:{port}", text)
        text = str(port) if text == "8786" else text
        for mounted in sorted(paths, key=len, reverse=True):
            if text == mounted or text.startswith(f"{mounted}/"):
                return str(paths[mounted]) + text[len(mounted) :]
        return text

    def _volume(self, pod: dict[str, Any], volume: dict[str, Any]) -> Path | None:
        if "persistentVolumeClaim" in volume:
            return self.claims[volume["persistentVolumeClaim"]["claimName"]]
        path = self._folder / pod["metadata"]["name"] / volume["name"]
        path.mkdir(parents=True, exist_ok=True)
        if "configMap" in volume:
            return self._written(path, f"configmaps/{volume['configMap']['name']}", str.encode)
        if "secret" in volume:
            return self._written(
                path, f"secrets/{volume['secret']['secretName']}", base64.b64decode
            )
        return path

    def _written(self, path: Path, what: str, decode: Callable[[str], bytes]) -> Path | None:
        found = self._session.get(f"{self._of}/{what}", timeout=10)
        if found.status_code != 200:
            return None
        for name, text in found.json()["data"].items():
            (path / name).write_bytes(decode(text))
        return path

    def _tell(self, pod: dict[str, Any]) -> None:
        running = self._running[pod["metadata"]["uid"]]
        if pod["status"].get("phase") != "Running" or not running.whole.is_set():
            return
        assert running.process is not None
        code = running.process.wait()
        code = code if code >= 0 else 128 - code
        state = {"exitCode": code, "reason": "Error" if code else "Completed"}
        self._status(pod, "Failed" if code else "Succeeded", {"terminated": state})

    def _status(self, pod: dict[str, Any], phase: str, state: dict[str, Any]) -> None:
        (container,) = pod["spec"]["containers"]
        shown = {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "state": state,
        }
        shown |= {"ready": "running" in state, "restartCount": 0}
        status = {"phase": phase, "containerStatuses": [shown]}
        if pod.get("status", {}).get("containerStatuses") == status["containerStatuses"]:
            return
        self._session.patch(
            f"{self._of}/pods/{pod['metadata']['name']}/status",
            json={"status": status},
            headers={"Content-Type": "application/merge-patch+json"},
            timeout=10,
        )

    def _leave(self, pod: dict[str, Any]) -> None:
        running = self._running.get(pod["metadata"]["uid"])
        if running and running.process and running.process.poll() is None:
            if not running.killed:
                running.killed = monotonic()
                _kill(running, signal.SIGTERM)
            elif monotonic() > running.killed + GRACE_SECONDS:
                _kill(running, signal.SIGKILL)
            return
        if running:
            self._tell(pod)
        self._session.delete(
            f"{self._of}/pods/{pod['metadata']['name']}",
            json={"gracePeriodSeconds": 0},
            timeout=10,
        )

    def log(self, pod: str, follow: bool) -> Iterator[str]:
        """Lines of a pod's log, to its end if they are followed."""
        running = next(
            each for each in self._running.values() if each.pod["metadata"]["name"] == pod
        )
        read = 0
        while True:
            whole = running.whole.is_set()
            for line in running.lines[read:]:
                read += 1
                yield line
            if whole or not follow:
                return
            sleep(0.05)


def _read(running: Running) -> None:
    assert running.process is not None
    with running.process as process:
        for line in process.stdout or ():
            running.lines.append(line)
    running.whole.set()


def _kill(running: Running, way: int) -> None:
    """SIGTERM is for the first process of a container, SIGKILL for all."""
    if running.process is None or running.process.poll() is not None:
        return
    with suppress(ProcessLookupError):
        if way == signal.SIGKILL:
            os.killpg(running.process.pid, way)
        else:
            running.process.send_signal(way)
