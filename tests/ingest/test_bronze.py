"""Rows as they were delivered: what each is known by, and what of them is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal
from tiny import NOW, as_delivered, good_rows, make_config

from pipeline.config import Config
from pipeline.ingest.bronze import (
    CONTENT,
    INGESTED_AT,
    KEY,
    KNOWN_FROM,
    META,
    ROW,
    RUN_DATE,
    SAID,
    Stamps,
    as_bronze,
    bronze_schema,
    identified,
    key_values,
    read_rows,
    take,
    write_rows,
)
from pipeline.ingest.keys import Keys
from pipeline.sources.parquet_parts import ParquetPart
from pipeline.sources.source import DELIVERY, MALFORMED, Part

STAMPS = Stamps(NOW, "2024-06-15", NOW - timedelta(hours=1))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return make_config(tmp_path)


def identify(config: Config, rows: pd.DataFrame) -> pd.DataFrame:
    return identified(as_delivered(config, rows), config.source.columns)


def test_equal_text_is_equal_content_blanks_at_the_ends_apart(config):
    rows = good_rows(4)
    padded = rows.assign(LAT=" " + rows["LAT"] + "\t", OFFENSE=rows["OFFENSE"] + " ")
    one, same = identify(config, rows), identify(config, padded)
    assert (one[[KEY, CONTENT]] == same[[KEY, CONTENT]]).all(axis=None)
    assert one[CONTENT].is_unique
    inner = identify(config, rows.assign(OFFENSE="a  b"))[CONTENT]
    assert (inner != identify(config, rows.assign(OFFENSE="a b"))[CONTENT]).all()


@pytest.mark.parametrize("name", ["CASE", "FROM", "TO", "REPORTED", "OFFENSE", "LAT", "DISTRICT"])
def test_every_mapped_column_is_content(config, name):
    rows = good_rows(3)
    other = identify(config, rows.assign(**{name: "other"}))[CONTENT]
    assert (other != identify(config, rows)[CONTENT]).all()


def test_a_column_that_is_not_mapped_is_no_content(config):
    rows = good_rows(3)
    same = identify(config, rows.assign(OFFICER="another"))
    assert_frame_equal(same, identify(config, rows))


def test_content_does_not_hang_on_the_other_rows_nor_on_the_delivery(config):
    rows = good_rows(30)
    whole = identify(config, rows).set_index(KEY)[CONTENT]
    turned = as_delivered(config, rows[::-1].reset_index(drop=True), "elsewhere")
    parted = [identified(turned[at : at + 7], config.source.columns) for at in range(0, 30, 7)]
    found = pd.concat(parted).set_index(KEY)[CONTENT]
    assert (found[whole.index] == whole).all()


def test_content_is_the_same_in_every_version(config):
    """Bronze keeps it for good: another hash would make every row news."""
    row = good_rows(1).assign(
        CASE="1", FROM="2", TO="", REPORTED="4", OFFENSE="é", LAT="6", LON="7", DISTRICT=""
    )
    assert identify(config, row)[CONTENT].tolist() == [5465225555007037261]


def test_the_key_is_the_first_alternative_without_a_blank(tmp_path):
    config = make_config(tmp_path, {"key": [["CASE", "OFFENSE"], "DISTRICT"]})
    rows = pd.concat([good_rows(1)] * 4, ignore_index=True).assign(
        CASE=["a ", "", " ", ""], OFFENSE="x", DISTRICT=["9", "9", "", ""], LAT=list("1123")
    )
    keys = identify(config, rows)[KEY].tolist()
    assert keys[:2] == ["CASE+OFFENSE:a|x", "DISTRICT:9"]
    assert all(key.startswith("row:") for key in keys[2:])
    assert keys[2] != keys[3]


def test_malformed_rows_are_told_apart_by_their_text(config):
    rows = as_delivered(config, [{MALFORMED: text} for text in ("a,b", "a,b", "a,c")])
    found = identified(rows, config.source.columns)
    assert found[CONTENT].nunique() == found[KEY].nunique() == 2


def test_no_rows_have_the_same_columns(config):
    empty, some = identify(config, good_rows(1)[:0]), identify(config, good_rows(1))
    assert empty.empty
    assert list(empty.columns) == list(some.columns)
    assert as_bronze(as_delivered(config, []), config.source.columns).empty


def test_rows_come_back_as_they_were_written(config, tmp_path):
    rows = identify(config, good_rows(20).assign(DISTRICT=["", "é\u2028\x00"] * 10))
    table = str(tmp_path / "bronze")
    part = write_rows(rows.assign(**{SAID: ROW}), config.source.columns, table, STAMPS)
    assert part is not None
    schema = bronze_schema(config.source.columns)
    found = read_rows(f"{table}/{part.path}", schema)
    assert list(found.columns) == [*config.source.columns.names, *META]
    text = [*config.source.columns.names, DELIVERY, MALFORMED, KEY]
    assert_frame_equal(
        found.sort_values(KEY)[[*text, CONTENT]], rows.sort_values(KEY)[[*text, CONTENT]]
    )
    assert set(found[SAID]) == {ROW}
    assert set(found[INGESTED_AT]) == {pd.Timestamp(NOW)}
    assert set(found[RUN_DATE]) == {"2024-06-15"}
    assert set(found[KNOWN_FROM]) == {STAMPS.known_from}
    assert (part.rows, part.low) == (20, "2024-06-15T12:00:00.000Z")


def test_of_a_first_delivery_nothing_says_since_when(config, tmp_path):
    rows = identify(config, good_rows(3)).assign(**{SAID: ROW})
    stamps = Stamps(NOW, "2024-06-15", None)
    part = write_rows(rows, config.source.columns, str(tmp_path / "b"), stamps)
    assert part is not None
    found = pq.read_table(f"{tmp_path}/b/{part.path}")
    assert found.schema.equals(bronze_schema(config.source.columns))
    assert found[KNOWN_FROM].null_count == 3


@pytest.mark.parametrize("key", [[["CASE", "OFFENSE"]], [["CASE", "OFFENSE"], "FROM"]])
def test_keys_of_several_columns_are_told_apart(tmp_path, key):
    config = make_config(tmp_path, {"key": key})
    texts = [("a", "b|c"), ("a|b", "c"), ("a\\", "b"), ("a", "\\|b"), ("a\\|", "b"), ("x", "y")]
    rows = pd.concat([good_rows(1).assign(CASE=a, OFFENSE=b) for a, b in texts], ignore_index=True)
    keys = identify(config, rows)[KEY].tolist()
    assert len(set(keys)) == len(texts)
    assert [tuple(key_values(key, config.source.columns)) for key in keys] == texts


def test_no_file_is_written_without_rows(config, tmp_path):
    rows = identify(config, good_rows(1)[:0]).assign(**{SAID: ROW})
    assert write_rows(rows, config.source.columns, str(tmp_path / "b"), STAMPS) is None
    assert not (tmp_path / "b").exists()


def test_before_anything_is_known_all_is_new(config, tmp_path):
    path = str(tmp_path / "rows.parquet")
    good_rows(5).to_parquet(path)
    columns = config.source.columns
    part = Part(path, ParquetPart(path, 0, 0, 5, 100), columns.names)
    taken = take([part, part], columns, Keys(str(tmp_path / "none"), "r"), f"{tmp_path}/b", STAMPS)
    assert (taken.rows, taken.said.num_rows, len(taken.heard)) == (10, 0, 0)
    assert taken.file is not None
    assert taken.file.rows == 10
    assert taken.said.schema.names == ["id", "content", "source", "said"]


@dataclass(frozen=True)
class Known(Keys):
    """Says of each row what its district is."""

    def said_before(self, rows: pd.DataFrame) -> pd.Series:
        said = ["new", "repeated", "heard", "refused"]
        return pd.Series(np.resize(said, len(rows)), index=rows.index, dtype="str")


def test_only_what_is_new_is_written_of_the_rest_it_is_said_what_it_is(config, tmp_path):
    path = str(tmp_path / "rows.parquet")
    good_rows(8).to_parquet(path)
    columns = config.source.columns
    part = Part(path, ParquetPart(path, 0, 0, 8, 100), columns.names)
    taken = take([part], columns, Known("", ""), f"{tmp_path}/b", STAMPS)
    assert taken.file is not None
    written = read_rows(f"{tmp_path}/b/{taken.file.path}", bronze_schema(columns))
    assert sorted(written["CASE"]) == ["2024-00000", "2024-00004"]
    said = taken.said.to_pylist()
    assert [row["said"] for row in said] == ["repeated", "heard", "refused"] * 2
    assert [row["id"] for row in said][:3] == ["2024-00001", "2024-00002", "2024-00003"]
    assert {row["source"] for row in said} == {path}
    assert taken.heard["CASE"].tolist() == ["2024-00002", "2024-00006"]
    assert taken.said.schema.field("content").type == pa.int64()
