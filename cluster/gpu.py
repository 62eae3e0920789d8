"""Whether this machine has an NVIDIA GPU: XGBoost itself only warns and trains on the CPU."""

from __future__ import annotations

import ctypes


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
