"""The demo city: what it draws, what it delivers, and that its truth is the truth."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import geopandas
import h3
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from grids.hexgrid import OUTSIDE, HexGrid
from grids.hours import (
    HourRange,
    horizon,
    hours_to_times,
    localize,
    nightly_cutoffs,
    reference_hour,
    times_to_hours,
)
from pipeline.demo.city import DemoCity
from pipeline.demo.dirt import DIRTY_KINDS
from pipeline.demo.feed import COLUMNS, FeedRecord, write_feed
from pipeline.demo.kinds import CELL_TYPES, DELAY_MEANS_HOURS
from pipeline.demo.reports import report_versions
from pipeline.demo.simulate import Incidents, expected_given, hidden_share, simulate
from pipeline.demo.text import TIME_FORMATS

# A village from September to April, so that both clock changes lie in it.
CITY = DemoCity(
    start=datetime(2024, 9, 1, 5, tzinfo=UTC), days=220, radius_km=1.4, incidents_per_day=60
)
CUTOFF = datetime(2025, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def incidents() -> Incidents:
    return simulate(CITY)


@pytest.fixture(scope="module")
def versions(incidents: Incidents) -> pd.DataFrame:
    return report_versions(CITY, incidents)


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


def known_at_once(incidents: Incidents) -> pd.DataFrame:
    """Versions of a city where everything is known, and right, the moment it happens."""
    times = hours_to_times(incidents.hour)
    return pd.DataFrame(
        {
            "report_no": [f"{n}" for n in range(len(incidents))],
            "version": 1,
            "status": "ACTIVE",
            "cell": incidents.cell,
            "category": incidents.category,
            "occurred_at": times,
            "known_at": times,
        }
    )


def poisson_z(count: NDArray[np.int64], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((count - mean) / np.sqrt(mean))


# The city


def test_default_city_is_as_large_as_promised() -> None:
    city = DemoCity()
    assert 600 <= len(city.grid) <= 800
    assert city.boundary.is_valid
    assert set(city.cell_types) == set(range(len(CELL_TYPES)))
    first, end = hours_to_times(np.array([city.hours.start, city.hours.stop]))
    assert str(first.tz_convert(city.timezone)) == "2023-01-01 00:00:00-06:00"
    assert str(end.tz_convert(city.timezone)) == "2026-01-01 00:00:00-06:00"


def test_background_factors_leave_the_rates_their_level() -> None:
    np.testing.assert_allclose(CITY.clock.mean(axis=0), 1)
    assert CITY.rates.sum() * 24 == pytest.approx(60 * (1 - CITY.branching))
    assert (CITY.drift @ CITY.rates.sum(axis=1)).mean() == pytest.approx(CITY.rates.sum())


def test_hotspots_drift_over_months_and_not_over_days() -> None:
    log = np.log(CITY.drift)
    assert np.abs(log[120] - log[0]).mean() > 0.2
    assert np.abs(np.diff(log, axis=0)).max() < 0.1


def test_cells_of_different_types_live_by_different_clocks() -> None:
    profiles = CITY.clock.mean(axis=2).reshape(7, 24, len(CELL_TYPES)).mean(axis=0)
    assert profiles.argmax(axis=0)[0] in range(12, 18)  # downtown
    assert profiles.argmax(axis=0)[1] in (22, 23, 0, 1)  # nightlife


def test_background_follows_the_local_clock_over_the_change() -> None:
    """From noon to one the step is the same on both sides of a change, drift and season aside."""
    steps = []
    for noon in (datetime(2025, 3, 4, 18, tzinfo=UTC), datetime(2025, 3, 11, 17, tzinfo=UTC)):
        hour = reference_hour(noon)
        first, second = CITY.background(HourRange(hour, hour + 2))
        steps.append(second / first)
    np.testing.assert_allclose(steps[0], steps[1], rtol=1e-4)
    assert np.abs(steps[0] - 1).max() > 0.1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"branching": 1.0}, "explodes"),
        ({"start": datetime(2024, 1, 1)}, "aware"),
        ({"start": datetime(2024, 1, 1, 0, 30, tzinfo=UTC)}, "full hour"),
        ({"days": 0}, "positive"),
        ({"delay_scale": 0.0}, "delay_scale"),
    ],
)
def test_impossible_cities_are_refused(fault: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DemoCity(**fault)  # type: ignore[arg-type]


# The process


def test_counts_are_poisson_about_the_integrated_intensity(incidents: Incidents) -> None:
    counts = incidents.counts(CITY.hours).sum(axis=1)
    assert counts.sum() == len(incidents)
    assert np.abs(poisson_z(counts.sum(axis=0), incidents.integrated.sum(axis=0))).max() < 4
    z = poisson_z(counts.sum(axis=1), incidents.integrated.sum(axis=1))
    assert 0.6 < (z**2).mean() < 1.5
    assert len(incidents) / CITY.days == pytest.approx(60, rel=0.1)


def test_hourly_counts_are_poisson_about_a_calm_background() -> None:
    calm = dataclasses.replace(CITY, branching=0.0)
    counts = simulate(calm).counts(calm.hours).sum(axis=(0, 2))
    z = poisson_z(counts, calm.background(calm.hours).sum(axis=(1, 2)))
    assert (z**2).mean() == pytest.approx(1, abs=0.1)
    assert z.mean() == pytest.approx(0, abs=0.05)


def neighbours_in_time(incidents: Incidents, near: int, far: int) -> float:
    """Pairs of one cell and category ``near`` to ``far`` hours apart, per incident."""
    slot = incidents.cell.astype(np.int64) * len(CITY.categories) + incidents.category
    key = np.sort(slot * 10**7 + incidents.hour)
    parents = key[key % 10**7 < CITY.hours.stop - 409]  # the same ones for every distance
    pairs = np.searchsorted(key, parents + far) - np.searchsorted(key, parents + near)
    return float(pairs.mean())


def test_incidents_have_offspring() -> None:
    excess = {}
    for branching in (0.0, 0.25):
        # A quiet city, where few pairs are chance.
        quiet = dataclasses.replace(CITY, branching=branching, incidents_per_day=15)
        drawn = simulate(quiet)
        # Two weeks later at the same hours of the day: the same place, without the children.
        near, late = neighbours_in_time(drawn, 1, 73), neighbours_in_time(drawn, 337, 409)
        excess[branching] = near - late
    # 0.25 children, 0.7 of them in the own cell, 1 - 1 / e of those within three days: 0.11.
    assert abs(excess[0.0]) < 0.06 < excess[0.25] < 0.25


def test_simulation_depends_on_nothing_but_the_seed(incidents: Incidents) -> None:
    again, other = simulate(dataclasses.replace(CITY)), simulate(dataclasses.replace(CITY, seed=4))
    for field in ("hour", "cell", "category", "integrated"):
        np.testing.assert_array_equal(getattr(again, field), getattr(incidents, field))
    assert len(other) != len(incidents)


# The truth


def test_truth_is_the_background_without_excitation(incidents: Incidents) -> None:
    calm = dataclasses.replace(CITY, branching=0.0)
    hours = horizon(CUTOFF, CITY.timezone)
    truth = expected_given(calm, known_at_once(incidents), CUTOFF, hours)
    np.testing.assert_array_equal(truth, calm.background(hours).transpose(1, 0, 2))


def test_truth_of_the_next_hour_is_background_plus_every_known_incidents_kernel(
    incidents: Incidents,
) -> None:
    city = dataclasses.replace(CITY, delay_scale=1e-9)
    now = city.hours.start + 40 * 24
    cutoff = hours_to_times(np.array([now]))[0].to_pydatetime()
    rho = np.exp(-1 / (24 * city.memory_days))
    oracle = city.background(HourRange(now, now + 1))[0]
    past = incidents.hour < now
    for hour, cell, category in zip(
        incidents.hour[past], incidents.cell[past], incidents.category[past], strict=True
    ):
        size = city.branching * (1 - rho) / rho * rho ** (now - hour)
        ring = h3.api.basic_int.grid_ring(int(city.grid.cells[cell]), 1)
        around = city.grid.index_of(np.array(ring, np.uint64))
        around = around[around != OUTSIDE]
        oracle[cell, category] += 0.7 * size
        oracle[around, category] += 0.3 * size / len(around)
    truth = expected_given(city, known_at_once(incidents), cutoff, HourRange(now, now + 1))
    np.testing.assert_allclose(truth[:, 0], oracle, rtol=1e-6)


def test_truth_of_an_unreported_city_is_its_mean(versions: pd.DataFrame) -> None:
    """What happens before the first report: the whole city's mean has a scalar recursion."""
    silent = dataclasses.replace(CITY, delay_scale=1e12)
    hours = HourRange(CITY.hours.start + 240, CITY.hours.start + 480)
    cutoff = hours_to_times(hours.values)[0].to_pydatetime()
    background = CITY.background(HourRange(CITY.hours.start, hours.stop)).sum(axis=1)
    rho = np.exp(-1 / (24 * CITY.memory_days))
    trigger, mean = np.zeros(background.shape[1]), np.empty_like(background)
    for hour, rate in enumerate(background):
        mean[hour] = rate + trigger
        trigger = rho * trigger + CITY.branching * (1 - rho) * mean[hour]
    truth = expected_given(silent, versions.iloc[:0], cutoff, hours)
    np.testing.assert_allclose(truth.sum(axis=0), mean[240:], rtol=1e-8)


