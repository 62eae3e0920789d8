"""A tiny city: its configuration, its dirty incidents, and what a night does with them first."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count as counting
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import shapely
from deltalake import DeltaTable

from cluster.lazy import LazyCluster
from grids.hexgrid import HexGrid
from pipeline.config import Config
from pipeline.ingest.bronze import as_bronze
from pipeline.ingest.clean import Cleaner
from pipeline.ingest.recipe import (
    IngestRecord,
    Intake,
    bring,
    ingest,
    known_floor,
    new_deliveries,
    resume,
)
from pipeline.load import parse_config
from pipeline.silver import as_known_at
from pipeline.sources.recipe import make_source
from pipeline.sources.source import DELIVERY, MALFORMED
from pipeline.store import Store

BOX = (-104.99, 39.73, -104.97, 39.75)  # west, south, east, north of the tiny city
NOW = datetime(2024, 6, 15, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FOREVER = NOW + 1000 * DAY
CLOCK = "%m/%d/%Y %I:%M:%S %p"
KEPT, MERGED, CONFLICT = "kept", "merged", "duplicate key"

# What makes a good row bad, by the reason that it has to be quarantined for.
FAULTS: dict[str, dict[str, str]] = {
    "no time": {"FROM": " "},
    "unreadable time": {"FROM": "13/45/2024 1:00:00 AM"},
    "before the start": {"FROM": "7/4/2019 1:00:00 AM"},
    "in the future": {"FROM": "1/1/2031 1:00:00 AM", "REPORTED": "1/1/2031 2:00:00 AM"},
    "no report time": {"REPORTED": ""},
    "unreadable report time": {"REPORTED": "yesterday"},
    "reported in the future": {"REPORTED": "1/1/2031 2:00:00 AM"},
    "no coordinates": {"LAT": ""},
    "unreadable coordinates": {"LON": "unknown"},
    "coordinates near 0": {"LAT": "0", "LON": "5.3E-07"},
    "outside the boundary": {"LAT": "39.6652", "LON": "-105.2062"},
    "no category": {"OFFENSE": ""},
}


def make_config(folder: Path, columns: dict[str, Any] | None = None, **changes: Any) -> Config:
    """The tiny city, all below ``folder``; ``changes`` go into the sections of that name.

    ``columns`` changes source.columns. Incidents are looked for in folder/incidents.csv.
    """
    boundary = folder / "boundary.geojson"
    geopandas.GeoSeries([shapely.box(*BOX)], crs=4326).to_file(boundary)
    mapped = {"key": ["CASE"], "occurred_at": "FROM", "occurred_until": "TO"}
    mapped |= {"reported_at": "REPORTED", "category": "OFFENSE", "district": "DISTRICT"}
    mapped |= {"latitude": "LAT", "longitude": "LON"} | (columns or {})
    values: dict[str, Any] = {
        "name": "tiny",
        "timezone": "America/Denver",
        "source": {
            "path": str(folder / "incidents.csv"),
            "columns": mapped,
            "date_formats": [CLOCK, "ISO8601"],
            "start": "2024-03-01",
        },
        "grid": {"boundary": str(boundary)},
        "groups": {
            "violent": {"categories": ["assault", "robbery"]},
            "property": {"categories": ["theft", "burglary"]},
            "police_initiated": {"categories": ["drug-alcohol"]},
        },
        "targets": {"all": ["violent", "property", "other"], "violent": ["violent"]},
        "model": {"nights": 60, "holdout_nights": 14, "rounds": 10},
        "output": {"path": str(folder / "out")},
    }
    for key, change in changes.items():
        nested = isinstance(change, dict) and isinstance(values.get(key), dict)
        values[key] = values[key] | change if nested else change
    return parse_config(values, folder / "tiny.yaml")


def good_rows(count: int = 200, seed: int = 7) -> pd.DataFrame:
    """Delivered text of incidents of April and May 2024 that have nothing wrong with them.

    CASE sorts by time of occurrence; OFFICER is a column that no configuration maps.
    """
    rng = np.random.default_rng(seed)
    minutes = np.sort(rng.integers(0, 60 * 24 * 60, count))
    occurred = pd.Timestamp("2024-04-01") + pd.to_timedelta(minutes, unit="min")
    reported = occurred + pd.to_timedelta(rng.exponential(30 * 60, count).astype(int), unit="min")
    offences = ["assault", "theft", "burglary", "drug-alcohol", "fraud"]
    west, south, east, north = BOX
    return pd.DataFrame(
        {
            "CASE": [f"2024-{i:05d}" for i in range(count)],
            "FROM": occurred.strftime(CLOCK),
            "TO": np.where(rng.random(count) < 0.5, reported.strftime(CLOCK), ""),
            "REPORTED": reported.strftime(CLOCK),
            "OFFENSE": rng.choice(offences, count),
            "LAT": rng.uniform(south + 0.001, north - 0.001, count).round(6).astype(str),
            "LON": rng.uniform(west + 0.001, east - 0.001, count).round(6).astype(str),
            "DISTRICT": rng.choice(["1", "2", ""], count),
            "OFFICER": "never to be read",
        },
        dtype="str",
    )


def dirty_rows(count: int = 300, seed: int = 7) -> pd.DataFrame:
    """Good and bad rows in random order; FATE says what has to become of every one.

    A fifth of the rows are bad. The conflicts were reported after the rows whose key they take.
    """
    rows = good_rows(count, seed).assign(FATE=KEPT)
    step = count // 5 // len(FAULTS)
    for place, (reason, fault) in enumerate(FAULTS.items()):
        rows.loc[place * step : place * step + step - 1, [*fault, "FATE"]] = [
            *fault.values(),
            reason,
        ]
    sound = rows[rows["FATE"] == KEPT]
    merged = sound[:7].assign(FATE=MERGED, LAT=sound["LAT"][:7] + " ")  # blanks say nothing
    late = (pd.Timestamp("2024-06-10") + pd.to_timedelta(np.arange(5), unit="h")).strftime(CLOCK)
    conflicts = sound[20:25].assign(FATE=CONFLICT, REPORTED=late, OFFENSE="robbery")
    every = pd.concat([rows, merged, conflicts])
    return every.sample(frac=1, random_state=seed, ignore_index=True)


def as_delivered(
    config: Config, rows: Sequence[dict[str, str]] | pd.DataFrame, address: str = "file"
) -> pd.DataFrame:
    """Rows as a source delivers them: mapped columns as text, what is missing is blank."""
    frame = pd.DataFrame(rows, columns=[*config.source.columns.names, MALFORMED])
    return frame.astype(object).fillna("").astype("str").assign(**{DELIVERY: address})


def cleaned(cleaner: Cleaner, rows: Sequence[dict[str, str]] | pd.DataFrame) -> pd.DataFrame:
    """What becomes of delivered rows of a first, historical delivery; columns as in CLEAN."""
    delivered = as_delivered(cleaner.config, rows)
    return cleaner(as_bronze(delivered, cleaner.config.source.columns))


_SECONDS = counting(1_700_000_000)  # each file that is written is younger than the one before


@dataclass(frozen=True)
class City:
    """A tiny city's folder and configuration, and what a night does first with it."""

    folder: Path
    config: Config
    grid: HexGrid

    @property
    def store(self) -> Store:
        """Its tables."""
        return Store(self.config.output.path)

    def configured(self, columns: dict[str, Any] | None = None, **source: Any) -> City:
        """The same store and files, read with other columns and settings of the source."""
        path = {"path": str(self.folder / "part*.csv")}
        return replace(self, config=make_config(self.folder, columns, source=path | source))

    def write(self, rows: pd.DataFrame, name: str = "part-1.csv", extra: str = "") -> None:
        """Deliver rows as a file, which is seen as another one than it was."""
        text = rows.drop(columns="FATE", errors="ignore").to_csv(index=False)
        (self.folder / name).write_text(text + extra)
        self.touch(name)

    def touch(self, name: str = "part-1.csv") -> None:
        """Deliver a file again as it is."""
        second = next(_SECONDS)
        os.utime(self.folder / name, (second, second))

    def intake(self, now: datetime = NOW, cutoff: datetime | None = None) -> Intake:
        """By default the night's cutoff is long past. Limits of quality are no matter here."""
        cluster = LazyCluster(self.config.cluster, self.folder)
        source, before = make_source(self.config.source), cutoff or now - timedelta(days=3)
        return Intake(self.config, self.store, source, cluster, now, before, accept=True)

    def ingest(self, now: datetime = NOW, cutoff: datetime | None = None) -> IngestRecord:
        """What a night at ``now`` does first."""
        intake = self.intake(now, cutoff)
        with intake.cluster:
            is_begun = self.store.has_silver or self.store.has_bronze
            if is_begun:
                resume(intake, self.grid)
            fresh = new_deliveries(self.config, intake.source.deliveries(), self.store)
            if not fresh:
                return IngestRecord()
            batch = bring(intake, fresh, known_floor(intake.cutoff, now) if is_begun else None)
            return ingest(intake, fresh, batch, self.grid)

    def silver(self) -> pd.DataFrame:
        """All revisions, by key."""
        rows = self._rows(self.store.silver).astype({"was_cell": "Int64"})
        return rows.sort_values(["id", "revision"], ignore_index=True)

    def quarantine(self) -> pd.DataFrame:
        """All rows that could not be used."""
        return self._rows(self.store.quarantine)

    def bronze(self) -> pd.DataFrame:
        """All rows that said something new, and statements about keys."""
        return self._rows(self.store.bronze)

    def live(self, at: datetime = FOREVER) -> dict[str, str]:
        """The category of every incident that was live at an instant, by key."""
        rows = as_known_at(self.store.silver, at)
        return dict(sorted(zip(rows["id"], rows["category"], strict=True)))

    def sizes(self) -> tuple[int, int, int]:
        """How many rows bronze, silver and quarantine hold."""
        return len(self.bronze()), len(self.silver()), len(self.quarantine())

    @staticmethod
    def _rows(table: str) -> pd.DataFrame:
        rows = DeltaTable(table).to_pyarrow_table()
        frame: pd.DataFrame = rows.to_pandas(integer_object_nulls=True)  # cells are exact
        return frame


def incidents(**categories: str) -> pd.DataFrame:
    """A row for each key, of that category; whatever else they say is the same."""
    row = good_rows(1).iloc[0].to_dict()
    return pd.DataFrame(
        [row | {"CASE": key, "OFFENSE": kind} for key, kind in categories.items()], dtype="str"
    )
