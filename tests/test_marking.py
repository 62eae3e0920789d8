"""What a command prints, told apart where one log holds both of its streams."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.submit.marking import MARK, VARIABLE, Marked, stream_of

HEXCAST = Path(sys.executable).with_name("hexcast")


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        (["one\n", "two\n"], ["one", "two"]),
        (["one\ntwo\n"], ["one", "two"]),
        (["o", "ne", "\ntw", "o"], ["one", "two"]),
        (["", "\n", "", "after a line without words"], ["", "after a line without words"]),
    ],
)
def test_every_line_is_marked_once(written: list[str], lines: list[str]) -> None:
    below = io.BytesIO()
    stream = Marked(below, encoding="utf-8")
    assert [stream.write(text) for text in written] == [len(text) for text in written]
    stream.flush()
    found = below.getvalue().decode().removesuffix("\n").split("\n")
    assert [stream_of(line) for line in found] == [("out", line) for line in lines]


def test_a_line_without_a_mark_is_of_standard_error() -> None:
    assert stream_of("no words but these") == ("err", "no words but these")


@pytest.mark.parametrize(("set_to", "mark"), [("1", MARK), ("", "")])
def test_a_command_marks_what_it_prints(set_to: str, mark: str, tmp_path: Path) -> None:
    environment = {**os.environ, VARIABLE: set_to}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [HEXCAST, *words], capture_output=True, text=True, check=False, env=environment
        )

    assert run("--version").stdout.startswith(f"{mark}hexcast ")
    failed = run("nightly", str(tmp_path / "nowhere.yaml"))
    assert failed.stdout == ""
    assert MARK not in failed.stderr