def test_hidden_share_is_what_the_reports_still_hide(
    incidents: Incidents, versions: pd.DataFrame
) -> None:
    first = versions[(versions["version"] == 1) & (versions["incident"] >= 0)]
    hour = incidents.hour[first["incident"]]
    hidden, expected = np.zeros(len(CITY.categories)), np.zeros(len(CITY.categories))
    for day in range(20, 200, 3):
        now = CITY.hours.start + 24 * day
        cutoff = hours_to_times(np.array([now]))[0]
        recent = HourRange(now - 72, now)
        inside = (hour >= recent.start) & (hour < recent.stop)
        late = first[inside & (first["reported_at"] > cutoff)]
        hidden += np.bincount(late["category"], minlength=len(hidden))
        counts = incidents.counts(recent).sum(axis=0)
        expected += (counts * hidden_share(CITY, recent, cutoff.to_pydatetime())).sum(axis=0)
    # Revised categories blur the first versions by 3 %; an error in F would be far larger.
    assert np.abs(hidden - expected).max() < 4 * np.sqrt(expected.max())
    assert hidden.sum() == pytest.approx(expected.sum(), rel=0.05)


def test_hidden_share_at_its_ends() -> None:
    now = reference_hour(CUTOFF)
    shares = hidden_share(CITY, HourRange(now - 24 * 365, now + 2), CUTOFF + timedelta(minutes=30))
    assert (shares[-1] == 1).all()  # all of the future
    assert (shares[-2] > 0.5).all()  # half of this hour and most of its other half
    assert (shares[-2] < 1).all()
    assert (np.diff(shares, axis=0) >= 0).all()
    assert shares[0].max() < 1e-9
    mean_delay = DELAY_MEANS_HOURS @ np.array([0.5, 0.38, 0.12])  # hours hidden in all: thefts
    hidden_hours = shares[:-1, CITY.categories.index("THEFT")].sum()
    assert hidden_hours == pytest.approx(mean_delay + 0.5, rel=1e-6)


