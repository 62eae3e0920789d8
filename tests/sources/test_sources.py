"""Files to rows of text: every row once, whatever the file is like."""

from __future__ import annotations

import csv
import io
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import good_rows, make_config
from pandas.api.types import is_string_dtype

from pipeline.config import Config
from pipeline.errors import DataError, MissingInputError
from pipeline.sources import csv_parts, parquet_parts
from pipeline.sources.csv_parts import CsvPart
from pipeline.sources.files import FileSource
from pipeline.sources.formats import format_of
from pipeline.sources.source import DELIVERY, MALFORMED, Part

PLAIN: dict[str, Any] = {"occurred_until": None, "reported_at": None, "district": None}
HEADER = "CASE,FROM,OFFENSE,LAT,LON"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Five columns are mapped."""
    return make_config(tmp_path, columns=PLAIN)


def parts(config: Config) -> list[Part]:
    source = FileSource(config.source)
    return source.fetch(source.deliveries(), Path("not needed for local files"))


def read(config: Config) -> pd.DataFrame:
    rows = [part.read(config.source.columns.names) for part in parts(config)]
    return pd.concat(rows, ignore_index=True)


def read_text(config: Config, text: str | bytes) -> pd.DataFrame:
    body = text if isinstance(text, bytes) else text.encode()
    Path(config.source.path[0]).write_bytes(body)
    return read(config)


def awkward_text(count: int, seed: int = 3) -> tuple[str, list[str]]:
    """CSV rows with newlines, quotes and commas in their fields, and every row's category."""
    rng = np.random.default_rng(seed)
    pieces = ["theft", "a,b", 'the "big" one', "two\nlines", "\n", 'x\n"y",\n', "é", " padded "]
    offences = ["".join(rng.choice(pieces, 2)) for _ in range(count)]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADER.split(","))
    writer.writerows([str(i), "2024-04-01", o, "39.74", "-104.98"] for i, o in enumerate(offences))
    return text.getvalue(), offences


def test_rows_are_text_with_their_address(config):
    rows = read_text(config, f"{HEADER}\n007,2024-04-01, theft ,39.740,\n")
    address = config.source.path[0]
    assert rows.to_dict("records") == [
        {"CASE": "007", "FROM": "2024-04-01", "OFFENSE": " theft ", "LAT": "39.740", "LON": ""}
        | {DELIVERY: address, MALFORMED: ""}
    ]
    assert all(is_string_dtype(dtype) for dtype in rows.dtypes)


def test_only_mapped_columns_are_read(config):
    good_rows(3).to_csv(config.source.path[0], index=False)
    assert list(read(config)) == [*config.source.columns.names, DELIVERY, MALFORMED]
    assert "OFFICER" not in config.source.columns.names


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["", "\n"])
def test_a_byte_order_mark_and_line_ends_do_not_matter(config, newline, end):
    text = newline.join([HEADER, "1,2024-04-01,theft,1,2", "2,2024-04-01,fraud,3,4"])
    rows = read_text(config, b"\xef\xbb\xbf" + (text + end).encode())
    assert rows[["CASE", "LON"]].to_numpy().tolist() == [["1", "2"], ["2", "4"]]


def test_a_line_that_is_not_utf8_is_read_as_cp1252(config):
    lines = [HEADER.encode(), "1,,café,,".encode(), "2,,café – x,,".encode("cp1252"), b"3,,\x81,,"]
    rows = read_text(config, b"\n".join(lines))
    assert rows["OFFENSE"].tolist() == ["café", "café – x", "\ufffd"]


def test_rows_with_too_few_or_too_many_fields_are_kept_as_text(config):
    rows = read_text(config, f"{HEADER}\n1,a,b,c,d\n2,short\n3,a,b,c,d,é\n4,a,b,c,d\n")
    assert rows["CASE"].tolist() == ["1", "4", "", ""]
    assert rows[MALFORMED].tolist() == ["", "", "2,short", "3,a,b,c,d,é"]
    assert set(rows[DELIVERY]) == {config.source.path[0]}


@pytest.mark.parametrize("size", [64, 101, 1000, 10**6])
def test_blocks_lose_and_double_nothing(config, monkeypatch, size):
    monkeypatch.setattr(csv_parts, "BYTES_PER_PART", size)
    text, offences = awkward_text(60)
    rows = read_text(config, text)
    assert rows["CASE"].tolist() == [str(i) for i in range(60)]
    assert rows["OFFENSE"].tolist() == offences
    assert (rows[MALFORMED] == "").all()


