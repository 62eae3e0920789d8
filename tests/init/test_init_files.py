from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import DataError, MissingInputError
from pipeline.init.files import (
    find_delimiter,
    find_files,
    patterns_of,
    require_header,
    require_table,
    short_name,
)


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
