"""What a cluster is asked to be, checked before anything connects."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

LOOPBACK = ("127.0.0.1", "localhost", "::1")
ENCRYPTED = ("tls", "wss")
SCHEMES = ("tcp", "ucx", "ws", *ENCRYPTED)


class ClusterUnavailableError(Exception):
    """No cluster could be reached or started."""

    exit_code = 69


class ClusterSpec(BaseModel):
    """Where the work runs: processes on this machine, or a scheduler that is already there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["local", "address"] = "local"
    workers: int = Field(default=0, ge=0, description="local worker processes; 0: one a core")
    memory_gib: float = Field(default=4.0, gt=0, description="memory limit of a local worker")
    address: str | None = None
    insecure: bool = False
    timeout_seconds: float = Field(default=60.0, gt=0)

    @model_validator(mode="after")
    def _address_is_safe(self) -> ClusterSpec:
        if self.kind == "local":
            if self.address:
                raise ValueError("address goes with kind: address, not with kind: local")
            return self
        if not self.address:
            raise ValueError(
                "kind: address needs the scheduler's address, as in tcp://127.0.0.1:8786"
            )
        # Dask takes an address without a scheme for tcp.
        url = urlsplit(self.address if "://" in self.address else f"tcp://{self.address}")
        if url.scheme not in SCHEMES or not url.port:
            raise ValueError(
                f"{self.address}: write it as tls://host:port (or {', '.join(SCHEMES)})"
            )
        safe = url.scheme in ENCRYPTED or url.hostname in LOOPBACK
        if not safe and not self.insecure:
            raise ValueError(
                f"{self.address} is not encrypted and a scheduler runs any code it is sent: "
                "use tls://, or say insecure: true on a network that you trust"
            )
        return self
