"""Paths in configurations: from where they count, and the hint at a near word."""

from __future__ import annotations

from pathlib import Path

import pytest
from configurations import parse, refusal

from pipeline.paths import expand, nearest


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder that is not the file's, with DATA set below it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA", "delivered")
    monkeypatch.setenv("BUCKET", "s3://city/data")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("ABSENT", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a.csv", "/city/a.csv"),
        ("../a.csv", "/a.csv"),
        ("/data/a-*.csv", "/data/a-*.csv"),
        ("s3://bucket/a.csv", "s3://bucket/a.csv"),
        ("${BUCKET}/a.csv", "s3://city/data/a.csv"),
        ("s3://bucket/${DATA}/a.csv", "s3://bucket/delivered/a.csv"),
        ("${ABSENT:-../data}/a.csv", "/data/a.csv"),
        ("${EMPTY:-data}/a.csv", "/city/data/a.csv"),
        ("${DATA}/a.csv", "{cwd}/delivered/a.csv"),
        ("${DATA:-unused}/../a.csv", "{cwd}/a.csv"),
        ("data/${DATA}.csv", "/city/data/delivered.csv"),
    ],
)
def test_paths_count_from_the_file_and_variables_from_the_shell(
    shell: Path, text: str, path: str
) -> None:
    assert expand(text, Path("/city")) == path.format(cwd=shell)


def test_paths_of_a_file_count_from_its_folder(shell: Path) -> None:
    paths = {"source.path": "${DATA}/a.csv", "output.path": "../out", "grid.boundary": "b.json"}
    config = parse(paths)
    assert config.source.path == (f"{shell}/delivered/a.csv",)
    assert (config.output.path, config.grid.boundary) == ("/out", "/city/b.json")


def test_a_variable_without_value_or_default_is_named(shell: Path) -> None:
    message = refusal({"source.path": "${ABSENT}/a.csv"})
    assert "source.path: ${ABSENT}/a.csv: the environment has no ABSENT" in message
    assert "${ABSENT:-default}" in message


def test_nearest_hints_at_one_or_shows_a_short_choice() -> None:
    assert nearest("colour", ["color", "size"]) == "; did you mean color?"
    assert nearest("zzz", ["b", "a"]) == ": use one of a, b"
    assert nearest("zzz", []) == nearest("zzz", [f"{n}a" for n in range(31)]) == ""
