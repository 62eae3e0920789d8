"""A command in a process group of its own: what it says, its memory, an end where it is too much.

Memory is watched from outside, ten times a second, over the process and all that it starts, so
that every way is measured alike and one that is killed still says how far it came. Pages that
processes share are counted once for each of them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

import psutil

EVERY = 0.1  # seconds


@dataclass(frozen=True)
class Limits:
    """``mib``: resident, of all processes together."""

    seconds: float
    mib: float


def run(
    command: Sequence[str], limits: Limits, env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What the command printed as lines of JSON, joined; its ``seconds``, ``largest_mib`` and
    ``sum_mib``; ``stopped``: why, where it did not end well.
    """
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as faults:
        began = monotonic()
        process = subprocess.Popen(
            command, stdout=said, stderr=faults, env={**os.environ, **(env or {})},
            start_new_session=True,
        )  # fmt: skip
        try:
            found, stopped = _watch(process, limits, began)
        finally:  # its workers too, whatever ends this
            with_group(process.pid, signal.SIGKILL)
            process.wait()
        found["process_seconds"] = round(monotonic() - began, 1)
        said.seek(0)
        faults.seek(0)
        for line in said:
            if line.startswith("{"):
                found.update(json.loads(line))
        if stopped is None and process.returncode:
            stopped = _last_of(faults.read())
    return {**found, "stopped": stopped} if stopped else found


def _watch(
    process: subprocess.Popen[bytes], limits: Limits, began: float
) -> tuple[dict[str, Any], str | None]:
    largest = total = 0.0
    stopped = None
    while process.poll() is None and stopped is None:
        sizes = resident_mib(process.pid)
        largest, total = max(largest, *sizes), max(total, sum(sizes))
        if sum(sizes) > limits.mib:
            stopped = f"memory: more than {limits.mib:,.0f} MiB"
        elif monotonic() - began > limits.seconds:
            stopped = f"time: more than {limits.seconds:,.0f} s"
        sleep(EVERY)
    return {"largest_mib": round(largest), "sum_mib": round(total)}, stopped


def resident_mib(pid: int) -> list[float]:
    """Of a process and all below it; 0 for those that have just ended."""
    sizes = [0.0]
    try:
        first = psutil.Process(pid)
        family = [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return sizes
    for member in family:
        try:
            sizes.append(member.memory_info().rss / 2**20)
        except psutil.NoSuchProcess:
            continue
    return sizes


def with_group(pid: int, what: signal.Signals) -> None:
    """Send a signal to what is left of the process's own group."""
    try:
        os.killpg(pid, what)
    except ProcessLookupError:
        return


def _last_of(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"fault: {lines[-1][:200]}" if lines else "fault: nothing was said"
