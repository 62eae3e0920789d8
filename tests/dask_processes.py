"""A Dask cluster of separate processes, encrypted, each with a working folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

START_SECONDS = 60
DASK = Path(sys.executable).with_name("dask")


@dataclass
class Processes:
    """A scheduler and its workers. ``spec``: the section ``cluster`` of who uses them."""

    folder: Path
    spec: dict[str, Any]
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_worker(self, before: Sequence[str] = (), *options: str) -> subprocess.Popen[bytes]:
        """One more; ``before``: what its command line begins with."""
        name = f"worker{len(self.workers)}"
        command = [
            *before, str(DASK), "worker", self.spec["address"], *_tls(self.folder),
            "--nthreads", "1", "--memory-limit", "2GiB", "--no-dashboard", "--name", name, *options,
        ]  # fmt: skip
        self.workers.append(_start(command, self.folder / name))
        return self.workers[-1]


@contextmanager
def dask_processes(folder: Path, workers: int, host: str = "127.0.0.1") -> Iterator[Processes]:
    """So many workers under nannies; all of them end with the block."""
    folder.mkdir(exist_ok=True)
    make_certificates(folder, host)
    record = folder / "scheduler.json"
    command = [
        str(DASK), "scheduler", *_tls(folder), "--protocol", "tls", "--host", host, "--port", "0",
        "--no-dashboard", "--scheduler-file", str(record),
    ]  # fmt: skip
    processes = Processes(folder, {}, _start(command, folder / "scheduler"))
    try:
        address = json.loads(_appeared(record))["address"]
        tls = {name: str(folder / f"{name}.pem") for name in ("ca", "cert", "key")}
        processes.spec |= {"kind": "address", "address": address, "tls": tls, "wait_for": workers}
        for _ in range(workers):
            processes.start_worker()
        yield processes
    finally:
        for process in (*processes.workers, processes.scheduler):
            end(process)


def _start(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True)
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def _tls(folder: Path) -> list[str]:
    names = {"ca": "ca-file", "cert": "cert", "key": "key"}
    return [
        part
        for name, option in names.items()
        for part in (f"--tls-{option}", str(folder / f"{name}.pem"))
    ]


def _appeared(path: Path) -> str:
    until = monotonic() + START_SECONDS
    while monotonic() < until:
        if path.exists() and (text := path.read_text()).rstrip().endswith("}"):
            return text
        sleep(0.05)
    raise TimeoutError(f"{path} did not appear: see the logs below {path.parent}")


def end(process: subprocess.Popen[bytes]) -> None:
    """With all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def make_certificates(folder: Path, host: str) -> None:
    """``ca.pem``, ``cert.pem``, ``key.pem``: one certificate, which is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hexcast tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), False)
        .sign(key, hashes.SHA256())
    )
    text = made.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.pem").write_bytes(text)
    (folder / "cert.pem").write_bytes(text)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "key.pem").write_bytes(private)
