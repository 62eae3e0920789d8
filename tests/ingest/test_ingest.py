"""Deliveries to bronze and silver: every row once in silver, merged or in quarantine."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from tiny import CLOCK, DAY, KEPT, MERGED, NOW, dirty_rows, good_rows

from pipeline.errors import DataError, MissingInputError
from pipeline.ingest import recipe as module
from pipeline.ingest.bronze import INGESTED_AT, KNOWN_FROM, RUN_DATE, Stamps
from pipeline.ingest.delivering import Batch
from pipeline.ingest.recipe import DELIVERY_GRACE, IngestRecord, known_floor, new_deliveries
from pipeline.silver import as_known_at
from pipeline.sources.files import FileSource
from pipeline.sources.source import DELIVERY


def fates(rows: pd.DataFrame) -> dict[str, int]:
    return dict(Counter(rows["FATE"]))


def test_every_row_comes_out_once(city):
    rows = dirty_rows()
    city.write(rows, extra="broken,line\n")
    record = city.ingest()
    expected = fates(rows) | {"malformed row": 1}
    assert (record.rows_in, record.kept) == (len(rows) + 1, expected.pop(KEPT))
    assert record.merged == expected.pop(MERGED)
    assert record.quarantined == expected
    assert len(city.silver()) == record.kept
    assert dict(Counter(city.quarantine()["reason"])) == expected
    kept = set(rows["CASE"][rows["FATE"] == KEPT])
    assert set(city.silver()["id"]) == kept
    assert record.deliveries == (str(city.folder / "part-1.csv"),)
    assert (record.absent, record.known_from) == (0, None)


def test_bronze_holds_every_row_as_it_was_delivered(city):
    rows = dirty_rows()
    city.write(rows)
    city.ingest(cutoff=NOW - DAY)
    bronze = city.bronze()
    columns = list(city.config.source.columns.names)
    as_text = [sorted(map(tuple, frame[columns].to_numpy())) for frame in (bronze, rows)]
    assert as_text[0] == as_text[1]
    assert "OFFICER" not in bronze
    assert set(bronze[DELIVERY]) == {str(city.folder / "part-1.csv")}
    assert bronze[INGESTED_AT].unique().tolist() == [pd.Timestamp(NOW)]
    assert set(bronze[RUN_DATE]) == {"2024-06-14"}
    assert bronze[KNOWN_FROM].isna().all()


def test_unchanged_files_are_not_read_again(city, monkeypatch):
    city.write(good_rows(20))
    city.ingest()
    monkeypatch.setattr(FileSource, "fetch", lambda *_: pytest.fail("rows were read"))
    assert (
        new_deliveries(city.config, FileSource(city.config.source).deliveries(), city.store) == []
    )
    assert city.ingest() == IngestRecord()


def test_new_and_changed_files_add_only_what_is_new(city):
    rows = good_rows(40)
    city.write(rows[:20])
    city.ingest()
    before = city.silver()
    changed = rows[:20].assign(OFFENSE=["robbery"] * 3 + rows["OFFENSE"][3:20].tolist())
    city.write(changed)
    city.write(rows[10:30], "part-2.csv")
    later = NOW + timedelta(days=2)
    record = city.ingest(now=later)
    assert (record.rows_in, record.kept, record.merged) == (40, 3 + 10, 27)
    after = city.silver()
    assert_frame_equal(after[after["ingested_at"] == NOW].reset_index(drop=True), before)
    fresh = after[after["ingested_at"] == later]
    assert (fresh["known_at"] == later).all()
    assert fresh["revision"].value_counts().to_dict() == {0: 10, 1: 3}
    assert (fresh[fresh["revision"] == 1]["was_group"] != "").all()
    assert as_known_at(city.store.silver, NOW)["id"].nunique() == 20
    assert record.known_from == later.isoformat()


def test_a_row_that_is_mended_later_becomes_known_then(city):
    rows = good_rows(20)
    city.write(rows.assign(LAT=["", *rows["LAT"][1:]]))
    assert city.ingest().quarantined == {"no coordinates": 1}
    city.write(rows)
    record = city.ingest(now=NOW + DAY)
    assert (record.kept, record.merged) == (1, 19)
    mended = city.silver().iloc[0]
    assert (mended["revision"], mended["known_at"]) == (0, NOW + DAY)


def test_the_floor():
    hour = timedelta(hours=1)
    assert known_floor(NOW, NOW + DELIVERY_GRACE) == NOW
    assert known_floor(NOW, NOW) == NOW
    assert known_floor(NOW, NOW + DELIVERY_GRACE + hour) == NOW + DELIVERY_GRACE + hour
    assert known_floor(NOW, NOW - hour) == NOW - hour


def test_a_delivery_within_the_grace_counts_as_known_at_the_cutoff(city):
    rows = good_rows(30)
    city.write(rows[:20])
    city.ingest()
    cutoff = NOW + DAY
    late = (pd.Timestamp(cutoff) + pd.Timedelta("1h")).tz_convert("America/Denver")
    arrived = rows[20:].assign(REPORTED=[late.strftime(CLOCK), *rows["REPORTED"][21:]])
    city.write(arrived, "part-2.csv")
    city.ingest(now=cutoff + timedelta(hours=2), cutoff=cutoff)
    assert len(as_known_at(city.store.silver, cutoff)) == 29
    assert len(as_known_at(city.store.silver, cutoff - timedelta(microseconds=1))) == 20
    assert len(as_known_at(city.store.silver, late.to_pydatetime())) == 30


def test_instants_of_ingestion_go_forward_whatever_the_clock_shows(city):
    odd = NOW + timedelta(microseconds=1999)
    for number, now in enumerate((odd, odd, NOW - DAY)):
        city.write(good_rows(3 + number))
        city.ingest(now=now)
    instants = sorted(set(city.bronze()[INGESTED_AT]))
    first = NOW + timedelta(milliseconds=1)
    assert instants == [first + timedelta(milliseconds=i) for i in range(3)]


# What cannot be used


def test_a_first_file_that_cannot_be_used_commits_nothing(city):
    city.write(good_rows(30).assign(LAT="41.5", LON="-87.6"))
    remedy = r"none of 30 rows can be used; 30 of them: outside the boundary\. Check .* boundary"
    with pytest.raises(DataError, match=remedy):
        city.ingest()
    assert not city.store.has_silver
    for table in (city.store.bronze, city.store.quarantine):
        assert not Path(table).joinpath("_delta_log").exists()


def test_too_little_history_commits_nothing(city, monkeypatch):
    monkeypatch.setattr("pipeline.enough.MIN_INCIDENTS", 20)
    city.write(good_rows(19))
    with pytest.raises(MissingInputError, match="19 incidents"):
        city.ingest()
    assert not city.store.has_silver
    city.write(good_rows(20))
    assert city.ingest().kept == 20


def test_a_file_without_rows_commits_nothing(city):
    city.write(good_rows(1)[:0])
    with pytest.raises(MissingInputError, match="holds no rows"):
        city.ingest()
    assert not city.store.has_silver


def test_ambiguous_and_nonexistent_times_are_counted(city):
    times = ["11/3/2024 1:30:00 AM", "3/10/2024 2:30:00 AM", "3/10/2024 3:30:00 AM"]
    city.write(good_rows(3).assign(FROM=times, REPORTED=times))
    record = city.ingest(now=NOW + timedelta(days=365))
    assert (record.ambiguous_times, record.nonexistent_times) == (1, 1)


def test_the_record_is_checked():
    stamps = Stamps(NOW, "2024-06-15", NOW - DAY)
    outcome = {"kept": 1, "merged": 0, "reasons": {}, "ambiguous": 0, "nonexistent": 0}
    with pytest.raises(AssertionError, match="4 rows came in, but 3 came out"):
        module._record([], Batch((), stamps, rows_in=4, repeated=2), [outcome])
    record = module._record([], Batch((), stamps, rows_in=0, repeated=0), [])
    assert record == IngestRecord(known_from=(NOW - DAY).isoformat())


# Read another way


def test_a_file_that_is_read_another_way_is_looked_at_anew(city):
    rows = good_rows(20)
    odd = pd.to_datetime(rows["FROM"][:5]).dt.strftime("%d.%m.%Y %H:%M")
    unusable = rows[15:].assign(LAT="")
    city.write(pd.concat([rows[:5].assign(FROM=odd), rows[5:15], unusable]))
    assert city.ingest().quarantined == {"unreadable time": 5, "no coordinates": 5}
    wiser = city.configured(date_formats=[CLOCK, "%d.%m.%Y %H:%M"])
    record = wiser.ingest(now=NOW + DAY)
    assert (record.kept, record.merged) == (5, 10)
    assert record.quarantined == {"no coordinates": 5}
    assert len(city.live()) == 15
    wiser.write(pd.concat([rows[:15], unusable]))
    assert wiser.ingest(now=NOW + 2 * DAY).quarantined == {}


def test_what_was_refused_is_looked_at_anew_even_where_the_index_was_lost(city):
    rows = good_rows(20)
    odd = pd.to_datetime(rows["FROM"]).dt.strftime("%d.%m.%Y %H:%M").where(rows.index < 5)
    city.write(rows.assign(FROM=odd.fillna(rows["FROM"])))
    city.ingest()
    Path(city.store.keys).unlink()
    assert city.configured(date_formats=[CLOCK, "%d.%m.%Y %H:%M"]).ingest(NOW + DAY).kept == 5
