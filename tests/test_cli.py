"""The command as a user and as cron meet it: one line and an exit code for what can be mended."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cities import Small, midnight, small_file
from distributed import Client

from pipeline.cli import main


@pytest.fixture
def city(tmp_path: Path, client: Client) -> Path:
    """A small city's files and configuration."""
    model = {"rounds": 20, "holdout_nights": 14}
    cluster = {"kind": "address", "address": client.scheduler.address}
    return small_file(tmp_path, Small().rows(), model=model, cluster=cluster)


def write(path: Path, values: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(values))
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["hexcast", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


HEAVY = "numpy pandas geopandas scipy dask distributed xgboost sklearn zarr icechunk xarray".split()
SLOW = ["rich", "pydantic"]  # a tenth of a second each


@dataclass(frozen=True)
class Loaded:
    """What a command said, and which of the large libraries it loaded."""

    said: str
    heavy: set[str]
    slow: set[str]


def loaded_by(*arguments: str) -> Loaded:
    code = (
        f"import sys; sys.argv = ['hexcast', *{arguments!r}]\n"
        "from pipeline.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print(*sorted({{*{SLOW!r}, *{HEAVY!r}}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *said, last = done.stdout.splitlines()
    names = set(last.split())
    return Loaded("\n".join(said), names - set(SLOW), names & set(SLOW))


def test_a_night_and_its_stages(
    city: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    at = midnight(110).strftime("%Y-%m-%dT%H:%MZ")
    assert run(monkeypatch, "status", city) == 66
    for stage in ("ingest", "cube", "train"):
        assert run(monkeypatch, stage, city, "--as-of", at) == 0
    assert not (city.parent / "store" / "runs").exists()
    capfd.readouterr()
    assert run(monkeypatch, "nightly", city, "--as-of", at) == 0
    shown, logged = capfd.readouterr()
    run_folder = city.parent / "store" / "runs" / midnight(110).strftime("%Y%m%dT%H%MZ")
    assert f"{run_folder}/forecast.gpkg" in shown
    assert "reference" in shown
    stages = [json.loads(line)["stage"] for line in logged.splitlines() if line.startswith("{")]
    assert stages == ["ingest", "cube", "train", "forecast", "layers", "score"]
    assert run(monkeypatch, "nightly", city, "--as-of", at, "--json") == 0
    assert json.loads(capfd.readouterr().out)["as_of"] == midnight(110).isoformat()
    assert run(monkeypatch, "runs", city) == 0
    assert f"\n{run_folder.name} " in capfd.readouterr().out
    assert run(monkeypatch, "verify", city, "--run", "latest") == 0
    assert capfd.readouterr().out == f"{run_folder.name}  as published\n"
    assert run(monkeypatch, "status", city, "--json") == 75, "a night of 2024 is late"
    found = json.loads(capfd.readouterr().out)
    assert found["newest"]["name"] == run_folder.name
    assert [each["state"] for each in found["attempts"]] == ["done", "already done"]
    assert found["attempts"][0]["seconds"].keys() == set(stages)
    assert not found["faults"]
    figures = (city.parent / "store" / "metrics.prom").read_text()
    for name in ("stage_peak_bytes", "expected_incidents", "model_wins", "run_peak_bytes"):
        assert f"hexcast_{name}{{" in figures
    again = loaded_by("nightly", str(city), "--as-of", at)
    assert "done already" in again.said
    assert not again.heavy, "a finished night does nothing, and quickly"
    assert run(monkeypatch, "check", city, "--json") == 0
    assert json.loads(capfd.readouterr().out)["to ingest"] == "0 new or changed files"


def test_out_moves_the_store(city: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    at = midnight(110).strftime("%Y-%m-%dT%H:%MZ")
    assert run(monkeypatch, "ingest", city, "--as-of", at, "--out", tmp_path / "other") == 0
    assert (tmp_path / "other" / "silver").is_dir()
    assert not (city.parent / "store").exists()


def faulty(city: Path, fault: str) -> Path:
    values = yaml.safe_load(city.read_text())
    source = city.parent / "in" / "incidents.csv"
    match fault:
        case "missing file":
            source.unlink()
        case "empty file":
            source.write_text("")
        case "unreadable Parquet":
            values["source"]["path"] = "in/broken.parquet"
            (city.parent / "in" / "broken.parquet").write_text("no Parquet")
        case "missing column":
            values["source"]["columns"]["category"] = "knd"
        case "wrong timezone":
            values["timezone"] = "America/Denvr"
        case "unknown key":
            values["source"]["colums"] = {}
        case "nobody listens":
            values["cluster"] |= {"address": "tcp://127.0.0.1:9", "timeout_seconds": 0.5}
    return write(city, values)


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        ("missing file", 66, "no file at"),
        ("empty file", 66, "is empty"),
        ("unreadable Parquet", 65, "deliver it again"),
        ("missing column", 65, "did you mean kind?"),
        ("wrong timezone", 78, "did you mean America/Denver?"),
        ("unknown key", 78, "did you mean columns?"),
        ("nobody listens", 69, "tcp://127.0.0.1:9"),
    ],
)
def test_faults_are_one_line_and_a_code(
    city: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    fault: str,
    code: int,
    message: str,
) -> None:
    at = midnight(110).strftime("%Y-%m-%dT%H:%MZ")
    assert run(monkeypatch, "nightly", faulty(city, fault), "--as-of", at) == code
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("hexcast:")]
    assert len(lines) == 1
    assert message in lines[0]
    if code != 78:  # of what is configured wrongly nobody knows where it would go
        assert run(monkeypatch, "status", city) == code
    assert not (city.parent / "store" / "runs").exists()


def test_an_export_does_not_replace_the_configuration(
    city: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    before = city.read_text()
    assert run(monkeypatch, "export", "quarantine", city, city) == 78
    assert f"{city} is there already" in capfd.readouterr().err
    assert city.read_text() == before


def test_help_imports_nothing_heavy() -> None:
    found = loaded_by("--help")
    assert "nightly" in found.said
    assert not found.heavy | found.slow
    commands = found.said.partition("Commands:")[2]
    assert "..." not in commands, "the first sentence of a command is too long for its line"


def test_no_command_needs_scikit_learn() -> None:
    code = (
        "import sys, pkgutil, importlib; sys.modules['sklearn'] = None\n"
        "import optuna, pipeline, xgboost.dask\n"
        "for found in pkgutil.walk_packages(pipeline.__path__, 'pipeline.'):\n"
        "    importlib.import_module(found.name)\n"
        "optuna.create_study().optimize(lambda t: t.suggest_float('x', 0, 1), n_trials=12)\n"
        "print(len([name for name in sys.modules if name.startswith('pipeline.')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100
