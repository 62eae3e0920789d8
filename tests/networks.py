"""Hosts of a network within this machine: each a network namespace with an address of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BRIDGE = "hexcast0"
NETWORK = "10.213.77"
GATEWAY = f"{NETWORK}.1"


def unavailable() -> str:
    """Why there can be no such network here; blank where there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not shutil.which("ip") or not shutil.which("unshare"):
        return "network namespaces need iproute2 and util-linux"
    if _run("ip", "link", "add", BRIDGE, "type", "bridge", check=False):
        return "this machine allows no bridge"
    _run("ip", "link", "del", BRIDGE)
    return ""


@dataclass(frozen=True)
class Host:
    """``before``: what a command line begins with that is to run there."""

    name: str
    address: str

    @property
    def outside(self) -> str:
        """Its end of the cable on this machine."""
        return f"v{self.name}"

    def before(self, hidden: Path) -> list[str]:
        """A command there sees an empty disk at ``hidden``."""
        script = 'mount -t tmpfs none "$0" && exec "$@"'
        return [
            "ip", "netns", "exec", self.name, "unshare", "--mount", "sh", "-c", script, str(hidden)
        ]  # fmt: skip

    @property
    def bytes_through(self) -> int:
        """That went over its cable so far, both ways."""
        folder = Path("/sys/class/net") / self.outside / "statistics"
        return sum(int((folder / f"{way}_bytes").read_text()) for way in ("rx", "tx"))

    def plug(self, is_in: bool) -> None:
        """Put its cable in, or pull it out."""
        _run("ip", "link", "set", self.outside, "up" if is_in else "down")


@contextmanager
def network(count: int) -> Iterator[list[Host]]:
    """So many hosts that reach each other, and this machine as GATEWAY, and nobody else."""
    hosts = [Host(f"hexcast{n}", f"{NETWORK}.{n + 10}") for n in range(count)]
    try:
        _run("ip", "link", "add", BRIDGE, "type", "bridge")
        _run("ip", "addr", "add", f"{GATEWAY}/24", "dev", BRIDGE)
        _run("ip", "link", "set", BRIDGE, "up")
        for host in hosts:
            inside = ["ip", "-n", host.name]
            _run("ip", "netns", "add", host.name)
            _run(
                "ip", "link", "add", host.outside, "type", "veth",
                "peer", "name", "eth0", "netns", host.name,
            )  # fmt: skip
            _run("ip", "link", "set", host.outside, "master", BRIDGE, "up")
            _run(*inside, "addr", "add", f"{host.address}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                _run(*inside, "link", "set", device, "up")
        yield hosts
    finally:
        for host in hosts:
            _run("ip", "netns", "del", host.name, check=False)
        _run("ip", "link", "del", BRIDGE, check=False)


def _run(*command: str, check: bool = True) -> int:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.returncode
