"""The command as a user meets it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from cities import Small, small_file
from distributed import Client
from past import cheaply

from pipeline.cli import main

DAYS = ("--from", "2024-03-01", "--to", "2024-03-16")


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Path:
    """A small city's files and configuration; nothing is ingested."""
    folder = tmp_path_factory.mktemp("city")
    cluster = {"kind": "address", "address": client.scheduler.address}
    return small_file(folder, Small().rows(), cluster=cluster)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["hexcast", "backtest", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_a_backtest_prints_its_table_and_where_the_rest_is(
    city: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    cheaply(monkeypatch)
    assert run(monkeypatch, city, *DAYS) == 0
    shown, logged = capfd.readouterr()
    folder = city.parent / "store" / "backtests" / "2024-03-01_2024-03-16"
    assert shown.splitlines()[-2:] == [f"{folder}/backtest.html", f"{folder}/backtest.json"]
    assert "small, 2024-03-01 to 2024-03-16: 16 nights, 1 refits" in shown
    assert "reference" in shown
    said = [json.loads(line)["message"] for line in logged.splitlines() if line.startswith("{")]
    assert said[-1].startswith("16 of 16 nights")
    assert run(monkeypatch, city, *DAYS, "--json") == 0
    assert json.loads(capfd.readouterr().out)["targets"]["violent"]["incidents"] > 0


def test_its_folder_can_be_named(
    city: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cheaply(monkeypatch)
    assert run(monkeypatch, city, *DAYS, "--refit", "1w", "--out", tmp_path / "here") == 0
    record = json.loads((tmp_path / "here" / "backtest.json").read_text())
    assert [refit["nights"] for refit in record["refits"]] == [7, 7, 2]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--from", "2024-03-05", "--to", "2024-03-01"), 78, "swap them"),
        ((*DAYS, "--refit", "monthly"), 78, "as in 28d or 4w"),
        (("--from", "2029-03-05", "--to", "2029-03-08"), 66, "no night from 2029-03-05"),
        (("--from", "2024-01-05", "--to", "2024-01-08"), 66, "deliver more history"),
    ],
)
def test_what_can_be_mended_is_one_line_and_an_exit_code(
    city: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    assert run(monkeypatch, city, *arguments, "--out", tmp_path) == code
    (line,) = (li for li in capfd.readouterr().err.splitlines() if li.startswith("hexcast: "))
    assert said in line


def test_help_has_an_example(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--help") == 0
    assert "--from 2024-03-01 --to 2024-05-29" in " ".join(capfd.readouterr().out.split())
