"""A night leaves its attempt, its figures and its word, however it ends; none of it can fail it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attempting import MINUTE, NOW
from configurations import changed

from pipeline.config import Config
from pipeline.errors import BusyError, ConfigError, MissingInputError
from pipeline.load import parse_config
from pipeline.log import LOGGER, StageLog
from pipeline.nightly import Outcome
from pipeline.watch.attempts import Attempt, read_attempts
from pipeline.watch.recipe import watched_night

Told = list[tuple[str, str]]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    values = changed({"output.path": str(tmp_path / "store"), "watch.ping": "https://far.example"})
    return parse_config(values, tmp_path / "here.yaml")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """Words and bodies that were sent."""
    sent: Told = []
    monkeypatch.setattr(
        "pipeline.watch.recipe.ping", lambda _, word, body="": sent.append((word, body))
    )
    return sent


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException | Outcome], None]:
    """Lets a night, whose stages are its own, end so."""

    def end(how: BaseException | Outcome) -> None:
        def night(*_: object, log: StageLog, **__: object) -> Outcome:
            with log.stage("ingest"):
                pass
            with log.stage("cube"):
                if isinstance(how, BaseException):
                    raise how
            return how

        monkeypatch.setattr("pipeline.watch.recipe.run_night", night)

    return end


def last(config: Config) -> Attempt:
    return read_attempts(Path(config.output.path))[0][-1]


def metrics(config: Config) -> str:
    return (Path(config.output.path) / "metrics.prom").read_text()


def test_a_night_that_ends_well(config: Config, told: Told, ends: Any) -> None:
    ends(Outcome(None))
    watched_night(config, NOW)
    found = last(config)
    assert found.state(NOW) == "done"
    assert found.run_id == f"here-20240831T1200Z-{config.fingerprint}"
    assert found.seconds.keys() == found.stage_peak_mib.keys() == {"ingest", "cube"}
    assert [word for word, _ in told] == ["start", ""]
    assert json.loads(told[1][1])["id"] == found.id
    assert 'hexcast_last_attempt_exit_code{city="here"} 0.0' in metrics(config)
    ends(Outcome(None, already_done=True))
    watched_night(config, NOW + MINUTE)
    assert last(config).state(NOW) == "already done"


@pytest.mark.parametrize(
    ("fault", "code", "error"),
    [
        (MissingInputError("no file at a\nor b"), 66, "no file at a"),
        (BusyError("the disk is full"), 75, "the disk is full"),
        (ValueError("https://a/?token=secret"), 70, "ValueError: https://a/?token=***"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (SystemExit(143), 143, "ended by SIGTERM"),
        (SystemExit(1), 1, "ended with exit code 1"),
    ],
)
def test_a_night_that_fails(
    config: Config, told: Told, ends: Any, fault: BaseException, code: int, error: str
) -> None:
    ends(fault)
    with pytest.raises(type(fault)):
        watched_night(config, NOW)
    found = last(config)
    assert (found.exit_code, found.error, found.stage) == (code, error, "cube")
    assert found.seconds.keys() == {"ingest"}
    assert [word for word, _ in told] == ["start", str(code)]
    assert f'hexcast_last_attempt_exit_code{{city="here"}} {code:.1f}' in metrics(config)
    assert "last_success" not in metrics(config)


def test_what_is_asked_wrongly_is_noted_without_a_run(config: Config, told: Told) -> None:
    with pytest.raises(ConfigError, match="has no offset"):
        watched_night(config, NOW, NOW.replace(tzinfo=None))
    assert (last(config).exit_code, last(config).run_id) == (78, None)


def test_one_that_meets_another_at_work_tells_no_failure(
    config: Config, told: Told, ends: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first(*_: object, **__: object) -> Outcome:
        ends(BusyError("another run writes"))
        with pytest.raises(BusyError):
            watched_night(config, NOW)
        return Outcome(None)

    monkeypatch.setattr("pipeline.watch.recipe.run_night", first)
    watched_night(config, NOW)
    assert [word for word, _ in told] == ["start", "start", ""]


def test_where_nothing_can_be_written_the_night_goes_on(
    config: Config,
    told: Told,
    ends: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(LOGGER, "propagate", True)
    Path(config.output.path).write_text("a file, where the store should be")
    ends(Outcome(None))
    assert watched_night(config, NOW) == Outcome(None)
    assert any(text.startswith("the attempt is not noted: ") for text in caplog.messages)
    assert [word for word, _ in told] == ["start", ""]


def test_a_profile_needs_bokeh(config: Config, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.watch.profiles.can_profile", lambda: False)
    with pytest.raises(ConfigError, match="needs bokeh, which is not installed"):
        watched_night(config, NOW, profile=True)
    assert last(config).exit_code == 78


def test_a_night_without_a_cluster_has_no_profile(
    config: Config,
    told: Told,
    ends: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(LOGGER, "propagate", True)
    monkeypatch.setattr("pipeline.watch.profiles.can_profile", lambda: True)
    ends(Outcome(None))
    with caplog.at_level("INFO", "hexcast"):
        watched_night(config, NOW, profile=True)
    assert caplog.messages[-1] == "no profile: no cluster was needed"
