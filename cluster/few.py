"""Many tasks on a cluster, a few of them at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar

from distributed import Client, Future, as_completed, wait

Item = TypeVar("Item")


def few_at_once(
    client: Client, items: Iterable[Item], submit: Callable[[Item], Future[Any]]
) -> Iterator[tuple[Item, Any]]:
    """Every item with what its task returned, in the order in which they are done.

    No more than two for each thread of the cluster are sent, and asked of ``items``, at a time:
    what they hold need not lie on the workers, or here, at once. A task's error is raised once the
    others that were sent have ended, so that nothing is at work any more.
    """
    waiting, at_work = iter(items), {}

    def start(count: int) -> list[Future[Any]]:
        futures = []
        for item in islice(waiting, count):
            future = submit(item)
            at_work[future] = item
            futures.append(future)
        return futures

    done = as_completed(start(2 * sum(client.nthreads().values())))
    for future in done:
        item = at_work.pop(future)
        try:
            result = future.result()
        except Exception:
            with suppress(CancelledError):
                wait(list(at_work))
            raise
        done.update(start(1))
        yield item, result
