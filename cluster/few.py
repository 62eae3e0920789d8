"""Many tasks on a cluster, a few of them at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar

from distributed import Client, Future, as_completed, wait

from cluster.again import go_on_without, never_without_workers
from cluster.errors import is_of_lost_worker

LOSSES = 3  # of workers; then it is no chance
Item = TypeVar("Item")


def few_at_once(
    client: Client,
    items: Iterable[Item],
    submit: Callable[..., Future[Any]],
    shared: Sequence[Any] = (),
) -> Iterator[tuple[Item, Any]]:
    """Every item with what its task returned, in the order in which they are done.

    ``submit``: of the item and of the futures of what all tasks ``shared``, its task. No more than
    two for each thread of the cluster are sent, and asked of ``items``, at a time: what they hold
    need not lie on the workers, or here, at once. Where a worker is lost, what went with it is sent
    and done again. A task's own error is raised once the others that were sent have ended, so that
    nothing is at work any more. Raises ClusterUnavailableError where no worker is left.
    """
    waiting, losses = iter(items), 0
    at_work: dict[Future[Any], tuple[Item, int]] = {}
    sent = _send(client, shared)

    def start(some: Iterable[Item]) -> list[Future[Any]]:
        futures = []
        for item in some:
            future = submit(item, *sent)
            at_work[future] = item, losses
            futures.append(future)
        return futures

    with never_without_workers(client, at_work):
        threads = max(sum(client.nthreads().values()), 1)
        done = as_completed(start(islice(waiting, 2 * threads)))
        for future in done:
            item, losses_then = at_work.pop(future)
            try:
                result = future.result()
            except Exception as fault:
                if not is_of_lost_worker(fault) or losses == LOSSES:
                    with suppress(CancelledError):
                        wait(list(at_work))
                    raise
                if losses_then == losses:  # else it has been sent again already
                    losses += 1
                    go_on_without(client, fault)
                    sent = _send(client, shared)
                done.update(start([item]))
                continue
            done.update(start(islice(waiting, 1)))
            yield item, result


def _send(client: Client, shared: Sequence[Any]) -> list[Future[Any]]:
    # Without a hash for a name: a name that is used again, while its last use is being let go of,
    # would be let go of, too. In a list, since Dask sends the elements of what it is given.
    return list(client.scatter([*shared], hash=False)) if shared else []
