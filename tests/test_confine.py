"""Names from data and configuration stay below the folder that they are given."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from configurations import refusal
from hypothesis import given
from hypothesis import strategies as st

from pipeline.confine import inside
from pipeline.errors import ConfigError, DataError
from pipeline.unpack import unpack

ESCAPES = [
    "",
    ".",
    "..",
    "../x.csv",
    "a/../../x.csv",
    "a/..",
    "/etc/passwd",
    "//host/share",
    "a//b",
    "a/",
    "C:\\x.csv",
    "C:x.csv",
    "..\\x.csv",
    "a\\..\\..\\x.csv",
    "x\x00.csv",
    "x\n.csv",
    "a" * 300,
]


@pytest.mark.parametrize("name", ESCAPES)
def test_no_name_leads_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError) as fault:
        inside(tmp_path, name)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("name", ["x.csv", "a/b/x.csv", "..x", "x..csv", "Bezirk Süd.csv", ".x"])
def test_an_ordinary_name_is_where_it_says(tmp_path: Path, name: str) -> None:
    assert inside(tmp_path, name) == tmp_path / name


def test_a_link_may_lead_about_but_not_out(tmp_path: Path) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    (root / "real").mkdir(parents=True)
    other.mkdir()
    (root / "within").symlink_to(root / "real")
    (root / "out").symlink_to(other)
    (root / "file").symlink_to(other / "x.csv")  # which is not there
    assert inside(root, "within/x.csv") == root / "within" / "x.csv"
    for name in ("out", "out/x.csv", "file"):
        with pytest.raises(ConfigError, match="leads out of"):
            inside(root, name, ConfigError)
    reached = tmp_path / "reached"
    reached.symlink_to(root)  # the root itself may be a link
    assert inside(reached, "real/x.csv") == reached / "real" / "x.csv"


@given(name=st.text(alphabet="ab./\\:~\x00-", max_size=12))
def test_whatever_the_name_it_is_inside_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    root = tmp_path_factory.getbasetemp() / "root"
    try:
        path = inside(root, name)
    except DataError:
        return
    assert path.resolve().is_relative_to(root.resolve())
    assert path.resolve() != root.resolve()


def test_members_of_a_zip_stay_where_it_is_unpacked(tmp_path: Path) -> None:
    packed = tmp_path / "feed.zip"
    link = zipfile.ZipInfo("link.csv")
    link.external_attr = 0o120777 << 16  # a symbolic link, as zip keeps it
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("../../up.csv", "/absolute.csv", "a\\..\\back.csv", "a/../../../b.csv"):
            archive.writestr(name, "id\n1\n")
        archive.writestr(link, "/etc/passwd")
    into = tmp_path / "landing" / "deep" / "files"
    into.parent.mkdir(parents=True)
    before = set(tmp_path.rglob("*"))
    unpack(packed, into, "feed.zip")
    made = set(tmp_path.rglob("*")) - before
    assert len(made) == 6
    assert all(path == into or path.parent == into for path in made)
    assert not any(path.is_symlink() for path in made)
    assert not Path("/absolute.csv").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../up"},
        {"name": "a/b"},
        {"targets": {"../up": ["violent"]}},
        {"targets": {"a/b": ["violent"]}},
        {"groups.../up": {"categories": ["x"]}},
    ],
)
def test_names_in_a_configuration_are_no_paths(change: dict[str, object]) -> None:
    assert refusal(change)