def test_a_small_block_makes_many_parts(config, monkeypatch):
    monkeypatch.setattr(csv_parts, "BYTES_PER_PART", 400)
    text, _ = awkward_text(60)
    Path(config.source.path[0]).write_text(text)
    assert len(parts(config)) > 4


def test_stray_quotes_and_giant_rows_make_no_part_endless(config, monkeypatch):
    monkeypatch.setattr(csv_parts, "BYTES_PER_PART", 100)
    lines = [f'{i},,{i}" pipe,1,2' if i == 3 else f"{i},,x,1,2" for i in range(200)]
    rows = read_text(
        config, "\n".join([HEADER, *lines, '200,,"' + "y" * 2000 + '",1,2', "201,,,1,2"])
    )
    whole = rows[rows[MALFORMED] == ""]["CASE"]
    assert whole[whole.str.len() > 0].tolist()[:200] == [str(i) for i in range(200)]
    assert whole.iloc[-1] == "201"


def test_a_header_line_within_the_file_is_a_row(config, monkeypatch):
    monkeypatch.setattr(csv_parts, "BYTES_PER_PART", len(HEADER) + 1)
    rows = read_text(config, f"{HEADER}\n{HEADER}\n{HEADER}\n")
    assert rows["CASE"].tolist() == ["CASE", "CASE"]


def test_a_quoted_header_may_hold_a_newline(tmp_path):
    config = make_config(tmp_path, columns=PLAIN | {"category": "OFFENSE\n(code)"})
    rows = read_text(config, 'CASE,FROM,"OFFENSE\n(code)",LAT,LON\n1,,theft,,\n')
    assert rows["OFFENSE\n(code)"].tolist() == ["theft"]


@pytest.mark.parametrize("text", [HEADER, HEADER + "\n"])
def test_a_file_without_rows_is_an_error(config, text):
    with pytest.raises(MissingInputError, match="holds no rows: deliver it again"):
        read_text(config, text)


def test_an_empty_file_is_an_error(config):
    with pytest.raises(MissingInputError, match="is empty, it holds no rows: deliver it again"):
        read_text(config, "")


@pytest.mark.parametrize("text", ["\n\n", "\n" + HEADER + "\n1,2,3,4,5\n"])
def test_a_file_without_header_is_an_error(config, text):
    with pytest.raises(DataError, match="no readable CSV file"):
        read_text(config, text)


def test_a_missing_column_names_the_nearest(config):
    with pytest.raises(DataError, match=r"no column 'OFFENSE'; did you mean OFFENCE\?"):
        read_text(config, "CASE,FROM,OFFENCE,LAT,LON\n1,2,3,4,5\n")


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


def typed_table() -> pa.Table:
    instant = datetime(2024, 4, 1, 5, 30, tzinfo=UTC)
    clock = instant.replace(tzinfo=None)
    return pa.table(
        {
            "CASE": pa.array([7, None, 9], pa.int64()),
            "FROM": pa.array([clock, None, clock], pa.timestamp("ns")),
            "OFFENSE": pa.array(["theft", None, ""]).dictionary_encode(),
            "LAT": pa.array([39.74, float("nan"), 0.1], pa.float64()),
            "LON": pa.array([instant, None, instant], pa.timestamp("ms", "UTC")),
            "CODES": pa.array([[1], [2], [3]]),  # a list has no text, but it is not read
        }
    )


@pytest.fixture
def parquet(tmp_path: Path) -> Config:
    return make_config(tmp_path, PLAIN, source={"path": str(tmp_path / "incidents.parquet")})


def test_typed_columns_become_text(parquet):
    pq.write_table(typed_table(), parquet.source.path[0])
    rows = read(parquet)
    assert rows["CASE"].tolist() == ["7", "", "9"]
    assert pd.to_datetime(rows["FROM"][0]) == pd.Timestamp("2024-04-01 05:30")
    assert rows["FROM"][1] == ""
    assert rows["OFFENSE"].tolist() == ["theft", "", ""]
    assert rows["LAT"].tolist() == ["39.74", "", "0.1"]
    assert pd.to_datetime(rows["LON"][0]) == pd.Timestamp("2024-04-01 05:30", tz="UTC")
    assert all(is_string_dtype(dtype) for dtype in rows.dtypes)


