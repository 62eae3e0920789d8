"""What is said of a city's nights, and the exit code that a monitor acts on."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from attempting import MINUTE, NOW, attempt
from configurations import changed

from forecasts.store import publish, run_time, stage
from pipeline.config import Config
from pipeline.errors import ConfigError, MissingInputError
from pipeline.load import parse_config
from pipeline.watch.attempts import FILE, LOGS, Attempt, note
from pipeline.watch.report import status_lines
from pipeline.watch.status import status_of

RUN = "20240901T1200Z"  # 06:00 in Denver
HOUR = timedelta(hours=1)
LOOKED = run_time(RUN) + 7 * HOUR  # the default grace, six hours, is over
MANIFEST = {
    "made_at": "2024-09-01T12:05:00+00:00",
    "ingest": {"quality": {"warnings": ["rows: 12 came, usual are 40"]}},
    "models": [{"target": "all", "issued": "baseline rate"}],
}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return parse_config(changed({"output.path": str(tmp_path / "store")}), tmp_path / "here.yaml")


@pytest.fixture
def root(config: Config) -> Path:
    """The store, with a run."""
    found = Path(config.output.path)
    with stage(found) as folder:
        (folder / "layer").touch()
        publish(found, run_time(RUN), folder, MANIFEST)
    return found


def test_before_the_first_night_it_is_said(config: Config) -> None:
    with pytest.raises(MissingInputError, match="holds no night yet: hexcast nightly makes one"):
        status_of(config, LOOKED)


def test_all_is_well(config: Config, root: Path) -> None:
    for each in (attempt(0, 66, error="no file"), attempt(1, 0, took=5.6, seconds={"cube": 1.2})):
        note(root, each)
    found = status_of(config, LOOKED)
    assert (found.exit_code, found.verdict) == (0, "healthy")
    assert list(status_lines(found)) == [
        "here: healthy (exit code 0)",
        f"newest run {RUN}, 7.0 h old, made 2024-09-01T12:05",
        "  all         baseline rate, no night scored yet",
        "attempt, UTC      outcome       exit  seconds  stages",
        "2024-09-01 06:05  failed          66",
        "    no file",
        "2024-09-01 06:06  done             0      5.6  cube 1.2",
        "quality: rows: 12 came, usual are 40",
    ]


@pytest.mark.parametrize(
    ("attempts", "code", "verdict"),
    [
        ([attempt(0, 0), attempt(1, 66, error="no file")], 66, "the last attempt failed: no file"),
        ([attempt(0, 70, error="odd")], 70, "the last attempt failed: odd"),
        ([attempt(0, 0), attempt(1, started=NOW - 99 * HOUR)], 0, "healthy"),
        ([attempt(1, started=NOW - 99 * HOUR)], 75, "the last attempt was killed"),
        ([attempt(0, 66), attempt(1, 0)], 0, "healthy"),
    ],
)
def test_the_last_attempt_decides(
    config: Config, root: Path, attempts: list[Attempt], code: int, verdict: str
) -> None:
    for each in attempts:
        note(root, each)
    found = status_of(config, LOOKED)
    assert found.exit_code == code
    assert found.verdict.startswith(verdict)


def test_a_run_is_late_once_its_grace_is_over(config: Config, root: Path) -> None:
    day = timedelta(days=1)
    assert status_of(config, run_time(RUN) + day + 6 * HOUR - MINUTE).exit_code == 0
    late = status_of(config, run_time(RUN) + day + 6 * HOUR)
    assert (late.exit_code, late.verdict) == (75, "late: the run 20240902T1200Z is not there")


def test_a_first_night_that_failed_is_told(config: Config) -> None:
    note(Path(config.output.path), attempt(0, 69, error="no scheduler answers"))
    found = status_of(config, LOOKED)
    assert found.exit_code == 69
    assert f"no run is published yet; expected is {RUN}" in status_lines(found)


def test_what_is_damaged_is_told_and_the_rest_is_shown(config: Config, root: Path) -> None:
    note(root, attempt(0, 0))
    path = root / LOGS / FILE
    path.write_text(path.read_text() + "odd\n")
    manifest = root / "runs" / RUN / "manifest.json"
    manifest.write_text("{")
    (root / "forecasts.zarr").mkdir()
    found = status_of(config, LOOKED)
    assert (found.exit_code, found.verdict) == (65, "the newest run is damaged")
    assert len(found.faults) == 3
    assert found.attempts[0]["state"] == "done"
    manifest.write_text(json.dumps({"files": {}, "ingest": 3, "models": ["odd"]}))
    assert status_of(config, LOOKED).issued == {"None": "None"}


def test_who_may_not_look_is_told(
    config: Config, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(ConfigError, match="give this user the right to"):
        status_of(config, LOOKED)


def test_nothing_is_written(config: Config, root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    status_of(config, LOOKED)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
