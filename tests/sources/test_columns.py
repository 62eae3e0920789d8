"""Columns of files are found under the names that they have or had."""

from __future__ import annotations

from pathlib import Path

import pytest
from reading import (
    HEADER,
    PLAIN,
    read,
    read_text,
    the_config,  # noqa: F401 -- a fixture
)
from tiny import good_rows, make_config

from pipeline.errors import DataError
from pipeline.sources.files import FileSource
from pipeline.sources.source import DELIVERY, MALFORMED, Part


def test_only_mapped_columns_are_read(config):
    good_rows(3).to_csv(config.source.path[0], index=False)
    assert list(read(config)) == [*config.source.columns.names, DELIVERY, MALFORMED]
    assert "OFFICER" not in config.source.columns.names


def test_a_missing_column_names_the_nearest(config):
    with pytest.raises(DataError, match=r"no column 'OFFENSE'; did you mean OFFENCE\?"):
        read_text(config, "CASE,FROM,OFFENCE,LAT,LON\n1,2,3,4,5\n")


def test_columns_are_found_whatever_their_case_blanks_and_strokes(config):
    rows = read_text(config, " case ,From.,OFF_ENSE,l-a t,lon\n1,2,3,4,5\n")
    assert rows[list(config.source.columns.names)].to_numpy().tolist() == [list("12345")]


def test_the_exact_name_goes_before_one_alike(config):
    rows = read_text(config, "case,CASE,FROM,Offense,LAT,LON\nno,1,2,3,4,5\n")
    assert rows["CASE"].tolist() == ["1"]


def test_two_names_alike_are_an_error(config):
    fault = r"columns \['Offense', 'offense '\] could both be 'OFFENSE': name the right one"
    with pytest.raises(DataError, match=fault):
        read_text(config, "CASE,FROM,Offense,offense ,LAT,LON\n1,2,3,4,5,6\n")


def test_a_renamed_column_is_read_under_either_name(tmp_path):
    path = str(tmp_path / "part*.csv")
    source = {"path": path, "renamed": {"CRIME": "OFFENSE", "UCR": "OFFENSE"}}
    config = make_config(tmp_path, PLAIN, source=source)
    for year, name in enumerate(("OFFENSE", "CRIME", "UCR")):
        header = HEADER.replace("OFFENSE", name)
        (tmp_path / f"part-{year}.csv").write_text(f"{header}\n{year},,theft {year},,\n")
    assert read(config)["OFFENSE"].tolist() == ["theft 0", "theft 1", "theft 2"]


def test_drifting_files_are_read_together(tmp_path):
    """Another order, another case, a column more, an optional one less."""
    columns = {"occurred_until": None, "reported_at": None, "district": "DISTRICT"}
    config = make_config(tmp_path, columns, source={"path": str(tmp_path / "part*.csv")})
    (tmp_path / "part-1.csv").write_text("LON,LAT,OFFENSE,FROM,CASE,DISTRICT\n1,2,3,4,5,6\n")
    (tmp_path / "part-2.csv").write_text("case,new,From,Offense,Lat,Lon\n5,x,4,3,2,1\n")
    rows = read(config)[["CASE", "FROM", "OFFENSE", "LAT", "LON", "DISTRICT"]]
    assert rows.to_numpy().tolist() == [list("543216"), [*"54321", ""]]


@pytest.mark.parametrize("name", ["incidents.csv", "incidents.parquet"])
def test_an_optional_column_that_a_file_lacks_reads_as_blank(tmp_path, name):
    path = tmp_path / name
    config = make_config(tmp_path, source={"path": str(path)})
    rows = good_rows(3).drop(columns=["TO", "REPORTED", "DISTRICT"])
    rows.to_csv(path, index=False) if name.endswith("csv") else rows.to_parquet(path)
    found = read(config)
    assert (found[["TO", "REPORTED", "DISTRICT"]] == "").all(axis=None)
    assert found["CASE"].tolist() == rows["CASE"].tolist()


def test_the_parts_of_a_clock_are_all_read_and_required(tmp_path):
    config = make_config(tmp_path, PLAIN | {"occurred_at": ["DATE", "TIME"]})
    rows = read_text(config, "CASE,TIME,DATE,OFFENSE,LAT,LON\n1,130,4/1/2024,theft,1,2\n")
    assert rows[["DATE", "TIME"]].to_numpy().tolist() == [["4/1/2024", "130"]]
    with pytest.raises(DataError, match="no column 'TIME'"):
        read_text(config, "CASE,DATE,OFFENSE,LAT,LON\n1,4/1/2024,theft,1,2\n")


def test_check_looks_at_the_columns_alone(config, monkeypatch):
    Path(config.source.path[0]).write_text(f"{HEADER.replace('LAT', 'NORTH')}\n1,2,3,4,5\n")
    monkeypatch.setattr(Part, "read", lambda *_: pytest.fail("rows were read"))
    source = FileSource(config.source)
    with pytest.raises(DataError, match="no column 'LAT'"):
        source.check(source.deliveries())
