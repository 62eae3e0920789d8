"""The demo city's delivery: the files, with every kind of dirt, and a record of what is in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import shapely

from pipeline.demo.city import DemoCity
from pipeline.demo.dirt import dirty_rows
from pipeline.demo.reports import report_versions
from pipeline.demo.simulate import simulate
from pipeline.demo.text import as_text

COLUMNS = (
    "report_no",
    "version",
    "status",
    "offense",
    "occurred_from",
    "occurred_to",
    "reported",
    "updated",
    "latitude",
    "longitude",
    "district",
    "arrest",
)
_FEWEST = 200  # reports that leave enough good ones to copy for every kind of dirt


@dataclass(frozen=True)
class FeedRecord:
    """What was written; also as ``feed.json`` beside the files.

    ``rows``: all rows; ``versions``: those that are good; ``incidents``: real incidents and
    ``unfounded``: false reports among them, both by report. ``dirty``: extra rows of each of
    ``DIRTY_KINDS``. ``quirks``: good rows that only look odd: padded fields, mixed case, and
    ``occurred_from`` at local times that are ambiguous or do not exist.
    """

    name: str
    timezone: str
    files: tuple[str, ...]
    rows: int
    versions: int
    incidents: int
    unfounded: int
    dirty: Mapping[str, int]
    quirks: Mapping[str, int]


def write_feed(city: DemoCity, directory: Path, versions: pd.DataFrame | None = None) -> FeedRecord:
    """Write the city's delivery into ``directory`` and say what is in it.

    ``incidents-YYYY-MM.csv``: one row per version in the file of the local month in which it
    became known, up to the city's end, in no order, all text, local clock times; a few files in
    the second of ``TIME_FORMATS``. ``boundary.geojson``, ``feed.json``. The same city gives the
    same bytes. ``versions`` saves the simulation where they are at hand. Raises ValueError where
    the history is too short for dirt of every kind.
    """
    if versions is None:
        versions = report_versions(city, simulate(city))
    delivered = versions[versions["known_at"] < city.hours.times[-1] + pd.Timedelta("1h")]
    if len(delivered) < _FEWEST:
        raise ValueError(f"{len(delivered)} reports, under {_FEWEST}: simulate more days")
    rng = city.rng("feed")
    rows, quirks = as_text(city, delivered, rng)
    dirt = dirty_rows(city, rows, rng)
    everything = pd.concat([rows, *dirt.values()], ignore_index=True)
    everything = everything.iloc[rng.permutation(len(everything))]
    reports = delivered.loc[delivered["version"] == 1, "incident"]
    record = FeedRecord(
        name=city.name,
        timezone=city.timezone.key,
        files=_write_months(everything, directory),
        rows=len(everything),
        versions=len(rows),
        incidents=int((reports >= 0).sum()),
        unfounded=int((reports < 0).sum()),
        dirty={kind: len(lines) for kind, lines in dirt.items()},
        quirks=quirks,
    )
    _write_json(directory / "boundary.geojson", _boundary_geojson(city))
    _write_json(directory / "feed.json", asdict(record))  # last: where it is, all is
    return record


def _write_months(rows: pd.DataFrame, directory: Path) -> tuple[str, ...]:
    """One CSV file a month; their names in order."""
    directory.mkdir(parents=True, exist_ok=True)
    months = {f"incidents-{month}.csv": lines for month, lines in rows.groupby("month")}
    for name, lines in months.items():
        lines[list(COLUMNS)].to_csv(directory / name, index=False, lineterminator="\n")
    return tuple(months)


def _boundary_geojson(city: DemoCity) -> dict[str, Any]:
    properties = {"name": city.name, "timezone": city.timezone.key}
    geometry = shapely.geometry.mapping(city.boundary)
    feature = {"type": "Feature", "properties": properties, "geometry": geometry}
    return {"type": "FeatureCollection", "features": [feature]}


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