def test_nanoseconds_are_cut_to_microseconds(parquet):
    table = typed_table()
    odd = pa.array([1_711_949_400_000_000_001] * 3, pa.timestamp("ns"))
    pq.write_table(table.set_column(1, "FROM", odd), parquet.source.path[0])
    assert read(parquet)["FROM"].tolist() == ["2024-04-01 05:30:00.000000"] * 3


def test_row_groups_are_sliced_without_loss(parquet, monkeypatch):
    monkeypatch.setattr(parquet_parts, "ROWS_PER_PART", 7)
    good_rows(50).to_parquet(parquet.source.path[0], row_group_size=20)
    assert [part.rows.rows for part in parts(parquet)] == [7, 7, 6, 7, 7, 6, 7, 3]
    assert read(parquet)["CASE"].tolist() == good_rows(50)["CASE"].tolist()


def test_an_unreadable_parquet_file_is_an_error(parquet):
    with pytest.raises(DataError, match="no readable Parquet file"):
        read_text(parquet, "PAR1 this is not")


def test_a_mapped_column_without_text_is_an_error(tmp_path):
    path = tmp_path / "incidents.parquet"
    config = make_config(tmp_path, PLAIN | {"category": "CODES"}, source={"path": str(path)})
    pq.write_table(typed_table(), path)
    with pytest.raises(DataError, match=r"cannot be read.*list.*deliver it again"):
        read(config)


def test_a_parquet_file_without_rows_is_an_error(parquet):
    pq.write_table(typed_table()[:0], parquet.source.path[0])
    with pytest.raises(MissingInputError, match="holds no rows"):
        read(parquet)


def test_the_format_can_be_given(tmp_path):
    path = tmp_path / "incidents.txt"
    config = make_config(tmp_path, PLAIN, source={"path": str(path), "format": "csv"})
    assert read_text(config, f"{HEADER}\n1,,,,\n")["CASE"].tolist() == ["1"]


def test_a_file_that_went_away_is_named(config):
    path = config.source.path[0]
    part = Part(path, CsvPart(path, b"CASE\n", 5, 9), ("CASE",))
    with pytest.raises(DataError, match=r"incidents\.csv cannot be read"):
        part.read(["CASE"])


def test_a_quoted_first_header_may_follow_a_byte_order_mark(config):
    text = '"CASE","FROM","OFFENSE","LAT","LON"\n"1","2024-04-01","a, b","1","2"\n'
    rows = read_text(config, b"\xef\xbb\xbf" + text.encode())
    assert rows[["CASE", "OFFENSE"]].to_numpy().tolist() == [["1", "a, b"]]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_fields_are_parted_by_the_delimiter(tmp_path, monkeypatch, delimiter):
    monkeypatch.setattr(csv_parts, "BYTES_PER_PART", 40)
    config = make_config(tmp_path, PLAIN, source={"delimiter": delimiter})
    lines = [HEADER, *(f'{i},"x{delimiter}y",a.b,1,2' for i in range(9))]
    rows = read_text(config, "\n".join(line.replace(",", delimiter) for line in lines))
    assert rows["CASE"].tolist() == [str(i) for i in range(9)]
    assert set(rows["FROM"]) == {f"x{delimiter}y"}
    assert (rows[MALFORMED] == "").all()


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


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://data.city.gov/resource/abcd-1234", "socrata"),
        ("https://data.city.gov/resource/abcd-1234.json", "socrata"),
        ("https://data.city.gov/resource/abcd-1234.csv", "socrata"),
        ("https://maps.city.gov/arcgis/rest/services/Crime/FeatureServer/0", "arcgis"),
        ("https://maps.city.gov/arcgis/rest/services/Crime/MapServer/12/", "arcgis"),
        ("https://city.gov/api/3/action/datastore_search?resource_id=1f-2", "ckan"),
        ("https://city.gov/download?name=crimes.csv", "csv"),
        ("https://city.gov/export?format=csv", "csv"),
        ("s3://bucket/crimes.TXT", "csv"),
        ("/data/crimes.csv.gz", "csv"),
        ("/data/crimes-*.tsv", "csv"),
        ("/data/resource/abcd-1234", "parquet"),
        ("/data/csv/crimes.parquet", "parquet"),
    ],
)
def test_the_format_is_told_from_the_address(tmp_path, address, found):
    config = make_config(tmp_path)
    assert format_of(config.source, address) == found
    given = make_config(tmp_path, source={"format": "ckan"})
    assert format_of(given.source, address) == "ckan"
