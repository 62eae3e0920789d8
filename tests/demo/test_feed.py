"""The demo city's feed: what it delivers, dirt and quirks included."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
from village import (
    CITY,
    the_incidents,  # noqa: F401 -- a fixture
    the_versions,  # noqa: F401 -- a fixture
)

from grids.hexgrid import OUTSIDE, HexGrid
from grids.hours import hours_to_times, localize
from pipeline.demo.dirt import DIRTY_KINDS
from pipeline.demo.feed import COLUMNS, FeedRecord, write_feed
from pipeline.demo.text import TIME_FORMATS


@pytest.fixture(scope="module")
def feed(
    tmp_path_factory: pytest.TempPathFactory, versions: pd.DataFrame
) -> tuple[Path, FeedRecord]:
    directory = tmp_path_factory.mktemp("feed")
    return directory, write_feed(CITY, directory, versions)


@pytest.fixture(scope="module")
def rows(feed: tuple[Path, FeedRecord]) -> pd.DataFrame:
    """Every delivered row as text, with its file, as a stranger would read it."""
    directory, record = feed
    parts = [
        pd.read_csv(directory / name, dtype=str, keep_default_na=False).assign(file=name)
        for name in record.files
    ]
    return pd.concat(parts, ignore_index=True)


def test_feed_is_the_same_bytes_for_a_seed(feed: tuple[Path, FeedRecord], tmp_path: Path) -> None:
    directory, record = feed
    assert write_feed(dataclasses.replace(CITY), tmp_path) == record
    names = sorted(path.name for path in directory.iterdir())
    assert names == sorted([*record.files, "boundary.geojson", "feed.json"])
    for name in names:
        assert (tmp_path / name).read_bytes() == (directory / name).read_bytes()


def test_feed_record_stands_beside_the_files(feed: tuple[Path, FeedRecord]) -> None:
    directory, record = feed
    stored = json.loads((directory / "feed.json").read_text())
    assert stored == json.loads(json.dumps(dataclasses.asdict(record)))


def test_boundary_gives_the_same_grid(feed: tuple[Path, FeedRecord]) -> None:
    polygon = geopandas.read_file(feed[0] / "boundary.geojson").union_all()
    grid = HexGrid.from_polygon(polygon, CITY.resolution)
    np.testing.assert_array_equal(grid.cells, CITY.grid.cells)


def parsed(column: pd.Series) -> pd.Series:
    """Local naive times by either format; NaT where neither reads it."""
    text = column.str.strip()
    main, second = (
        pd.to_datetime(text, format=form, errors="coerce").astype("datetime64[us]")
        for form in TIME_FORMATS
    )
    return main.fillna(second)


def found_dirt(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Which rows have each fault, seen in the text alone."""
    occurred = parsed(rows["occurred_from"])
    lat, lon = (pd.to_numeric(rows[name]) for name in ("latitude", "longitude"))
    blank = rows["occurred_from"] == ""
    near_zero = (lat.abs() < 0.5) & (lon.abs() < 0.5)
    west, south, east, north = CITY.boundary.bounds
    in_box = lat.between(south, north) & lon.between(west, east)
    outside = pd.Series(CITY.grid.locate(lat, lon) == OUTSIDE, rows.index)
    text = rows[list(COLUMNS)]
    repeated = text.duplicated()
    key = ["report_no", "version"]
    clash = text.drop_duplicates().duplicated(key) & (rows["report_no"] != "")
    return {
        "unparseable_time": occurred.isna() & ~blank,
        "blank_time": blank,
        "year_1900": occurred.dt.year == 1900,
        "year_2099": occurred.dt.year == 2099,
        "blank_coordinates": (rows["latitude"] == "") & (rows["longitude"] == ""),
        "near_zero_coordinates": near_zero,
        "bogus_point": (lat == 36.619446) & (lon == -91.686566),
        "outside_boundary": outside & in_box,
        "exact_duplicate": repeated,
        "conflicting_key": clash.reindex(rows.index, fill_value=False),
        "blank_report_no": rows["report_no"] == "",
    }


def test_every_kind_of_dirt_is_written_as_often_as_recorded(
    feed: tuple[Path, FeedRecord], rows: pd.DataFrame
) -> None:
    record = feed[1]
    found = {kind: int(bad.sum()) for kind, bad in found_dirt(rows).items()}
    assert found == record.dirty
    assert tuple(found) == DIRTY_KINDS
    assert min(found.values()) >= 2
    assert len(rows) == record.rows == record.versions + sum(found.values())
    assert rows["latitude"].str.fullmatch(r"\d\.\dE-07").sum() == found["near_zero_coordinates"]


