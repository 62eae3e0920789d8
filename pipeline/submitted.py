"""A night as a worker starts it: ``python -m pipeline.submitted``.

What to run is the first line of standard input, JSON: ``arguments``, the words after ``hexcast``,
and ``files``, texts by their path on the machine that submitted it, which need not be here.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path

from cluster.guard import TRY_AGAIN
from pipeline import cli, load


def main() -> None:
    """Run it; a store is whole whenever a process ends, so that this may end at any time."""
    asked = json.loads(sys.stdin.readline())
    # Of a worker that a shell started beside it, it would be ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_the_worker, daemon=True).start()
    os.environ.pop("SLURM_STEP_ID", None)  # its worker may be a task of a step, and it is none
    load.SENT.update({Path(path): text for path, text in asked["files"].items()})
    sys.argv = ["hexcast", *asked["arguments"]]
    cli.command()


def _end_with_the_worker() -> None:
    sys.stdin.read()
    os._exit(TRY_AGAIN)


if __name__ == "__main__":
    main()
