"""CSV files to rows of text: every row once, whatever the file is like."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from pandas.api.types import is_string_dtype
from reading import (
    HEADER,
    PLAIN,
    parts,
    read_text,
    the_config,  # noqa: F401 -- a fixture
)
from tiny import make_config

from pipeline.errors import DataError, MissingInputError
from pipeline.sources import csv_parts
from pipeline.sources.source import DELIVERY, MALFORMED


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
