"""Files as deliveries: which there are, in which order, and which are new."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from reading import (
    HEADER,
    PLAIN,
    read,
    the_config,  # noqa: F401 -- a fixture
)
from tiny import make_config

from pipeline.errors import DataError, MissingInputError
from pipeline.sources.csv_parts import CsvPart
from pipeline.sources.files import FileSource
from pipeline.sources.source import DELIVERY, Part


def test_a_missing_file_is_an_error(tmp_path):
    for name in ("none.csv", "none*.csv"):
        config = make_config(tmp_path, source={"path": str(tmp_path / name)})
        with pytest.raises(MissingInputError, match=f"no file at {tmp_path}"):
            FileSource(config.source).deliveries()


def test_several_files_are_read_in_the_order_of_their_names(tmp_path):
    config = make_config(tmp_path, PLAIN, source={"path": str(tmp_path / "part*.csv")})
    for name in ("b", "a"):
        (tmp_path / f"part-{name}.csv").write_text(f"{HEADER}\n{name},,,,\n")
    (tmp_path / "part-c.csv").mkdir()
    rows = read(config)
    assert rows["CASE"].tolist() == ["a", "b"]
    assert rows[DELIVERY].tolist() == [str(tmp_path / f"part-{name}.csv") for name in "ab"]


def test_addresses_keep_their_protocol(tmp_path):
    config = make_config(tmp_path, PLAIN, source={"path": f"file://{tmp_path}/x*.csv"})
    (tmp_path / "x.csv").write_text(f"{HEADER}\n1,,,,\n")
    found = FileSource(config.source).deliveries()
    assert [delivery.address for delivery in found] == [f"file://{tmp_path}/x.csv"]
    assert len(read(config)) == 1


def test_the_version_changes_with_the_file(config):
    path = Path(config.source.path[0])
    source = FileSource(config.source)

    def version(text: str, seconds: int) -> int:
        path.write_text(text)
        os.utime(path, (seconds, seconds))
        return source.deliveries()[0].version

    first = version("abc", 1000)
    assert version("abc", 1000) == first
    assert len({first, version("abc", 1001), version("abcd", 1000)}) == 3
    assert 0 <= first < 2**63  # a Delta table keeps it as int64


def test_a_file_that_went_away_is_named(config):
    path = config.source.path[0]
    part = Part(path, CsvPart(path, b"CASE\n", 5, 9), ("CASE",))
    with pytest.raises(DataError, match=r"incidents\.csv cannot be read"):
        part.read(["CASE"])


def test_several_paths_are_delivered_in_their_order(tmp_path):
    paths = [str(tmp_path / "z.csv"), str(tmp_path / "a*.csv")]
    for name in ("z", "a2", "a1"):
        (tmp_path / f"{name}.csv").write_text(f"{HEADER}\n{name},,,,\n")
    config = make_config(tmp_path, PLAIN, source={"path": paths})
    assert read(config)["CASE"].tolist() == ["z", "a1", "a2"]


@pytest.mark.parametrize(
    "change",
    [
        {"date_formats": ["%Y"]},
        {"delimiter": ";"},
        {"renamed": {"KIND": "OFFENSE"}},
        {"retracted": ["gone"]},
    ],
)
def test_a_file_that_is_read_another_way_is_another_delivery(tmp_path, change):
    path, columns = tmp_path / "incidents.csv", {"status": "STATUS"}
    path.write_text(HEADER)
    before = make_config(tmp_path, columns, source={"retracted": ["void"]})
    after = make_config(tmp_path, columns, source={"retracted": ["void"]} | change)
    versions = [FileSource(config.source).deliveries()[0].version for config in (before, after)]
    assert versions[0] != versions[1]
