"""What a night costs: no more in a long history than in a short one, and nothing where it is done.

One city of 40 nights, each of as many rows. The two that are compared stand equally far from the
last checkpoint of the tables' logs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cities import BOUNDS, small_config
from counting_work import STEPS, Reading, Work, by_array, chunks_of, counted
from deltalake import DeltaTable
from workers import in_process

from grids.hexgrid import HexGrid
from pipeline.config import Config
from pipeline.nightly import Outcome, run_night
from pipeline.quality.history import READ
from pipeline.replay import RECENT
from pipeline.store import Store
from pipeline.tables import SMALL_FILES

START, DAY = datetime(2024, 1, 1, 7, tzinfo=UTC), timedelta(days=1)  # midnight in Phoenix
HISTORY = 40  # days that the first delivery holds
PER_DAY, CORRECTED, REPEATED, BAD = 20, 3, 2, 1
NEWS = PER_DAY + CORRECTED
CHECKPOINT = 10  # commits of a table from one to the next
EARLY, LATE = 11, 40  # 30 commits of each table apart: one more than nights, of tidying
KINDS = ("assault", "theft", "vandalism", "fraud")

# All nights are made before the first test, on a busy machine in minutes.
pytestmark = pytest.mark.timeout(600)


def incidents(days: Sequence[int]) -> pd.DataFrame:
    """PER_DAY incidents of each day, reported an hour later; the same whenever asked for."""
    lat, lon = HexGrid.from_extent(*BOUNDS, 9).centroids
    inside = (lat > BOUNDS[1]) & (lat < BOUNDS[3]) & (lon > BOUNDS[0]) & (lon < BOUNDS[2])
    day, number = (each.ravel() for each in np.meshgrid(days, np.arange(PER_DAY), indexing="ij"))
    cell = np.flatnonzero(inside)[(7 * day + 3 * number) % inside.sum()]
    at = pd.Timestamp("2024-01-01 00:07") + pd.to_timedelta(24 * day + number, unit="h")
    return pd.DataFrame(
        {
            "id": [f"C{d:04d}-{n:02d}" for d, n in zip(day, number, strict=True)],
            "occurred": at.strftime("%Y-%m-%d %H:%M"),
            "reported": (at + pd.Timedelta("1h")).strftime("%Y-%m-%d %H:%M"),
            "kind": [KINDS[n % len(KINDS)] for n in number],
            "lat": np.char.mod("%.6f", lat[cell]),
            "lon": np.char.mod("%.6f", lon[cell]),
        },
        dtype="str",
    )


def delivery(day: int) -> pd.DataFrame:
    """A day's incidents, some of the day before and four weeks before that changed, one repeated.

    Four weeks before is always the shard before.
    """
    new, before, long_before = incidents([day]), incidents([day - 1]), incidents([day - 28])
    changed = pd.concat([before[:2], long_before[4:5]]).assign(kind="fraud")
    bad = new[:BAD].assign(id=f"B{day}", lat="")
    return pd.concat([new, changed, before[5 : 5 + REPEATED], bad])


@dataclass(frozen=True)
class Nights:
    """``work``, ``outcomes``: of the nights that are compared, by number; ``commits``: of bronze,
    silver and quarantine since their logs' last checkpoints, when such a night began.
    """

    config: Config
    folder: Path
    work: dict[int, Work]
    outcomes: dict[int, Outcome]
    commits: dict[int, list[int]]

    @property
    def store(self) -> Store:
        return Store(self.config.output.path)


def cutoff(night: int) -> datetime:
    return START + (HISTORY + night) * DAY


def run(config: Config, night: int) -> Outcome:
    return run_night(config, cutoff(night) + timedelta(hours=1), cutoff(night))


def draw_nothing(_: object, folder: Path, __: object) -> None:
    (folder / "layer").touch()


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    """A city of 40 nights; after the first, no cluster can be reached."""
    folder = tmp_path_factory.mktemp("city")
    changes: dict[str, Any] = {
        "timezone": "America/Phoenix",  # all days have 24 hours
        "targets": {"violent": ["violent"]},
        "model": {"rounds": 1, "retrain_days": 365, "holdout_nights": 14},
    }
    with pytest.MonkeyPatch.context() as patch:
        # What is drawn is one night's own, and takes longer than all the rest.
        patch.setattr("pipeline.issuing.write_layers", draw_nothing)
        with in_process(workers=1, threads=2) as client:
            changes["cluster"] = {"kind": "address", "address": client.scheduler.address}
            config = small_config(folder, incidents(range(HISTORY)), **changes)
            run(config, 0)
        found = Nights(config, folder, {}, {}, {})
        for night in range(1, LATE + 1):
            rows = delivery(HISTORY + night - 1)
            rows.to_csv(folder / "in" / f"night-{night}.csv", index=False)
            if night in (EARLY, LATE):
                found.commits[night] = since_checkpoint(found.store)
                with counted(folder) as found.work[night]:
                    found.outcomes[night] = run(config, night)
            else:
                run(config, night)
        yield found


def since_checkpoint(store: Store) -> list[int]:
    tables = (store.bronze, store.silver, store.quarantine)
    return [DeltaTable(table).version() % CHECKPOINT for table in tables]


def test_the_nights_can_be_compared(nights: Nights) -> None:
    early, late = (nights.commits[night] for night in (EARLY, LATE))
    assert early == late, "a log is replayed from its last checkpoint on: choose other nights"
    for night in (EARLY, LATE):
        record = nights.outcomes[night].manifest["ingest"]
        rows = record["rows_in"], record["kept"], record["merged"], record["quarantined"]
        assert rows == (NEWS + REPEATED + BAD, NEWS, REPEATED, {"no coordinates": BAD})


@pytest.mark.parametrize("night", [EARLY, LATE])
def test_a_night_reads_the_rows_that_are_new(nights: Nights, night: int) -> None:
    """To find keys that changed, to settle them, and to move the cube on; the forecast looks at
    single incidents of nine weeks.
    """
    *read, recent = nights.work[night].read
    assert read == [
        Reading("store/bronze", 1, NEWS + BAD),
        Reading("store/bronze", 1, NEWS + BAD),
        Reading("store/silver/incidents", 1, NEWS),  # the night before's, into the index of keys
        Reading("store/silver/quarantine", 1, BAD),
        # A file's range ends up to a tick after its last row: the one before may hold some.
        Reading("store/silver/incidents", 2, NEWS),
    ]
    assert (recent.table, recent.rows) == ("store/silver/incidents", known_of_late(night))
    assert recent.files <= SMALL_FILES


def known_of_late(night: int) -> int:
    """How many rows became known in the RECENT days before a night, by how the city was made."""
    history = HISTORY - max(0, HISTORY + night - RECENT.days)
    return NEWS * min(night, RECENT.days) + PER_DAY * history


def test_a_night_reads_and_writes_as_many_chunks_whatever_came_before(nights: Nights) -> None:
    early, late = (nights.work[night] for night in (EARLY, LATE))
    assert by_array(early.gets) == by_array(late.gets)
    assert by_array(early.sets) == by_array(late.sets)
    for work in (early, late):
        assert list(chunks_of(work.sets, "counts").values()) == [1, 1]
        # A shard is read for its old counts, and again to be written; and that of the night that
        # is now scored.
        assert sum(chunks_of(work.gets, "counts").values()) == 2 + 2 + 1


def test_a_night_opens_as_many_files_whatever_came_before(nights: Nights) -> None:
    early, late = (nights.work[night] for night in (EARLY, LATE))
    assert early.logs == late.logs
    assert late.files.keys() == early.files.keys()
    grown = {kind: late.files[kind] - count for kind, count in early.files.items()}
    # Of each night kept its name, and of the newest READ deliveries their quality.
    assert READ > LATE < nights.config.output.keep_days
    for kind in ("store/cube/refs/*.json", "store/quality/*.json"):
        assert grown.pop(kind, 0) <= LATE - EARLY
    # The forecast's nine weeks lie in files that are tidied now and then.
    assert grown.pop("store/silver/incidents/*.parquet", 0) <= SMALL_FILES - EARLY
    assert not any(grown.values()), grown


def test_looking_up_keys_takes_as_long_whatever_came_before(nights: Nights) -> None:
    """Only the addresses of all deliveries are looked through, one more each night; no key is."""
    early, late = (nights.work[night].steps for night in (EARLY, LATE))
    assert early > 0
    assert late - early <= 50 * (LATE - EARLY) / STEPS


def test_a_night_reads_as_many_bytes_whatever_came_before(nights: Nights) -> None:
    """Within a tenth: records of quality and checkpoints of logs are small, but not of one size."""
    early, late = (nights.work[night].bytes for night in (EARLY, LATE))
    assert 100_000 < late <= 1.1 * early


def test_a_finished_night_reads_its_own_record(nights: Nights) -> None:
    with counted(nights.folder) as work:
        assert run(nights.config, LATE).already_done
    assert work.total == 0
    # Locks of the night and of the runs, and the record.
    assert work.files == Counter({"store/*.lock": 1, "store/*": 1, "store/runs/*.json": 1})
