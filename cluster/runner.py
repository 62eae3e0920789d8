"""dask-jobqueue's runner for SLURM, whose ranks end with the night's process, however that ends."""

from __future__ import annotations

import asyncio
import logging
import secrets
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from dask_jobqueue.slurm import SLURMRunner
from distributed import Scheduler

from cluster.allocation import BESIDE_WORKERS
from cluster.connect import CLOSING_SECONDS, security_of
from cluster.ranks import LOOK_SECONDS, NONCE, Step, answer, write_meeting
from cluster.spec import ClusterSpec

_OWN_PORT = "127.0.0.1:0"  # of pages that nobody looks at


class Runner(SLURMRunner):
    """Scheduler or worker of a step, by its rank; made, it serves until the night has ended.

    ``spec`` has the step's certificates; the scheduler writes them into ``meeting``.

    Of the runner's own way to end, the client that tells the scheduler, nothing is left to a client
    that is killed, or that never needed a cluster.
    """

    def __init__(self, step: Step, spec: ClusterSpec, meeting: Path) -> None:
        self._meeting = meeting
        self._workers = step.tasks - BESIDE_WORKERS
        self._seconds = spec.timeout_seconds
        assert spec.tls, "serve gives them"
        self._tls = spec.tls.model_dump()
        self._word = secrets.token_hex()  # by which the night makes itself known
        self._held, self._gone = asyncio.Event(), asyncio.Event()
        common = {
            "security": security_of(spec),
            "host": "127.0.0.1" if step.nodes == 1 else None,
            "protocol": "tls",
            "dashboard_address": _OWN_PORT,
            "dashboard": False,
        }
        of_worker = {
            "nthreads": 1,
            "memory_limit": int(spec.memory_gib * 2**30),
            "death_timeout": spec.timeout_seconds,
            "silence_logs": logging.ERROR,
        }
        super().__init__(
            scheduler_file=str(meeting).replace("{", "{{").replace("}", "}}"),
            scheduler_options=dict(common),
            worker_class="distributed.Nanny",
            worker_options=common | of_worker,
        )

    async def on_scheduler_start(self, scheduler: Scheduler) -> None:
        """Say where the night's line ends, and look after it."""
        server = await asyncio.start_server(self._hear, urlsplit(scheduler.address).hostname, 0)
        line = server.sockets[0].getsockname()[:2]
        record = {"address": scheduler.address, "line": line, "word": self._word, "tls": self._tls}
        write_meeting(self._meeting, record)
        self._serving = server, asyncio.create_task(self._end_with_the_night(scheduler))

    async def _hear(self, reader: StreamReader, writer: StreamWriter) -> None:
        nonce = secrets.token_hex(NONCE // 2).encode()
        writer.write(nonce)
        if secrets.compare_digest(await reader.read(len(nonce)), answer(self._word, nonce)):
            self._held.set()
            with suppress(OSError):  # where its node is gone, too
                await reader.read()  # nothing comes, and at last the end
            self._gone.set()
        writer.close()

    async def _end_with_the_night(self, scheduler: Scheduler) -> None:
        clock, seen = asyncio.get_running_loop().time, set[str]()
        until = clock() + self._seconds
        while True:
            seen.update(scheduler.workers)
            late = clock() > until
            # Workers that are later than a short night are not to look for this rank in vain.
            if self._gone.is_set() and (late or len(seen) >= self._workers):
                break
            if late and not self._held.is_set():  # the night has not even begun
                break
            await asyncio.sleep(LOOK_SECONDS)
        # Before the scheduler: workers that lose it say so at length. Nannies answer by their end.
        logging.getLogger("distributed.scheduler").setLevel(logging.CRITICAL)
        with suppress(TimeoutError, OSError):
            end = scheduler.broadcast(msg={"op": "terminate"}, nanny=True, on_error="ignore")
            await asyncio.wait_for(end, CLOSING_SECONDS)
        await scheduler.close(reason="the night has ended")
