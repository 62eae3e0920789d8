"""Records of quality on disk: written whole, read newest first, however many there are."""

from __future__ import annotations

import json
import logging
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from deliveries import BEGUN, DAY, record

from pipeline.quality import history as quality_store
from pipeline.quality.history import folder_of, read_past, read_refused, save, save_refused


def test_what_was_saved_is_read_oldest_first(tmp_path: Path) -> None:
    made = [record(100 + n, BEGUN + n * DAY, seed=n) for n in range(5)]
    for one in reversed(made):
        save(str(tmp_path), one)
    assert read_past(str(tmp_path)) == made
    assert read_past(str(tmp_path), before=made[3].made_at) == made[:3]
    assert read_past(str(tmp_path), count=2) == made[3:]
    assert read_past(str(tmp_path / "nowhere")) == []


def test_the_same_ingestion_is_kept_once(tmp_path: Path) -> None:
    save(str(tmp_path), record(100))
    save(str(tmp_path), record(90))
    assert [one.rows.news for one in read_past(str(tmp_path))] == [90]


def test_reading_does_not_open_more_as_years_go_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for night in range(900):
        save(str(tmp_path), record(1, BEGUN + night * DAY))
    opened = []
    read = quality_store._read
    monkeypatch.setattr(quality_store, "_read", lambda path: (opened.append(path), read(path))[1])
    assert len(read_past(str(tmp_path), count=28)) == 28
    assert len(opened) == 28
    assert {path.parent.name for path in opened} == {"2025"}


def test_a_crash_while_writing_leaves_the_last_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(str(tmp_path), record(100))

    def fail(_: int) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fail)
        with pytest.raises(OSError, match="disk full"):
            save(str(tmp_path), record(5))
    assert [one.rows.news for one in read_past(str(tmp_path))] == [100]


def test_a_damaged_record_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(str(tmp_path), record(100))
    save(str(tmp_path), record(110, BEGUN + 31 * DAY)).write_text('{"made_at": ')
    with caplog.at_level(logging.WARNING):
        assert [one.rows.news for one in read_past(str(tmp_path))] == [100]
    assert "cannot be read" in caplog.text


def test_what_a_later_version_adds_does_not_stop_an_earlier_one(tmp_path: Path) -> None:
    path = save(str(tmp_path), record(100))
    path.write_text(path.read_text()[:-1] + ', "invented_later": 1}')
    assert [one.rows.news for one in read_past(str(tmp_path))] == [100]


def test_a_record_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    path = save(str(tmp_path), record(100, reasons={"outside the bounds": 25}))
    values = json.loads(path.read_text())
    assert values.pop("deleted") == values.pop("live") == 0
    path.write_text(json.dumps(values))
    [found] = read_past(str(tmp_path))
    assert (found.outside, found.deleted) == (0.2, 0)
    assert found.day == date(2023, 2, 1)  # local midnight


def test_the_refused_one_is_kept_apart_until_one_is_taken(tmp_path: Path) -> None:
    save_refused(str(tmp_path), record(9))
    save_refused(str(tmp_path), record(8))
    assert read_past(str(tmp_path)) == []
    refused = read_refused(str(tmp_path))
    assert refused is not None
    assert refused.rows.news == 8
    save(str(tmp_path), record(100))
    assert read_refused(str(tmp_path)) is None


def test_names_sort_as_their_instants(tmp_path: Path) -> None:
    instants = [
        BEGUN,
        BEGUN + timedelta(microseconds=1),
        BEGUN + timedelta(seconds=1),
        datetime.fromisoformat("2023-12-31T23:59:59+00:00"),
        datetime.fromisoformat("2024-01-01T02:00:00+02:00"),
    ]
    paths = [save(str(tmp_path), record(1, at)) for at in instants]
    assert [path.name for path in paths] == sorted(path.name for path in paths)
    assert paths[-1].parent == folder_of(str(tmp_path)) / "2024"
