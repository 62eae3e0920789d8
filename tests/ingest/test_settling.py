"""Bronze files to silver and quarantine, here or on a cluster, however the rows are parted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from distributed import Client
from pandas.testing import assert_frame_equal
from tiny import BOX, DAY, NOW, City, dirty_rows, good_rows, make_config

from pipeline.errors import DataError
from pipeline.ingest import delivering, settling
from pipeline.ingest.recipe import bring
from pipeline.ingest.settling import extent
from pipeline.sources import csv_parts


@pytest.fixture
def spread(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Nothing is done in this process, and everything in small pieces."""
    monkeypatch.setattr(delivering, "IN_PROCESS_BYTES", 0)
    monkeypatch.setattr(delivering, "BUNDLE_BYTES", 1)
    monkeypatch.setattr(settling, "IN_PROCESS_ROWS", 0)
    monkeypatch.setattr(csv_parts, "BYTES_PER_PART", 4000)
    return monkeypatch


def on_cluster(city: City, client: Client) -> City:
    """The same files, another store, and a cluster that is reached by its address."""
    spec = {"kind": "address", "address": client.scheduler.address}
    output = {"path": str(city.folder / "on-cluster")}
    source = city.config.source.model_dump(exclude={"columns", "start", "crs"}, exclude_unset=True)
    return replace(
        city, config=make_config(city.folder, source=source, output=output, cluster=spec)
    )


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values(["reason", "id", "row"], ignore_index=True)


def nights(city: City) -> list[Any]:
    """A first night with all kinds of rows, a second with edits, and what was recorded."""
    rows = dirty_rows(120)
    rows.loc[:29, "FROM"] = "?"  # whole partitions of bad rows
    city.write(rows)
    first = city.ingest()
    edited = rows.assign(OFFENSE=rows["OFFENSE"].mask(rows.index % 7 == 0, "robbery"))
    edited.loc[rows.index % 31 == 1, "LAT"] = "41.5"
    city.write(edited[rows.index % 9 > 0])
    return [first, city.ingest(now=NOW + DAY)]


def test_a_cluster_makes_the_same_of_it(city, client, spread):
    there = on_cluster(city.configured(delivers="snapshot"), client)
    records = nights(there)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cluster.connect.connect", lambda *_: pytest.fail("a cluster was reached"))
        for module, name, value in (
            (delivering, "IN_PROCESS_BYTES", 2**25),
            (settling, "IN_PROCESS_ROWS", 10**6),
            (csv_parts, "BYTES_PER_PART", 2**25),
        ):
            patch.setattr(module, name, value)
        here = city.configured(delivers="snapshot")
        assert nights(here) == records
    assert records[1].kept > 5
    assert records[1].absent > 5
    assert_frame_equal(there.silver(), here.silver())
    assert_frame_equal(in_order(there.quarantine()), in_order(here.quarantine()))
    assert here.silver()["retracted"].any()


def test_more_partitions_than_keys(city, client, spread):
    """Some partitions are empty after the shuffle."""
    spread.setattr(csv_parts, "BYTES_PER_PART", 250)
    spread.setattr(settling, "MAX_FILES", 100)
    there = on_cluster(city, client)
    city.write(pd.concat([good_rows(2)] * 10))
    record = there.ingest()
    assert (record.rows_in, record.kept, record.merged) == (20, 2, 18)


def measured(city: City, cutoff: datetime, **source: Any) -> tuple[float, ...]:
    """The extent of what is delivered, had the city no boundary."""
    city = city.configured(source.pop("columns", None), **source)
    grid = city.config.grid.model_copy(update={"boundary": None})
    config = city.config.model_copy(update={"grid": grid})
    intake = replace(city, config=config).intake(cutoff=cutoff)
    with intake.cluster:
        batch = bring(intake, intake.source.deliveries(), None)
        return extent(config, city.store, batch.files, cutoff, intake.cluster)


def test_extent_is_that_of_what_was_known_but_for_the_outermost(city):
    rows = good_rows(300)
    rows.loc[5, "LON"], rows.loc[6, "LAT"] = "104.98", "3.974"  # a sign, a point mistyped
    far = good_rows(40, seed=1).assign(CASE="late", LON="-104.5")
    city.write(rows)
    cutoff = NOW - timedelta(days=10)
    first = measured(city, cutoff)
    west, south, east, north = first
    assert BOX[0] < west < BOX[0] + 0.002 < BOX[2] - 0.002 < east < BOX[2]
    assert BOX[1] < south < BOX[1] + 0.002 < BOX[3] - 0.002 < north < BOX[3]
    city.write(pd.concat([rows, far.assign(REPORTED="6/14/2024 1:00:00 AM")]))
    assert measured(city, cutoff) == first
    city.write(pd.concat([rows, far]))
    assert measured(city, cutoff)[2] > -104.6


def test_extent_waits_for_the_delivery_lag(city):
    changes = {"columns": {"reported_at": None, "occurred_until": None}, "delivery_lag_days": 7}
    recent = good_rows(40, seed=1).assign(CASE="new", FROM="5/30/2024 1:00:00 AM", LON="-104.5")
    city.write(pd.concat([good_rows(100)[:80], recent]))
    east = [measured(city, NOW - timedelta(days=days), **changes)[2] for days in (10, 5)]
    assert east[0] < BOX[2] < east[1]


def test_extent_is_the_same_on_a_cluster(city, client, spread):
    city.write(good_rows(60))
    there = on_cluster(city, client)
    intake = there.intake(cutoff=NOW)
    with intake.cluster:
        batch = bring(intake, intake.source.deliveries(), None)
        found = extent(there.config, there.store, batch.files, NOW, intake.cluster)
    assert len(batch.files) > 1
    spread.undo()
    assert found == measured(city, NOW)


def test_extent_without_any_known_incident(city):
    city.write(good_rows(5))
    with pytest.raises(DataError, match=r"no usable incident was known by .*grid\.bounds"):
        measured(city, city.config.start)
