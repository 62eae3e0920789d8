from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drafting import NOW, init, plain_rows
from dressed_files import drifting_files
from init_cities import write

from pipeline.check import check_city
from pipeline.errors import DataError, MissingInputError
from pipeline.init.files import (
    find_delimiter,
    find_files,
    patterns_of,
    require_header,
    require_table,
    short_name,
)
from pipeline.load import load_config


def files(folder: Path, *names: str, content: str = "a,b,c\n1,2,3\n") -> list[str]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return [str(folder / name) for name in names]


def test_a_folder_is_a_pattern_of_its_data_files(tmp_path: Path) -> None:
    wanted = files(tmp_path, "2023-01.csv", "2023-02.csv")
    files(tmp_path, "README.md", "feed.json", ".hidden.csv")
    found = find_files([str(tmp_path)])
    assert list(found.addresses) == wanted
    assert found.paths == (f"{tmp_path}/*.csv",)


def test_folders_below_are_found_too(tmp_path: Path) -> None:
    wanted = files(tmp_path, "2022/a.CSV", "2023/b.CSV")
    found = find_files([str(tmp_path)])
    assert list(found.addresses) == wanted
    assert found.paths == (f"{tmp_path}/**/*.CSV",)


def test_a_pattern_leaves_others_out(tmp_path: Path) -> None:
    wanted = files(tmp_path, "crime_1.csv", "crime_2.csv")
    others = files(tmp_path, "areas.csv")
    assert patterns_of(wanted, wanted + others) == [f"{tmp_path}/crime_*.csv"]
    alike = files(tmp_path, "crime_areas.csv")
    assert patterns_of(wanted, wanted + alike) == wanted


def test_one_file_of_a_folder_is_named_itself(tmp_path: Path) -> None:
    wanted = files(tmp_path, "crime.csv")
    assert find_files([str(tmp_path)]).paths == tuple(wanted)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    files(tmp_path, "README.md")
    with pytest.raises(MissingInputError, match=r"no CSV or Parquet files \(README\.md\)"):
        find_files([str(tmp_path)])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_finds_the_delimiter(delimiter: str, tmp_path: Path) -> None:
    row = delimiter.join(["1,5; x" if delimiter in "\t|" else '"1|5\tx"', "b", "c"])
    path = tmp_path / "a.csv"
    path.write_text(delimiter.join("xyz") + "\n" + f"{row}\n" * 50)
    assert find_delimiter(str(path)) == delimiter


def test_the_newlines_of_addresses_part_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id;where;kind\n" + '1;"MAIN ST, 5\nDENVER, CO, US";theft\n' * 50)
    assert find_delimiter(str(path)) == ";"


NOT_TABLES = {
    b"PK\x03\x04....": "Excel workbook",
    b"\xd0\xcf\x11\xe0....": "Excel workbook",
    b'\xef\xbb\xbf {"type": "FeatureCollection"}': "JSON",
    b"<!DOCTYPE html><html>": "web page",
    b"%PDF-1.4": "PDF",
    "a;b".encode("utf-16"): "UTF-16",
}


@pytest.mark.parametrize("content", NOT_TABLES, ids=NOT_TABLES.values())
def test_says_what_a_file_is_that_is_no_table(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=NOT_TABLES[content]):
        require_table(str(path), "a.csv")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["1001", "2024-01-02 10:00", "THEFT", "39.7"], "begins with data"),
        (["Crime report of May"], "delete the lines above"),
    ],
)
def test_a_header_is_names(names: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        require_header(names, "a.csv")


def test_names_are_short_and_plain() -> None:
    assert short_name("/data/Crimes - 2001 to Present.csv.gz") == "crimes-2001-to-present"
    assert short_name("https://data.example.org/files/NYPD_2024.csv?raw=1") == "nypd-2024"
    assert short_name("feed/incidents-*.csv") == "incidents"


@pytest.mark.parametrize("pack", ["gz", "zip", "pattern", "list", "tab.txt.gz"])
def test_reads_packed_and_several_files(pack: str, tmp_path: Path) -> None:
    rows = plain_rows()
    half = len(rows) // 2
    separator = "\t" if pack.startswith("tab") else ","
    first, second = (part.to_csv(index=False, sep=separator) for part in (rows[:half], rows[half:]))
    if pack.endswith("gz"):
        paths = [str(tmp_path / f"denver.{pack}"), str(tmp_path / f"more.{pack}")]
        for path, content in zip(paths, (first, second), strict=True):
            Path(path).write_bytes(gzip.compress(content.encode()))
    elif pack == "zip":
        paths = [str(tmp_path / "denver.zip")]
        with zipfile.ZipFile(paths[0], "w") as archive:
            archive.writestr("2022.csv", first)
            archive.writestr("2023.csv", second)
    else:
        paths = [str(tmp_path / "denver1.csv"), str(tmp_path / "denver2.csv")]
        for path, content in zip(paths, (first, second), strict=True):
            Path(path).write_text(content)
        paths = [str(tmp_path / "denver*.csv")] if pack == "pattern" else paths
    result, found = init(paths, tmp_path)
    assert found["source"].get("delimiter", ",") == separator
    assert [*np.atleast_1d(found["source"]["path"])] == [Path(p).name for p in paths]
    assert "all 2,600 rows" in result.path.read_text()
    check_city(load_config(result.path), NOW)


def test_leaves_files_of_another_kind_out(tmp_path: Path) -> None:
    rows = plain_rows()
    for number in range(4):
        write(rows[number::4], tmp_path / "in" / f"crime_{number}.csv")
    areas = pd.DataFrame({"area": ["a", "b"], "officers": ["1", "2"], "phone": ["3", "4"]})
    write(areas, tmp_path / "in" / "areas.csv")
    result, found = init([str(tmp_path / "in")], tmp_path)
    assert found["source"]["path"] == "in/crime_*.csv"
    assert "1 files are of another kind" in result.path.read_text()
    check_city(load_config(result.path), NOW)


def test_no_file_is_an_error(tmp_path: Path) -> None:
    write(plain_rows(), tmp_path / "other.csv")
    with pytest.raises(MissingInputError, match=r"check the path; beside it: other\.csv"):
        init([str(tmp_path / "a.csv")], tmp_path)


def test_drift_is_said_and_read(tmp_path: Path) -> None:
    dressed = drifting_files(tmp_path)
    result, _ = init(dressed.path, tmp_path)
    assert "the files have 2 different headers" in result.path.read_text()
    config = load_config(result.path)
    assert config.source.renamed["Crime Type"] == "offense"
