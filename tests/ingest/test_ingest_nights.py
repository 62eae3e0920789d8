"""Many ingestions after each other: history is not read, and files stay few."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from tiny import DAY, NOW, good_rows, incidents

from pipeline import tables
from pipeline.tables import active_files


def test_silvers_history_is_not_read(city, monkeypatch):
    """A night with corrections opens the files of the night before at most, and only once."""
    opened: list[str] = []
    for number in range(6):
        rows = good_rows(40)
        rows.loc[number : number + 3, "OFFENSE"] = f"kind {number}"
        city.write(rows)
        history = set(active_files(city.store.silver)) | set(active_files(city.store.quarantine))
        with monkeypatch.context() as patch:
            watch(patch, opened)
            record = city.ingest(now=NOW + number * DAY)
        assert record.kept == (40 if number == 0 else 5)
        assert not history & set(opened), "history was read"
        assert any("/silver/" in path for path in opened)  # what was just written is
        opened.clear()


def watch(patch: pytest.MonkeyPatch, opened: list[str]) -> None:
    """Note every Parquet file that is opened through pyarrow."""
    for module_, name in ((pq, "read_table"), (pq, "ParquetFile"), (pads, "dataset")):
        patch.setattr(module_, name, _noting(getattr(module_, name), opened))


def _noting(read: Any, opened: list[str]) -> Any:
    def noted(paths: Any, *arguments: Any, **options: Any) -> Any:
        opened.extend([paths] if isinstance(paths, str) else map(str, paths))
        return read(paths, *arguments, **options)

    return noted


def test_files_stay_few_and_their_contents_the_same(city, monkeypatch):
    monkeypatch.setattr(tables, "SMALL_FILES", 3)
    grow = [incidents(**{f"k{i}": "theft" for i in range(number + 2)}) for number in range(8)]
    for number, rows in enumerate(grow):
        bad = rows[:number].assign(LAT="", CASE=lambda r: "bad" + r["CASE"])
        corrected = rows.assign(
            OFFENSE=["assault"] * (number % 2) + ["theft"] * (len(rows) - number % 2)
        )
        city.write(pd.concat([corrected, bad]))
        city.ingest(now=NOW + number * DAY)
        for table in (city.store.bronze, city.store.silver, city.store.quarantine):
            assert len(active_files(table)) <= 3
    assert len(city.live()) == 9
    assert city.silver()["revision"].max() == 7
    assert len(city.quarantine()) == 7
    sizes = city.sizes()
    city.touch()
    assert city.ingest(now=NOW + 9 * DAY).kept == 0
    assert city.sizes() == sizes
    Path(city.store.keys).unlink()
    city.touch()
    assert city.ingest(now=NOW + 10 * DAY).kept == 0
    assert city.sizes() == sizes
