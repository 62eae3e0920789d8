"""A stand-in for ``kubectl`` and for what a cluster with the Dask operator makes of a DaskJob.

Objects are files in the folder FAKE_KUBE; the pod's command line is run as a process, FAKE_PATH
first on its PATH, with /etc/hexcast and /var/lib/hexcast as folders below FAKE_KUBE, and
FAKE_TLS as its /etc/hexcast-tls. FAKE_MODE: what goes wrong. It knows as much of kubectl as hexcast
uses, and refuses the rest.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from time import sleep
from typing import Any

import yaml

ROOT = Path(os.environ["FAKE_KUBE"])
MODE = os.environ.get("FAKE_MODE", "")
KINDS = {
    "configmaps": "ConfigMap",
    "secrets": "Secret",
    "pod": "Pod",
    "daskjobs.kubernetes.dask.org": "DaskJob",
    "daskclusters.kubernetes.dask.org": "DaskCluster",
}


def main(words: list[str]) -> int:
    with (ROOT / "calls").open("a") as calls:
        calls.write(" ".join(words) + "\n")
    if MODE == "unreachable":
        return fail("Unable to connect to the server: dial tcp 10.0.0.1:6443: i/o timeout")
    words = [word for word in words if not word.startswith("--request-timeout")]
    if words[:1] == ["--namespace"]:
        words = words[2:]
    return {"create": create, "get": get, "logs": logs, "delete": delete}[words[0]](words[1:])


def fail(said: str) -> int:
    print(said, file=sys.stderr)
    return 1


def file(kind: str, name: str) -> Path:
    return ROOT / f"{kind}.{name}.json"


def create(words: list[str]) -> int:
    assert words == ["--filename", "-"], words
    for each in yaml.safe_load_all(sys.stdin.read()):
        if each["kind"] == "DaskJob" and MODE == "no operator":
            return fail('no matches for kind "DaskJob" in version "kubernetes.dask.org/v1"')
        name = each["metadata"]["name"]
        file(each["kind"], name).write_text(json.dumps(each))
        if each["kind"] == "DaskJob" and MODE != "idle operator":
            operate(name, each["spec"])
    return 0


def operate(name: str, spec: dict[str, Any]) -> None:
    """What the operator does: a cluster, and a pod that is told its scheduler's address."""
    file("DaskCluster", name).write_text(json.dumps(spec["cluster"]))
    file("Pod", f"{name}-runner").write_text(json.dumps({"spec": spec["job"]["spec"]}))
    if MODE not in ("ImagePullBackOff", "Unschedulable", "ContainerCreating"):
        environment = os.environ | {"FAKE_NAME": name}
        with (ROOT / "kubelet").open("wb") as log:
            subprocess.Popen(
                [sys.executable, __file__, "kubelet"],
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip


def kubelet() -> None:
    """Run the container of a pod to its end, and write down how it ended."""
    name = os.environ["FAKE_NAME"]
    pod = json.loads(file("Pod", f"{name}-runner").read_text())
    (container,) = pod["spec"]["containers"]
    known = json.loads(file("ConfigMap", name).read_text())
    folders = {"/etc/hexcast": ROOT / "etc", "/var/lib/hexcast": ROOT / "store"}
    for folder in folders.values():
        folder.mkdir()
    folders["/data"] = Path(os.environ.get("HEXCAST_DATA", ROOT))
    folders["/etc/hexcast-tls"] = Path(os.environ.get("FAKE_TLS", ROOT))
    for path, text in known["data"].items():
        (folders["/etc/hexcast"] / path).write_text(text)
    words = container["command"] + container["args"]
    for there, here in folders.items():
        words = [word.replace(there, str(here)) for word in words]
    tls = "/etc/hexcast-tls"
    environment = {
        each["name"]: str(folders.get(each["value"], each["value"].replace(tls, str(folders[tls]))))
        for each in container["env"]
    }
    if "FAKE_SCHEDULER" in os.environ:  # nobody resolves the Service's name
        environment["DASK_SCHEDULER_ADDRESS"] = os.environ["FAKE_SCHEDULER"]
    path = os.pathsep.join([os.environ["FAKE_PATH"], os.environ["PATH"]])
    with (ROOT / "log").open("wb") as log:
        process = subprocess.Popen(
            words, stdout=log, stderr=log, env=os.environ | environment | {"PATH": path}
        )
        (ROOT / "pid").write_text(str(process.pid))
        code = process.wait()
    (ROOT / "code").write_text(str(code if code >= 0 else 128 - code))


def status() -> dict[str, Any]:
    def of(phase: str, **state: Any) -> dict[str, Any]:
        return {"phase": phase, "containerStatuses": [{"name": "hexcast", "state": state}]}

    if MODE == "Unschedulable":
        said = {"type": "PodScheduled", "status": "False", "reason": MODE, "message": "0/3 nodes"}
        return {"phase": "Pending", "conditions": [said]}
    if MODE == "ImagePullBackOff":
        return of("Pending", waiting={"reason": MODE, "message": 'Back-off pulling "hexcast:1"'})
    if not (ROOT / "pid").exists():
        return of("Pending", waiting={"reason": "ContainerCreating"})
    if not (ROOT / "code").exists():
        return of("Running", running={})
    code = int((ROOT / "code").read_text())
    if MODE == "OOMKilled":
        return of("Failed", terminated={"exitCode": 137, "reason": MODE})
    if MODE == "Evicted":
        return {
            "phase": "Failed",
            "reason": MODE,
            "message": "The node was low on memory.",
        }
    reason = "Error" if code else "Completed"
    return of("Failed" if code else "Succeeded", terminated={"exitCode": code, "reason": reason})


def get(words: list[str]) -> int:
    if words[0] == "daskjobs.kubernetes.dask.org":
        return fail("the server doesn't have a resource type") if MODE == "no operator" else 0
    if words[0] == "events":
        assert words[1].startswith("--field-selector=involvedObject.name="), words
        if MODE == "ContainerCreating":
            print('MountVolume.SetUp failed: secret "certs" not found', end="")
        return 0
    kind, name, *options = words
    assert kind == "pod", words
    assert options == ["--output", "json", "--ignore-not-found"], words
    if file("Pod", name).exists():
        print(json.dumps(json.loads(file("Pod", name).read_text()) | {"status": status()}))
    return 0


def logs(words: list[str]) -> int:
    with (ROOT / "log").open("rb") as log:
        while True:
            ended = (ROOT / "code").exists()
            sys.stdout.buffer.write(log.read())
            sys.stdout.buffer.flush()
            if ended or "--follow" not in words:
                return 0
            if MODE == "cut" and (ROOT / "log").stat().st_size and not (ROOT / "was cut").exists():
                (ROOT / "was cut").touch()
                return 1
            sleep(0.05)


def delete(words: list[str]) -> int:
    kind, name, *options = words
    assert "--ignore-not-found" in options, words
    if kind == "pod" and (ROOT / "pid").exists() and not (ROOT / "code").exists():
        os.kill(int((ROOT / "pid").read_text()), signal.SIGTERM)
        while not (ROOT / "code").exists():
            sleep(0.02)
    file(KINDS[kind], name).unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["kubelet"]:
        kubelet()
    else:
        sys.exit(main(sys.argv[1:]))