@pytest.fixture(scope="module")
def nights(incidents: Incidents, versions: pd.DataFrame) -> list[tuple[HourRange, NDArray]]:
    """The horizons and truths of thirty nights."""
    first, last = CUTOFF - timedelta(days=15), CUTOFF + timedelta(days=14, hours=12)
    cutoffs = nightly_cutoffs(first, last, time(6), CITY.timezone)
    ranges = [horizon(cutoff, CITY.timezone) for cutoff in cutoffs]
    return [
        (hours, expected_given(CITY, versions, cutoff, hours))
        for cutoff, hours in zip(cutoffs, ranges, strict=True)
    ]


def log_score(
    incidents: Incidents,
    nights: list[tuple[HourRange, NDArray]],
    forecast: Callable[[HourRange, NDArray], NDArray],
) -> float:
    """Poisson log score over the nights, nats, up to the counts' own term."""
    score = 0.0
    for hours, truth in nights:
        counts, mean = incidents.counts(hours), forecast(hours, truth)
        score += float((counts * np.log(mean)).sum() - mean.sum())
    return score


def test_truth_beats_the_background_and_the_cells_own_rate(
    incidents: Incidents, nights: list[tuple[HourRange, NDArray]]
) -> None:
    def background(hours: HourRange, truth: NDArray) -> NDArray:
        return CITY.background(hours).transpose(1, 0, 2) / (1 - CITY.branching)

    def cell_rate(hours: HourRange, truth: NDArray) -> NDArray:
        past = HourRange(CITY.hours.start, hours.start)
        rate = incidents.counts(past).sum(axis=1)[:, None] / len(past)
        return np.broadcast_to(0.99 * rate + 0.01 * rate.mean(), truth.shape)

    def itself(hours: HourRange, truth: NDArray) -> NDArray:
        return truth

    assert len(nights) == 30
    best = log_score(incidents, nights, itself)
    assert best > log_score(incidents, nights, background) + 10
    assert best > log_score(incidents, nights, cell_rate) + 100


