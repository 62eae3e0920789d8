"""Reading a configuration file: every fault is named with its key and a remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from configurations import refusal

from pipeline.errors import ConfigError
from pipeline.load import load_config

# Keys


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("timezon", "timezone"),
        ("source.colums", "columns"),
        ("source.columns.occured_at", "occurred_at"),
        ("grid.resolutoin", "resolution"),
        ("groups.violent.categorys", "categories"),
        ("model.night", "nights"),
        ("cluster.adress", "address"),
        ("output.keepdays", "keep_days"),
    ],
)
def test_an_unknown_key_names_its_path_and_the_nearest(key: str, near: str) -> None:
    message = refusal({key: "x"})
    assert message == f"/city/here.yaml: {key}: unknown key; did you mean {near}?"


def test_a_key_like_no_other_shows_the_choice() -> None:
    choice = "output.zzz: unknown key: use one of formats, k_anonymity, keep_days, mirror, path"
    assert choice in refusal({"output.zzz": 1})


@pytest.mark.parametrize(
    "key", ["name", "source", "source.path", "source.columns.key", "groups", "targets", "output"]
)
def test_a_missing_key_is_named(key: str) -> None:
    assert f"{key}: required, but not there" in refusal({key: None})


def test_every_fault_has_its_line() -> None:
    lines = refusal({"timezone": "Mars", "output.path": None, "x": 1}).splitlines()
    assert len(lines) == 3
    assert all(line.startswith("/city/here.yaml: ") for line in lines)


# The file


def written(folder: Path, text: str) -> Path:
    path = folder / "city.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: a\ntimezone: UTC\nname: b\n", "key 'name' stands twice"),
        ("source:\n  start: 1\n  start: 2\n", "key 'start' stands twice"),
        ("name: [", "cannot be read as YAML"),
        ("output:\n  path: {{ HOME }}\n", "a key must be plain text"),
        ("", "holds no keys: start from configs/demo.yaml"),
        ("- name\n", "holds no keys"),
        ("name: here\ncutoff: 16:00\n", "write the cutoff in quotes"),
    ],
)
def test_a_file_that_means_nothing_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as fault:
        load_config(path)
    assert words in str(fault.value)
    assert str(path) in str(fault.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("start: 2024-13-45", "month must be in 1..12"),
        ("a: " + "[" * 3000, "cannot be read as YAML"),
        ("a: &x {b: 1}\nc: {<<: *x}", "<< is not read: write the keys out"),
        ("output: /x", "output: '/x' holds no keys"),
    ],
)
def test_odd_yaml_is_an_error_in_words(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        load_config(written(tmp_path, text), out=tmp_path / "out")


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such configuration"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "binary.yaml"):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_config(path)
