"""Whether machines have an NVIDIA GPU: XGBoost itself only warns and trains on the CPU."""

from __future__ import annotations

import ctypes
import os
import socket
from typing import TYPE_CHECKING

from cluster.errors import ClusterUnavailableError
from cluster.guard import ask

if TYPE_CHECKING:
    from distributed import Client


def gpu_count() -> int:
    """Number of GPUs that the NVIDIA driver shows; 0 without driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def device_of(client: Client, asked: str) -> str:
    """``cpu`` or ``cuda``: what is asked for, and for ``auto`` cuda where every worker has a GPU.

    A GPU of its own: workers that share one cannot boost together. Raises ClusterUnavailableError
    where cuda is asked for and a worker has none.
    """
    if asked == "cpu":
        return asked
    found = ask(client, own_gpu)
    without = sorted(worker for worker, own in found.items() if not own)
    if asked == "cuda" and without:
        raise ClusterUnavailableError(
            f"model.device is cuda, but worker {without[0]} has no NVIDIA GPU: use auto or cpu, or "
            "workers with one"
        )
    shared = len(set(found.values())) < len(found)
    if asked == "cuda" and shared:
        raise ClusterUnavailableError(
            "model.device is cuda, but workers share a GPU: use cluster.kind: cuda, which starts "
            "one for each, or cluster.workers: 1"
        )
    return "cpu" if without or shared or not found else "cuda"


def own_gpu() -> str:
    """Machine and name of the GPU that this process boosts on, its first one; blank without."""
    if not gpu_count():
        return ""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    return f"{socket.gethostname()}/{first}"
