"""Dask clusters within the tests' own process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from distributed import Client, LocalCluster

MEMORY = 8 * 2**30
"""Bytes a worker may see in use: all tests share its process, and too little would pause it."""


@contextmanager
def in_process(workers: int, threads: int) -> Iterator[Client]:
    """A scheduler and so many workers of so many threads, reachable by its address."""
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=threads,
            processes=False,
            memory_limit=MEMORY,
            dashboard_address="127.0.0.1:0",
            protocol="tcp",
            host="127.0.0.1",
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client
