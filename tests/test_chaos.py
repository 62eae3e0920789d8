"""A little of what ``make chaos`` does two hundred times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import chaos
import pandas as pd


def test_nothing_shows_after_a_few_kills(tmp_path: Path) -> None:
    # In a process of its own: what this one has loaded does not survive a fork.
    command = [sys.executable, chaos.__file__, "--kills", "4", "--seed", "5"]
    done = subprocess.run(
        [*command, "--folder", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "4 disturbed nights, nothing showed" in done.stdout


def test_what_shows_is_seen() -> None:
    whole = {"cube": pd.DataFrame({"count": [1, 2]}), "silver": pd.DataFrame({"id": ["a"]})}
    assert chaos.difference(dict(whole), whole) == ""
    lost = whole | {"silver": pd.DataFrame({"id": ["b"]})}
    assert "silver" in chaos.difference(lost, whole)
    off = whole | {"cube": pd.DataFrame({"count": [1, 2.001]})}
    assert "cube" in chaos.difference(off, whole)
    assert "there are" in chaos.difference({"cube": whole["cube"]}, whole)