def test_truth_expects_what_happens(
    incidents: Incidents, nights: list[tuple[HourRange, NDArray]]
) -> None:
    observed = sum(incidents.counts(hours).sum() for hours, _ in nights)
    expected = sum(truth.sum() for _, truth in nights)
    # Clusters make the variance of a day's total larger than Poisson, by up to (1 - b) ** -2.
    assert abs(observed - expected) < 3 * np.sqrt(expected) / (1 - CITY.branching)


def test_truth_uses_nothing_that_became_known_later(versions: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    hours = horizon(CUTOFF, CITY.timezone)
    truth = expected_given(CITY, versions, CUTOFF, hours)
    late = np.flatnonzero(versions["known_at"] > CUTOFF)
    assert len(late) > 100
    assert (versions["occurred_at"].iloc[late] < CUTOFF).sum() > 50  # hidden at the cutoff
    scrambled = versions.copy()
    contents = ["report_no", "version", "status", "cell", "category", "occurred_at"]
    for name in contents:
        mixed = versions[name].iloc[rng.permutation(late)]
        scrambled.iloc[late, scrambled.columns.get_loc(name)] = mixed.to_numpy()
    scrambled = scrambled.iloc[rng.permutation(len(scrambled))]
    assert expected_given(CITY, scrambled, CUTOFF, hours).tobytes() == truth.tobytes()
    deleted = versions.drop(versions.index[late])
    assert expected_given(CITY, deleted, CUTOFF, hours).tobytes() == truth.tobytes()


def test_truth_uses_what_became_known_before(versions: pd.DataFrame) -> None:
    hours = horizon(CUTOFF, CITY.timezone)
    recent = versions["occurred_at"].between(CUTOFF - timedelta(days=2), CUTOFF)
    known = versions.index[recent & (versions["known_at"] <= CUTOFF)]
    fewer = expected_given(CITY, versions.drop(known), CUTOFF, hours)
    assert fewer.sum() < expected_given(CITY, versions, CUTOFF, hours).sum() - 1


def test_truth_takes_the_latest_version_and_no_unfounded_report(incidents: Incidents) -> None:
    hours = horizon(CUTOFF, CITY.timezone)
    plain = known_at_once(incidents)
    right = expected_given(CITY, plain, CUTOFF, hours)
    wrong = plain.iloc[::5].assign(category=lambda first: (first["category"] + 1) % 7)
    corrected = plain.iloc[::5].assign(version=2)
    revised = pd.concat([corrected, wrong, plain.drop(plain.index[::5])])
    np.testing.assert_array_equal(expected_given(CITY, revised, CUTOFF, hours), right)
    false = plain.iloc[::5].assign(report_no=lambda rows: "false " + rows["report_no"])
    retracted = pd.concat([plain, false, false.assign(version=2, status="UNFOUNDED")])
    np.testing.assert_array_equal(expected_given(CITY, retracted, CUTOFF, hours), right)


def test_truth_refuses_hours_before_the_cutoff(versions: pd.DataFrame) -> None:
    past = HourRange(reference_hour(CUTOFF) - 1, reference_hour(CUTOFF) + 1)
    with pytest.raises(ValueError, match="begins at or after its cutoff"):
        expected_given(CITY, versions, CUTOFF, past)
    with pytest.raises(ValueError, match="before the city's first"):
        CITY.background(HourRange(CITY.hours.start - 1, CITY.hours.start))


# The reports


def test_last_versions_tell_the_true_incidents(
    incidents: Incidents, versions: pd.DataFrame
) -> None:
    last = versions.drop_duplicates("report_no", keep="last")
    real = last[last["incident"] >= 0].sort_values("incident")
    np.testing.assert_array_equal(real["incident"], np.arange(len(incidents)))
    np.testing.assert_array_equal(real["cell"], incidents.cell)
    np.testing.assert_array_equal(real["category"], incidents.category)
    moved = incidents.hour - times_to_hours(real["occurred_at"])
    local = hours_to_times(incidents.hour[moved != 0]).tz_convert(CITY.timezone)
    assert set(moved) == {0, 1}
    assert {(at.month, at.day, at.hour) for at in local} == {(11, 3, 1)}  # its second pass


def test_every_version_lies_in_its_cell(versions: pd.DataFrame) -> None:
    located = CITY.grid.locate(versions["latitude"], versions["longitude"])
    np.testing.assert_array_equal(located, versions["cell"])


def test_versions_are_known_in_order_and_never_too_early(versions: pd.DataFrame) -> None:
    first, later = versions[versions["version"] == 1], versions[versions["version"] == 2]
    assert first["updated_at"].isna().all()
    expected = np.maximum(first["occurred_at"], first["reported_at"])
    assert (first["known_at"] == expected).all()
    assert (later["known_at"] == later["updated_at"]).all()
    before = first.set_index("report_no")["known_at"].reindex(later["report_no"])
    assert (later["known_at"].to_numpy() > before.to_numpy()).all()


def test_shares_of_revisions_retractions_and_windows(
    incidents: Incidents, versions: pd.DataFrame
) -> None:
    last = versions.drop_duplicates("report_no", keep="last")
    false = last["incident"] < 0
    assert (last.loc[false, "status"] == "UNFOUNDED").all()
    assert (last.loc[~false, "status"] == "ACTIVE").all()
    assert false.sum() == round(0.015 * len(incidents))
    assert (last.loc[~false, "version"] == 2).mean() == pytest.approx(0.03, abs=0.006)
    pairs = versions[versions["report_no"].duplicated(keep=False) & (versions["incident"] >= 0)]
    by_report = pairs.groupby("report_no")[["category", "cell"]]
    changed = by_report.first() != by_report.last()
    assert changed["category"].mean() == pytest.approx(0.5, abs=0.15)
    assert not changed.all(axis=1).any()
    thefts = last[last["category"] == CITY.categories.index("THEFT")]
    assert thefts["occurred_until"].notna().mean() == pytest.approx(0.4, abs=0.05)
    window = last.dropna(subset="occurred_until")
    assert (window["occurred_until"] <= window["reported_at"]).mean() > 0.999  # but in autumn


# The feed


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
