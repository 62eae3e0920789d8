"""Faults of the surroundings: told by whose fault they are, and what to do."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest
import xgboost

from pipeline.errors import BusyError, ConfigError, DataError
from pipeline.plainly import explain, plainly

LOST = "rabit: [Connection reset by peer] tracker"


def closed(name: str) -> PermissionError:
    return PermissionError(errno.EACCES, "Permission denied", name)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), BusyError, "free some space"),
        (closed("/store/latest"), ConfigError, "/store cannot be written"),
        (closed("/elsewhere/city.geojson"), ConfigError, "/elsewhere/city.geojson cannot be used"),
        (sqlite3.OperationalError("database is locked"), BusyError, "another run writes /store"),
        (sqlite3.DatabaseError("file is not a database"), DataError, "delete it, and the next run"),
        (xgboost.core.XGBoostError(LOST), BusyError, "a worker was lost"),
    ],
)
def test_a_fault_is_told_by_whose_it_is(fault: Exception, kind: type, words: str) -> None:
    found = explain(fault, "/store")
    assert isinstance(found, kind)
    assert words in str(found)


def test_a_fault_of_the_program_stays_what_it_is() -> None:
    wrong = xgboost.core.XGBoostError("Invalid argument for device: gpux")
    assert explain(wrong, "/store") is None
    with pytest.raises(ZeroDivisionError), plainly("/store"):
        1 / 0  # noqa: B018


def test_a_store_may_be_named_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "out cannot be written" in str(explain(closed(str(tmp_path / "out" / "x")), "out"))
