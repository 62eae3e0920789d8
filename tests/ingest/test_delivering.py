"""What a redelivery says that is new, what a snapshot leaves out, and many files at once."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from redelivery import Nights, both
from tiny import CLOCK, NOW, City, dirty_rows, good_rows, incidents

from pipeline.errors import EmptyDeliveryError
from pipeline.ingest import delivering
from pipeline.ingest.bronze import ABSENT, AGAIN, ROW, SAID
from pipeline.ingest.delivering import bundled
from pipeline.ingest.recipe import IngestRecord
from pipeline.sources.parquet_parts import ParquetPart
from pipeline.sources.source import Part
from pipeline.tables import active_files


@pytest.fixture
def nights(city: City) -> Nights:
    return Nights(city)


@pytest.fixture
def snapshots(city: City) -> Nights:
    return Nights(city.configured(delivers="snapshot"))


def nothing_new(record: IngestRecord) -> bool:
    return (record.kept, record.quarantined, record.absent) == (0, {}, 0)


# An unchanged or grown file


def test_an_unchanged_or_grown_file_adds_what_it_grew_by(nights):
    rows = dirty_rows()
    first = nights(a=rows)
    bronze, silver, quarantine = nights.city.sizes()
    for again in (nights.touched("a"), nights(b=rows)):
        assert nothing_new(again)
        assert again.merged == first.rows_in == len(rows)
    assert nights.city.sizes() == (bronze, silver, quarantine)
    more = both(incidents(new="theft"), incidents(bad="theft").assign(LAT=""))
    record = nights(a=both(rows, more))
    assert (record.kept, record.merged) == (1, len(rows))
    assert record.quarantined == {"no coordinates": 1}
    assert nights.city.sizes() == (bronze + 2, silver + 1, quarantine + 1)


def test_a_row_from_the_future_is_quarantined_once(nights):
    ahead = (NOW + timedelta(days=3)).strftime(CLOCK)
    row = incidents(k="theft").assign(FROM=ahead, REPORTED=ahead)
    first = nights(a=both(incidents(x="theft"), row))
    assert first.quarantined == {"in the future": 1}
    sizes = nights.city.sizes()
    assert nights.touched("a").merged == 2
    assert nights.city.sizes() == sizes


def test_a_garbled_line_of_a_snapshot_takes_no_incident_out(city):
    """Its key cannot be read, but it may stand in it."""
    nights = Nights(city.configured(delivers="snapshot"))
    rows = incidents(k="theft", gone="theft", x="fraud")
    nights(a=rows)
    garbled = ",".join(["k", *rows.columns]) + "\n"
    for _ in range(2):  # also where the line is an old acquaintance
        city.write(rows[rows["CASE"] == "x"], "part-a.csv", extra=garbled)
        nights()
        assert city.live() == {"k": "theft", "x": "fraud"}


def test_files_without_rows_are_an_error_and_change_nothing(nights):
    nights(a=incidents(k="theft"))
    sizes = nights.city.sizes()
    with pytest.raises(EmptyDeliveryError, match="holds no rows: deliver it again"):
        nights(b=incidents(k="theft")[:0])
    assert nights.city.sizes() == sizes


def test_a_correction_says_whether_another_file_still_says_the_old(nights):
    old, new = incidents(k="assault", x="fraud"), incidents(k="theft", x="fraud")
    nights(a=old, b=old)
    nights.city.touch("part-b.csv")
    nights(a=new)
    rows = nights.city.bronze()
    again = rows[rows[SAID] == AGAIN]
    assert Counter(rows[SAID]) == {ROW: 5, AGAIN: 1}
    assert again["_delivery"].str.endswith("part-b.csv").all()
    assert (again["_key"].tolist(), again["OFFENSE"].tolist()) == (["k"], [""])


def test_one_that_moves_leaves_its_old_place(nights):
    row = incidents(k="theft").assign(LAT="39.7455", LON="-104.985")
    nights(a=row)
    nights(a=row.assign(LAT="39.735", LON="-104.975", OFFENSE="assault"))
    first, second = nights.city.silver().to_dict("records")
    assert first["cell"] == second["was_cell"] != second["cell"]
    assert (second["was_group"], second["was_occurred_at"]) == ("property", first["occurred_at"])


# Snapshots


def test_of_an_unchanged_snapshot_nothing_is_read_of_a_changed_one_all(snapshots, monkeypatch):
    snapshots(a=incidents(k="assault"), b=incidents(x="theft"))
    with monkeypatch.context() as patch:
        patch.setattr(Part, "read", lambda *_: pytest.fail("rows were read"))
        assert snapshots() == IngestRecord()
    record = snapshots(b=incidents(x="theft", y="fraud"))
    assert (record.rows_in, record.kept, record.absent) == (3, 1, 0)


def test_what_is_absent_is_counted_and_stated(snapshots):
    snapshots(a=incidents(k="assault", x="theft"), b=incidents(x="theft", y="fraud", z="theft"))
    record = snapshots(a=None)
    assert (record.rows_in, record.kept, record.merged, record.absent) == (3, 0, 3, 1)
    gone = snapshots.city.silver().query("retracted").iloc[0]
    assert (gone["id"], gone["cell"], gone["was_group"]) == ("k", gone["was_cell"], "violent")
    assert gone["known_at"] == gone["ingested_at"] == NOW + timedelta(days=1)
    rows = snapshots.city.bronze()
    assert rows.loc[rows[SAID] == ABSENT, "_key"].tolist() == ["k"]


def test_an_increment_may_become_a_snapshot(city):
    Nights(city)(a=incidents(k="assault", x="theft"))
    nights = Nights(city.configured(delivers="snapshot"))
    assert nights(a=incidents(k="assault")).absent == 1
    assert city.live() == {"k": "assault"}


# Many files


def part(size: int) -> Part:
    return Part("file", ParquetPart("file", 0, 0, 1, size), ())


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        ([], []),
        ([5], [[5]]),
        ([4, 4, 4], [[4, 4], [4]]),
        ([20, 1, 1], [[20], [1, 1]]),
        ([1, 20, 1], [[1], [20], [1]]),
        ([0, 0, 0], [[0, 0, 0]]),
    ],
)
def test_small_parts_are_bundled_in_their_order(monkeypatch, sizes, found):
    monkeypatch.setattr(delivering, "BUNDLE_BYTES", 8)
    bundles = bundled([part(size) for size in sizes])
    assert [[one.rows.size for one in bundle] for bundle in bundles] == found


def test_many_small_files_are_read_together(nights, monkeypatch):
    rows = good_rows(200)
    text = rows.to_csv(index=False).splitlines(keepends=True)
    for number, line in enumerate(text[1:]):
        (nights.city.folder / f"part-{number:04d}.csv").write_text(text[0] + line)
    calls: list[Any] = []
    take = delivering.take
    monkeypatch.setattr(delivering, "take", lambda *a, **k: calls.append(1) or take(*a, **k))
    record = nights()
    assert (record.rows_in, record.kept, len(record.deliveries)) == (200, 200, 200)
    assert len(calls) == 1
    assert len(active_files(nights.city.store.bronze)) == 1
    nights.city.touch("part-0007.csv")
    assert nothing_new(nights())
    assert len(calls) == 2
