"""The command as a user meets it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from cities import Small, midnight, small_file
from distributed import Client

from pipeline.cli import main


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["hexcast", "tune", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_a_search_prints_what_it_found(
    tmp_path: Path,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    cluster = {"kind": "address", "address": client.scheduler.address}
    model = {"rounds": 4, "holdout_nights": 14}
    path = small_file(tmp_path, Small().rows(), cluster=cluster, model=model)
    monkeypatch.setattr("pipeline.tuning.recipe.run_tuning.__defaults__", (2,))
    at = midnight(110).strftime("%Y-%m-%dT%H:%MZ")
    assert run(monkeypatch, path, "--as-of", at) == 0
    shown, logged = capfd.readouterr()
    *_, before, kept = shown.splitlines()
    assert before.startswith("2 trials in ")
    assert kept.startswith(str(tmp_path / "store" / "tuning" / midnight(110).strftime("%Y%m%dT")))
    assert "max_depth" in shown
    assert "rounds, violent" in shown
    said = [json.loads(line)["message"] for line in logged.splitlines() if line.startswith("{")]
    assert any(line.startswith("trial 1: complete") for line in said)
    assert run(monkeypatch, path, "--as-of", at, "--json") == 0
    assert len(json.loads(capfd.readouterr().out)["trials"]) == 2
    assert json.loads(Path(kept).read_text())["finished"]
