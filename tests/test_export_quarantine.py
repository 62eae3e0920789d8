"""The quarantine as CSV: all of it, a piece at a time, and nothing that a spreadsheet runs."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline import export_quarantine as exporting
from pipeline.errors import ConfigError, MissingInputError
from pipeline.export_quarantine import COLUMNS, export_quarantine, neutral
from pipeline.silver import QUARANTINE
from pipeline.store import Store
from pipeline.tables import commit_parts, write_part

STAMP = datetime(2024, 6, 15, 12, tzinfo=UTC)


def quarantine(folder: Path, rows: list[dict[str, Any]], files: int = 1) -> Store:
    store = Store(str(folder))
    frame = pd.DataFrame(rows).assign(ingested_at=pd.Timestamp(STAMP))
    for name in QUARANTINE.names:
        if name not in frame:
            frame[name] = 0 if str(QUARANTINE.field(name).type) == "int64" else ""
    pieces = [frame.iloc[number::files] for number in range(files)]
    parts = [write_part(store.quarantine, piece, QUARANTINE, "ingested_at") for piece in pieces]
    commit_parts(store.quarantine, parts, QUARANTINE, "ingested_at", {})
    return store


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "cell",
    [
        '=HYPERLINK("http://a.example","x")',
        "+1+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "＝1",
        "-",
        "+49 30 1234",
        "--1",
        "=",
    ],
)
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(cell: str) -> None:
    assert neutral(cell) == "'" + cell


@pytest.mark.parametrize(
    "cell",
    ["-1.5", "+3", "-104.9903", "5.3E-07", "-1e5", "-.5", "1,5", "", "a=b", "2024-00017", "'"],
)
def test_numbers_and_plain_text_stay(cell: str) -> None:
    assert neutral(cell) == cell


def test_every_row_comes_out_and_reads_back(tmp_path: Path) -> None:
    raw = json.dumps({"OFFENSE": 'theft, "petty"', "WHEN": "a\nb", "LAT": "-1.5", "NAME": "Süd"})
    rows = [
        {"reason": "no time", "id": f"{number}", "delivery": "in/a.csv", "row": raw}
        for number in range(500)
    ]
    rows += [{"reason": "=1+1", "id": "@x", "delivery": "+a|b", "row": "-1.5"}]
    store = quarantine(tmp_path / "store", rows, files=3)
    out = tmp_path / "out.csv"
    assert export_quarantine(store, out) == 501
    found = {row["id"]: row for row in read(out)}
    assert len(found) == 501
    assert list(found["7"]) == list(COLUMNS)
    assert found["7"]["row"] == raw
    assert datetime.fromisoformat(found["7"]["ingested_at"]) == STAMP
    assert found["'@x"] == {
        "ingested_at": STAMP.isoformat(),
        "reason": "'=1+1",
        "id": "'@x",
        "delivery": "'+a|b",
        "row": "-1.5",
    }
    assert {path.name for path in tmp_path.iterdir()} == {"store", "out.csv"}


def test_no_more_than_a_batch_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"reason": "no time", "id": str(number)} for number in range(1000)]
    store = quarantine(tmp_path / "store", rows)
    sizes: list[int] = []
    plain = exporting._texts

    def watched(values: list[Any]) -> list[str]:
        sizes.append(len(values))
        return plain(values)

    monkeypatch.setattr(exporting, "BATCH", 64)
    monkeypatch.setattr(exporting, "_texts", watched)
    assert export_quarantine(store, tmp_path / "out.csv") == 1000
    assert max(sizes) == 64
    assert sum(sizes) == 1000 * len(COLUMNS)


def test_a_file_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    store = quarantine(tmp_path / "store", [{"reason": "no time", "id": "1"}])
    out = tmp_path / "city.yaml"
    out.write_text("name: city")
    with pytest.raises(ConfigError, match=r"city\.yaml is there already: give another path"):
        export_quarantine(store, out)
    assert out.read_text() == "name: city"
    assert {path.name for path in tmp_path.iterdir()} == {"store", "city.yaml"}


def test_an_export_that_breaks_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = quarantine(tmp_path / "store", [{"reason": "no time", "id": "1"}])
    out = tmp_path / "out.csv"

    def fail(_: list[Any]) -> list[str]:
        raise RuntimeError("killed")

    monkeypatch.setattr(exporting, "_texts", fail)
    with pytest.raises(RuntimeError, match="killed"):
        export_quarantine(store, out)
    assert {path.name for path in tmp_path.iterdir()} == {"store"}


def test_nothing_to_export_and_nowhere_to_write_are_said(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="nothing in quarantine"):
        export_quarantine(Store(str(tmp_path / "none")), tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    store = quarantine(tmp_path / "store", [{"reason": "no time", "id": "1"}])
    with pytest.raises(ConfigError, match="cannot be written"):
        export_quarantine(store, tmp_path / "missing" / "out.csv")
