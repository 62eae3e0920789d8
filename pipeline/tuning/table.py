"""A search in lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def trial_line(trial: Mapping[str, Any]) -> str:
    """One trial."""
    line = f"trial {trial['number']}: {trial['state']}, {trial['seconds']:.0f} s of one core"
    if "gain" not in trial:
        return line
    rounds = ", ".join(f"{number} {target}" for target, number in trial["rounds"].items())
    return f"{line}, gain over the defaults {_shown(trial['gain'])}, rounds: {rounds}"


def outcome_line(record: Mapping[str, Any]) -> str:
    """What came of it."""
    chosen = record["chosen"]
    of = f"{len(record['trials'])} trials in {record['seconds'] / 60:.1f} min"
    if chosen is None:
        return f"{of}: none is surely better than the defaults, which stay"
    return f"{of}: trial {chosen['number']}, gain over the defaults {_shown(chosen['gain'])}"


def lines(record: Mapping[str, Any]) -> Iterator[str]:
    """What is used from now on, name by name, beside the defaults."""
    default, chosen = record["defaults"], record["chosen"] or {}
    used = default["parameters"] | chosen.get("parameters", {})
    yield f"{'':<18}{'used':>10}{'default':>10}"
    for name in record["made_from"]["space"]:
        yield f"{name:<18}{used[name]:>10.4g}{default['parameters'][name]:>10.4g}"
    for target, rounds in default["rounds"].items():
        now = chosen.get("rounds", {}).get(target, rounds)
        yield f"{f'rounds, {target}':<18}{now:>10}{rounds:>10}"
    yield outcome_line(record)


def _shown(gain: Mapping[str, float]) -> str:
    return f"{gain['gain']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})"
