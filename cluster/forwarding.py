"""What workers log, sent on to the process that gave them the work."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cluster.guard import ask

if TYPE_CHECKING:
    from distributed import Client

LOGGERS = ("hexcast", "pipeline", "cluster")  # of ours, the loggers below them included


@contextmanager
def forwarded(client: Client) -> Iterator[None]:
    """Warnings of our loggers on workers are handled here, each by the logger of its name.

    On a cluster that others use, too, they see our warnings as we see theirs.
    """
    # A worker in this very process logs here already, and would be sent its own lines for ever.
    if _process() not in ask(client, _process).values():
        for name in LOGGERS:
            client.forward_logging(name, logging.WARNING)
    yield


def _process() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()