def test_quirks_are_written_as_often_as_recorded(
    feed: tuple[Path, FeedRecord], rows: pd.DataFrame
) -> None:
    quirks = feed[1].quirks
    good = rows[~pd.DataFrame(found_dirt(rows)).any(axis=1)]
    _, ambiguous, nonexistent = localize(parsed(good["occurred_from"]), CITY.timezone)
    assert quirks["ambiguous_time"] == ambiguous.sum() > 0
    assert quirks["nonexistent_time"] == nonexistent.sum() > 0
    donated = rows["offense"].str.strip() != rows["offense"].str.strip().str.upper()
    assert quirks["mixed_case"] <= donated.sum() <= 1.2 * quirks["mixed_case"] + 5
    padded = rows["offense"] != rows["offense"].str.strip()
    assert quirks["padded"] <= padded.sum() <= 1.2 * quirks["padded"] + 5


def test_a_conflicting_row_is_known_after_the_real_one(rows: pd.DataFrame) -> None:
    clash = rows[rows["report_no"].duplicated(keep=False) & (rows["report_no"] != "")]
    clash = clash.drop_duplicates(list(COLUMNS))
    pairs = clash[clash.duplicated(["report_no", "version"], keep=False)]
    assert len(pairs) >= 4
    for _, pair in pairs.groupby("report_no"):
        reported = parsed(pair["reported"]).sort_values()
        assert reported.iloc[0] < reported.iloc[1]
        assert len(set(pair["offense"].str.strip().str.upper())) == 2
        assert len(set(pair["file"])) == 1
        assert (pair["updated"] == "").all()


def test_a_version_stands_in_the_file_of_the_month_it_became_known(rows: pd.DataFrame) -> None:
    times = {name: parsed(rows[name]) for name in ("occurred_from", "reported", "updated")}
    sane = times["occurred_from"].dt.year < 2099
    known = pd.DataFrame(times).max(axis=1)[sane]
    assert ("incidents-" + known.dt.strftime("%Y-%m") + ".csv" == rows.loc[sane, "file"]).all()
    assert ((rows["updated"] == "") == (rows["version"] == "1")).all()


def test_a_stretch_of_months_has_the_second_format(rows: pd.DataFrame) -> None:
    slashes = rows["reported"].str.contains("/").groupby(rows["file"]).mean()
    assert set(slashes) == {0.0, 1.0}


def test_feed_read_back_is_what_was_reported(
    feed: tuple[Path, FeedRecord], rows: pd.DataFrame, versions: pd.DataFrame
) -> None:
    good = rows[~pd.DataFrame(found_dirt(rows)).any(axis=1)]
    good = good.apply(lambda column: column.str.strip())
    # Which row of a clashing pair is the dirt cannot be seen from the order in the file.
    keys = set(rows.loc[found_dirt(rows)["conflicting_key"], "report_no"].str.strip())
    good = good[~good["report_no"].isin(keys)].sort_values(["report_no", "version"])
    end = hours_to_times(np.array([CITY.hours.stop]))[0]
    told = versions[(versions["known_at"] < end) & ~versions["report_no"].isin(keys)]
    assert good["report_no"].tolist() == told["report_no"].tolist()
    assert good["version"].astype(int).tolist() == told["version"].tolist()
    assert good["status"].tolist() == told["status"].tolist()
    assert good["district"].tolist() == told["district"].tolist()
    offenses = np.array(CITY.categories)[told["category"]].tolist()
    assert good["offense"].str.upper().tolist() == offenses
    located = CITY.grid.locate(good["latitude"].astype(float), good["longitude"].astype(float))
    np.testing.assert_array_equal(located, told["cell"])
    columns = {"occurred_from": "occurred_at", "occurred_to": "occurred_until"}
    columns |= {"reported": "reported_at", "updated": "updated_at"}
    for text, instant in columns.items():
        read = localize(parsed(good[text]), CITY.timezone)[0]
        pd.testing.assert_series_equal(
            read.reset_index(drop=True), told[instant].reset_index(drop=True), check_names=False
        )


def test_too_short_a_history_cannot_be_spoilt(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="simulate more days"):
        write_feed(dataclasses.replace(CITY, days=1, incidents_per_day=10), tmp_path)
