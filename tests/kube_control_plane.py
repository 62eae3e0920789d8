"""A real control plane of Kubernetes with Dask's operator, for tests; its one node is kube_node's.

What runs is etcd, kube-apiserver, kube-controller-manager and kube-scheduler, below FOLDER/bin, and
the operator, by FOLDER/bin/kopf: `make test-kubernetes` puts them there. Only the kubelet is ours.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import requests
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from dask_processes import end
from flask import Flask, Response, request
from kube_node import Node, free_port, now
from waiting import until
from werkzeug.serving import make_server

FOLDER = Path(__file__).parents[1] / ".venv-kubernetes"
OWN = "certificates/apiserver.crt"  # which the API server makes for itself
PATCH = {"Content-Type": "application/merge-patch+json"}
TOOLS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kopf")


def absent() -> list[str]:
    """What is not there."""
    return [tool for tool in TOOLS if not (FOLDER / "bin" / tool).exists()]


@contextmanager
def control_plane(folder: Path) -> Iterator[tuple[Path, Node]]:
    """A kubeconfig and the node, while all of it runs."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:

        def start(tool: str, *options: str) -> None:
            environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
            environment["KUBECONFIG"] = str(folder / "kubeconfig")
            with (folder / f"{tool}.log").open("wb") as log:
                process = subprocess.Popen(
                    [str(FOLDER / "bin" / tool), *options],
                    cwd=folder,
                    env=environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            stack.callback(end, process)

        api = _serve_api(folder, start)
        session = stack.enter_context(_session(api, str(folder / OWN)))
        key = ["--kubeconfig=kubeconfig", "--leader-elect=false", "--port=0"]
        secure = [f"--secure-port={free_port()}", "--bind-address=127.0.0.1"]
        # Nobody renews the lease of the node, nor attaches volumes.
        controllers = "--controllers=*,-nodelifecycle,-attachdetach"
        start("kube-controller-manager", *key, *secure, controllers)
        secure = [f"--secure-port={free_port()}", "--bind-address=127.0.0.1"]
        start("kube-scheduler", *key, *secure)
        _install(session, api)
        start("kopf", "run", "-m", "dask_kubernetes.operator.controller", "-A", "--standalone")
        node = Node(session, api, folder / "node", name="here")
        stack.enter_context(_joined(session, api, node))
        yield folder / "kubeconfig", node


def _serve_api(folder: Path, start: Callable[..., None]) -> str:
    ports = [str(free_port()) for _ in range(3)]
    client, peer = f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}"
    urls = [f"--listen-client-urls={client}", f"--advertise-client-urls={client}"]
    peers = [f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"]
    start("etcd", "--data-dir=etcd", *urls, *peers, f"--initial-cluster=default={peer}")
    pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    (folder / "accounts.pem").write_bytes(pem)
    (folder / "tokens.csv").write_text("secret,admin,1,system:masters\n")
    start(
        "kube-apiserver", f"--etcd-servers={client}", f"--secure-port={ports[2]}",
        "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--cert-dir=certificates",
        "--token-auth-file=tokens.csv", "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-signing-key-file=accounts.pem",
        "--service-account-key-file=accounts.pem", "--service-cluster-ip-range=127.99.0.0/16",
        "--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none",
    )  # fmt: skip
    address = f"https://127.0.0.1:{ports[2]}"
    cluster = {"server": address, "certificate-authority": str(folder / OWN)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "here", "cluster": cluster}],
        "users": [{"name": "me", "user": {"token": "secret"}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "current-context": "here",
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    return address


@contextmanager
def _session(api: str, authority: str) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.verify, session.trust_env = authority, False
        session.headers["Authorization"] = "Bearer secret"

        def ready() -> bool:
            with suppress(requests.ConnectionError, OSError):
                return session.get(f"{api}/readyz", timeout=5).status_code == 200
            return False

        until(ready, "the API server's start")
        yield session


def _install(session: requests.Session, api: str) -> None:
    (crds,) = FOLDER.glob("lib/*/site-packages/dask_kubernetes/**/crds")
    for path in sorted(crds.iterdir()):
        create(session, f"{api}/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
               yaml.safe_load(path.read_text()))  # fmt: skip


def create(session: requests.Session, where: str, given: dict[str, Any]) -> None:
    made = session.post(where, json=given, timeout=10)
    assert made.status_code == 201, made.text


@contextmanager
def _joined(session: requests.Session, api: str, node: Node) -> Iterator[None]:
    """The node takes pods, and answers for their logs, as a kubelet does."""
    app, port = Flask("kubelet"), free_port()

    @app.get("/containerLogs/<namespace>/<pod>/<container>")
    def logs(namespace: str, pod: str, container: str) -> Response:
        return Response(node.log(pod, "follow" in request.args), mimetype="text/plain")

    server = make_server("127.0.0.1", port, app, threaded=True, ssl_context="adhoc")
    server.daemon_threads = True  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    room = {"cpu": "100", "memory": "500Gi", "pods": "200", "ephemeral-storage": "100Gi"}
    beat = dict.fromkeys(("lastHeartbeatTime", "lastTransitionTime"), now())
    status = {
        "capacity": room,
        "allocatable": room,
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", **beat}],
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    meta = {"name": "here", "labels": {"kubernetes.io/hostname": "here"}}
    nodes = f"{api}/api/v1/nodes"
    create(session, nodes, {"apiVersion": "v1", "kind": "Node", "metadata": meta})
    session.patch(f"{nodes}/here/status", json={"status": status}, headers=PATCH, timeout=10)
    session.patch(f"{nodes}/here", json={"spec": {"taints": None}}, headers=PATCH, timeout=10)
    try:
        with node:
            yield
    finally:
        server.shutdown()
        server.server_close()
