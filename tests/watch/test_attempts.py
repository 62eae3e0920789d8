"""Attempts at nights: kept in bounds, read although damaged, and which of them decides."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from attempting import MINUTE, NOW, attempt

from pipeline.watch.attempts import FILE, KEPT, LOGS, LONGEST, deciding, note, read_attempts


@pytest.fixture(scope="module")
def gone() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    return child.pid


def test_an_end_takes_the_place_of_its_start(tmp_path: Path) -> None:
    note(tmp_path, attempt(0))
    note(tmp_path, attempt(1, 66))
    assert [each.state(NOW) for each in read_attempts(tmp_path)[0]] == ["at work", "failed"]
    note(tmp_path, attempt(0, 0, ended=NOW + 9 * MINUTE))
    found, damaged = read_attempts(tmp_path)
    assert [(each.id, each.exit_code) for each in found] == [("a1", 66), ("a0", 0)]
    assert damaged == 0


def test_the_newest_lines_are_kept(tmp_path: Path) -> None:
    path = tmp_path / LOGS / FILE
    path.parent.mkdir()
    line = attempt(0, 0).model_dump_json() + "\n"
    path.write_text(line * (KEPT + 50))
    note(tmp_path, attempt(1, 0))
    lines = path.read_text().splitlines()
    assert len(lines) == KEPT
    assert lines[-1] == attempt(1, 0).model_dump_json()


def test_damaged_lines_are_counted_and_left_out(tmp_path: Path) -> None:
    note(tmp_path, attempt(0, 0))
    path = tmp_path / LOGS / FILE
    path.write_bytes(path.read_bytes() + b'{"id": 3}\n\xff\xfe\n{"id": "a1", "comm')
    note(tmp_path, attempt(2, 65))
    found, damaged = read_attempts(tmp_path)
    assert [each.id for each in found] == ["a0", "a2"]
    assert damaged == 3


def test_a_process_that_is_gone_was_killed(gone: int) -> None:
    assert attempt(0).state(NOW) == "at work"
    assert attempt(0, pid=gone).state(NOW) == "killed"
    elsewhere = attempt(0, pid=gone, host="elsewhere")
    assert elsewhere.state(NOW + LONGEST) == "at work"
    assert elsewhere.state(NOW + LONGEST + MINUTE) == "killed"


def test_the_last_that_came_to_an_end_decides(gone: int) -> None:
    assert deciding([], NOW) is None
    assert deciding([attempt(0)], NOW) is None
    killed = attempt(1, pid=gone)
    assert deciding([attempt(0, 0), killed], NOW) == killed
    assert deciding([killed, attempt(2, 0)], NOW) == attempt(2, 0)


def test_one_that_met_another_at_work_decides_nothing() -> None:
    earlier, at_work, refused = attempt(0, 75), attempt(1), attempt(2, 75)
    assert deciding([earlier, at_work, refused], NOW) == earlier
    assert deciding([attempt(0, 0), at_work, attempt(2, 66)], NOW) == attempt(2, 66)
