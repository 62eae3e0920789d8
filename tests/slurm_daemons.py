"""Debian's SLURM on this one machine, as two nodes with more cores than it has."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
from waiting import until

START_SECONDS = 30
NODES = ("one", "two")
CORES = 8  # of each
TOOLS = ("munged", "slurmctld", "slurmd", "srun", "sbatch")


def absent() -> str:
    """Why no SLURM of ours can run here; nothing where it can."""
    if os.geteuid() != 0:
        return "SLURM's daemons need root"
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        return f"{missing[0]} is not installed (Debian: slurmctld slurmd slurm-client munge)"
    return ""


@contextmanager
def slurm(folder: Path) -> Iterator[Path]:
    """Controller and nodes; the configuration file. All of it ends with the block."""
    folder.mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    conf = folder / "slurm.conf"
    conf.write_text(_configuration(folder))
    commands = {
        "munged": [
            "--foreground", "--force", f"--socket={folder}/munge.sock", f"--key-file={key}",
            f"--log-file={folder}/munge.log", f"--pid-file={folder}/munge.pid",
            f"--seed-file={folder}/munge.seed",
        ],
        "slurmctld": ["-D", "-f", str(conf)],
        **{f"slurmd {node}": ["-D", "-f", str(conf), "-N", node] for node in NODES},
    }  # fmt: skip
    environment = os.environ | {"SLURM_CONF": str(conf)}
    with ExitStack() as stack:
        for name, options in commands.items():
            command = [name.split()[0], *options]
            stack.enter_context(_daemon(command, folder / f"{name}.log", environment))
            if name == "munged":
                until((folder / "munge.sock").exists, "munged")
        idle = ["sinfo", "--noheader", "--Node", "--format=%T"]
        until(
            lambda: (
                subprocess.run(idle, env=environment, capture_output=True, text=True).stdout.split()
                == ["idle"] * len(NODES)
            ),
            f"SLURM's nodes, see {folder}",
        )
        yield conf


@contextmanager
def _daemon(command: list[str], log: Path, environment: dict[str, str]) -> Iterator[None]:
    with (
        log.open("wb") as said,
        subprocess.Popen(command, stdout=said, stderr=said, env=environment) as process,
    ):
        try:
            yield
        finally:
            started = psutil.Process(process.pid).children(recursive=True)
            process.terminate()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
            for child in started:
                if child.is_running():
                    child.kill()


def _ports(count: int) -> list[int]:
    """Of this machine, free by now."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in taken:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in taken]


def _configuration(folder: Path) -> str:
    host, (controller, *ports) = socket.gethostname(), _ports(1 + len(NODES))
    for name in ("state", *(f"spool-{node}" for node in NODES)):
        (folder / name).mkdir()
    nodes = "\n".join(
        f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={CORES} "
        "RealMemory=32768 State=UNKNOWN"
        for node, port in zip(NODES, ports, strict=True)
    )
    return f"""
ClusterName=hexcast
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
MpiDefault=none
KillWait=5
ReturnToService=2
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
