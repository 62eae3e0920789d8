"""A small configuration as plain values, and what is said of a change to it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.load import parse_config

COLUMNS = {"key": ["id"], "occurred_at": "when", "category": "kind", "latitude": "y"}
VALUES: dict[str, Any] = {
    "name": "here",
    "timezone": "America/Denver",
    "source": {
        "path": "incidents.csv",
        "start": "2024-01-01",
        "columns": {**COLUMNS, "longitude": "x"},
    },
    "groups": {
        "violent": {"categories": ["assault"]},
        "property": {"patterns": ["theft.*"]},
        "police_initiated": {"categories": ["drug possession"]},
    },
    "targets": {"all": ["violent", "property", "other"], "violent": ["violent"]},
    "output": {"path": "out"},
}


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    """``VALUES`` with dotted keys set, or taken out where the value is None."""
    values = copy.deepcopy(VALUES)
    for dotted, value in changes.items():
        *sections, key = dotted.split(".")
        section = values
        for name in sections:
            section = section.setdefault(name, {})
        if value is None:
            del section[key]
        else:
            section[key] = value
    return values


def parse(changes: dict[str, Any] | None = None) -> Config:
    return parse_config(changed(changes or {}), Path("/city/here.yaml"))


def refusal(changes: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as fault:
        parse(changes)
    assert fault.value.exit_code == 78
    return str(fault.value)
