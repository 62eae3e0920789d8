"""What a command costs: seconds on the clock, of the processor, and its peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter


def spent(command: list[str], environment: dict[str, str] | None = None) -> dict[str, float]:
    """Run a command to its end. ``mib`` is the peak of that process or of its largest child.

    Raises RuntimeError, with what it said last, where it fails.
    """
    with tempfile.TemporaryFile("w+") as said:
        began = perf_counter()
        child = subprocess.Popen(
            command, stdout=said, stderr=said, env={**os.environ, **(environment or {})}
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            raise RuntimeError(f"{' '.join(command)}: {said.read()[-800:]}")
    return {
        "seconds": round(seconds, 2),
        "cpu": round(usage.ru_utime + usage.ru_stime, 2),
        "mib": round(usage.ru_maxrss / 1024),
    }


def hexcast(*arguments: str) -> list[str]:
    """The command beside this Python."""
    return [str(Path(sys.executable).with_name("hexcast")), *arguments]
