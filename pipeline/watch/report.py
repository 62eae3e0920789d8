"""A status as lines for people: one screen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from pipeline.watch.scores import SCORED
from pipeline.watch.status import Newest, Status


def status_lines(status: Status) -> Iterator[str]:
    """The verdict, the newest run, what was issued and how it turned out, attempts, warnings."""
    yield f"{status.city}: {status.verdict} (exit code {status.exit_code})"
    yield _run(status.newest)
    for target in status.issued:
        yield f"  {target:<12}{status.issued[target]}{_gain(status.realised.get(target))}"
    if status.attempts:
        yield f"{'attempt, UTC':<18}{'outcome':<14}{'exit':>4}{'seconds':>9}  stages"
    for attempt in status.attempts:
        yield from _attempt(attempt)
    for warning in status.warnings:
        yield f"quality: {warning}"
    for fault in status.faults:
        yield f"fault: {fault}"


def _run(newest: Newest) -> str:
    if newest.name is None:
        return f"no run is published yet; expected is {newest.expected}"
    made = f", made {newest.made[:16]}" if newest.made else ""
    beside = "" if newest.name == newest.expected else f"; expected is {newest.expected} or newer"
    return f"newest run {newest.name}, {newest.age_hours:,.1f} h old{made}{beside}"


def _gain(realised: dict[str, Any] | None) -> str:
    if not realised or not isfinite(realised["gain"]):
        return ", no night scored yet"
    low, high = realised["gain_low"], realised["gain_high"]
    interval = f" ({low:+.4f} to {high:+.4f})" if isfinite(low) and isfinite(high) else ""
    nights = f"{realised['nights']} scored nights"
    newest = f"the newest {nights}" if realised["nights"] == SCORED else nights
    return f", {realised['gain']:+.4f}{interval} nats over the best baseline on {newest}"


def _attempt(attempt: dict[str, Any]) -> Iterator[str]:
    started = datetime.fromisoformat(attempt["started"]).astimezone(UTC)
    code = "" if attempt["exit_code"] is None else attempt["exit_code"]
    took = "" if attempt["took"] is None else f"{attempt['took']:.1f}"
    stages = ", ".join(f"{stage} {spent:.1f}" for stage, spent in attempt["seconds"].items())
    line = f"{started:%Y-%m-%d %H:%M}  {attempt['state']:<14}{code:>4}{took:>9}  {stages}"
    yield line.rstrip()
    if attempt["error"]:
        where = f"{attempt['stage']}: " if attempt["stage"] else ""
        yield f"    {where}{attempt['error']}"
