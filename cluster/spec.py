"""What a cluster is asked to be, checked before anything connects."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cluster.allocation import check_options

LOOPBACK = ("127.0.0.1", "localhost", "::1")
ENCRYPTED = ("tls", "wss")
SCHEMES = ("tcp", "ucx", "ws", *ENCRYPTED)
_OF_PODS = ("image", "namespace", "claim")
_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"  # a name as Kubernetes takes it, RFC 1123


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def is_text(pem: str) -> bool:
    """Whether it is the PEM itself, and not its file; as Dask tells them apart."""
    return "\n" in pem


class Certificates(_Section):
    """What a client shows to a scheduler, and the authority that it trusts: PEM, files or texts."""

    ca: str
    cert: str
    key: str = Field(repr=False)


class ClusterSpec(_Section):
    """Where the work runs: this machine, its GPUs, a scheduler that is there, SLURM, Kubernetes."""

    kind: Literal["local", "cuda", "address", "slurm", "kubernetes"] = "local"
    workers: int = Field(default=0, ge=0, description="processes of this machine; 0: one a core")
    memory_gib: float = Field(default=4.0, gt=0, description="memory limit of such a process")
    address: str | None = None
    tls: Certificates | None = None
    insecure: bool = False
    wait_for: int = Field(default=1, ge=1, description="workers without which nothing begins")
    timeout_seconds: float = Field(default=60.0, gt=0)
    limit_hours: float = Field(default=5.5, gt=0, description="a night may take")
    options: dict[str, bool | int | str] = Field(default_factory=dict, description="of sbatch")
    image: str | None = Field(default=None, pattern=r"^[^\s]+$", description="of all pods")
    namespace: str | None = Field(
        default=None, pattern=_LABEL, description="kubectl's own, if none"
    )
    claim: str | None = Field(default=None, pattern=_LABEL, description="volume of the store")

    @model_validator(mode="after")
    def _pods_are_known(self) -> ClusterSpec:
        if self.kind != "kubernetes":
            for key in _OF_PODS:
                if getattr(self, key):
                    raise ValueError(
                        f"{key} goes with kind: kubernetes, not with kind: {self.kind}"
                    )
            return self
        if not self.workers:
            raise ValueError("kind: kubernetes needs to know how many workers, as in workers: 8")
        return self

    @model_validator(mode="after")
    def _allocation_is_known(self) -> ClusterSpec:
        if self.kind != "slurm":
            if self.options:
                raise ValueError(f"options go with kind: slurm, not with kind: {self.kind}")
            return self
        if not self.workers:
            raise ValueError("kind: slurm needs to know how many workers, as in workers: 8")
        check_options(self.options)
        return self

    @model_validator(mode="after")
    def _address_is_safe(self) -> ClusterSpec:
        if self.kind != "address":
            if self.address or self.tls:
                own = ": its nights make them" if self.kind in ("slurm", "kubernetes") else ""
                raise ValueError(
                    f"address and tls go with kind: address, not with kind: {self.kind}{own}"
                )
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
        if self.tls and url.scheme not in ENCRYPTED:
            raise ValueError(
                f"{self.address} is not encrypted, so that tls says nothing: use tls://"
            )
        safe = url.scheme in ENCRYPTED or url.hostname in LOOPBACK
        if not safe and not self.insecure:
            raise ValueError(
                f"{self.address} is not encrypted and a scheduler runs any code it is sent: "
                "use tls://, or say insecure: true on a network that you trust"
            )
        return self

    @property
    def encrypted(self) -> bool:
        """Whether its processes show each other certificates."""
        return self.tls is not None or urlsplit(self.address or "").scheme in ENCRYPTED

    @property
    def beside(self) -> ClusterSpec:
        """Of processes of this machine, for what a cluster's workers cannot do."""
        return self.model_copy(
            update=dict.fromkeys(("address", "tls", *_OF_PODS)) | {"kind": "local", "options": {}}
        )
