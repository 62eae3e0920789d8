"""Parquet files to rows of text: every row once, types and all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.api.types import is_string_dtype
from reading import PLAIN, parts, read, read_text
from tiny import good_rows, make_config

from pipeline.config import Config
from pipeline.errors import DataError, MissingInputError
from pipeline.sources import parquet_parts


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


def test_a_key_is_the_same_text_where_a_blank_made_its_column_a_float(parquet):
    """Pandas writes whole numbers with a gap as floats, which print long ones as 2.02e+11."""
    keys = [202400000001.0, None, 7.0, float("nan"), 2.0**53 - 1]
    columns = {"FROM": ["2024-04-01 05:30"] * 5, "OFFENSE": ["theft"] * 5}
    columns |= {"LAT": [39.74, -0.0, 1e-7, float("inf"), 40.0], "LON": [-105.0] * 5}
    pq.write_table(pa.table({"CASE": keys} | columns), parquet.source.path[0])
    rows = read(parquet)
    assert rows["CASE"].tolist() == ["202400000001", "", "7", "", "9007199254740991"]
    assert rows["LAT"].tolist() == ["39.74", "0", "1e-7", "inf", "40"]
    assert set(rows["LON"]) == {"-105"}


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


def test_a_name_that_is_no_text_is_an_error(parquet):
    """As damage makes it."""
    path = Path(parquet.source.path[0])
    pq.write_table(typed_table(), path)
    path.write_bytes(path.read_bytes().replace(b"CASE", b"\x80ASE"))
    with pytest.raises(DataError, match="deliver it again"):
        parts(parquet)


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


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
)
def test_text_that_is_no_utf8_is_read_as_windows_wrote_it(parquet, kind):
    plain = pa.array([b"caf\xe9", b"caf\xc3\xa9", None]).cast(pa.string(), safe=False)
    if pa.types.is_dictionary(kind):
        indices = pa.array([0, 1, None], pa.int32())
        offense = pa.DictionaryArray.from_arrays(indices, plain[:2], safe=False)
    else:
        offense = plain.cast(kind, safe=False)
    columns = {"CASE": ["1", "2", "3"], "FROM": ["2024-04-01 05:30"] * 3, "OFFENSE": offense}
    columns |= {"LAT": [39.74] * 3, "LON": [-105.0] * 3}
    pq.write_table(pa.table(columns), parquet.source.path[0])
    assert read(parquet)["OFFENSE"].tolist() == ["café", "café", ""]
