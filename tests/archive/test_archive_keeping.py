"""The forecast cube: what was issued is in it, as xarray and xdggs read it, whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import xdggs
import zarr
from forecast_cases import GRID, tiny_forecast
from hypothesis import given
from hypothesis import strategies as st

from forecasts.schema import Forecast
from grids.hexgrid import HexGrid
from grids.hours import HourRange
from pipeline.archive import keeping
from pipeline.archive.keeping import KEPT_BITS, rounded
from pipeline.archive.layout import ARCHIVE, SCORES, VALUES, array, open_archive

AS_OF = datetime(2024, 9, 1, 6, tzinfo=UTC)


def keep(forecast: Forecast, root: Path) -> None:
    keeping.keep(forecast, root, forecast.as_of + timedelta(minutes=5))


def opened(root: Path) -> xr.Dataset:
    return xr.open_zarr(root / ARCHIVE)


def night(day: int, names: tuple[str, ...] = ("all", "violent")) -> Forecast:
    """Another night, and other numbers."""
    made = tiny_forecast(AS_OF + timedelta(days=day), names)
    targets = (replace(each, expected=each.expected * (1 + day)) for each in made.targets)
    return replace(made, targets=tuple(targets), run_id=f"denver-{day}-abc123")


def values_of(kept: xr.Dataset, made: Forecast, name: str) -> np.ndarray:
    """(target, cell, hour)"""
    at = kept[name].sel(reference_time=pd.Timestamp(made.reference_time).tz_localize(None))
    chosen = at.sel(target=list(made.target_names)).isel(lead=slice(len(made.hours)))
    return chosen.transpose("target", "cell", "lead").to_numpy()


def is_kept(root: Path, made: Forecast) -> None:
    kept = opened(root)
    for name in VALUES:
        wanted = np.stack([getattr(target, name) for target in made.targets])
        assert values_of(kept, made, name) == pytest.approx(wanted, rel=2.0 ** -(KEPT_BITS + 1))


def test_every_night_is_kept_with_its_times_and_names(tmp_path: Path) -> None:
    nights = [night(0), night(1)]
    for each in nights:
        keep(each, tmp_path)
    kept = opened(tmp_path)
    assert dict(kept.sizes) == {"reference_time": 2, "lead": 25, "cell": len(GRID), "target": 2}
    for each in nights:
        is_kept(tmp_path, each)
    assert kept["run_id"].to_numpy().tolist() == ["denver-0-abc123", "denver-1-abc123"]
    assert kept["model"].to_numpy().tolist() == [each.model for each in nights]
    first = np.datetime64(AS_OF.replace(tzinfo=None), "ns")
    assert (kept["reference_time"] == [first, first + np.timedelta64(1, "D")]).all()
    assert (kept["as_of"] == kept["reference_time"]).all()
    assert (kept["made_at"] - kept["as_of"] == np.timedelta64(5, "m")).all()
    hours = kept["reference_time"] + kept["lead"] * np.timedelta64(1, "h")
    assert (kept["valid_time"] == hours).all()
    assert np.isnan(kept["expected"].isel(lead=24)).all()  # neither night has 25 hours
    assert np.isnat(kept["scored_as_of"]).all()
    assert all(np.isnan(kept[name]).all() for name in SCORES)


def test_xdggs_understands_the_archive(tmp_path: Path) -> None:
    keep(night(0), tmp_path)
    kept = xdggs.decode(opened(tmp_path))
    assert isinstance(kept.dggs.grid_info, xdggs.H3Info)
    assert kept.dggs.grid_info.level == GRID.resolution
    lat, lon = GRID.centroids
    assert kept.dggs.cell_centers()["latitude"].to_numpy() == pytest.approx(lat)
    assert kept.dggs.cell_centers()["longitude"].to_numpy() == pytest.approx(lon)


def test_axes_have_the_names_that_cf_gives_them(tmp_path: Path) -> None:
    keep(night(0), tmp_path)
    kept = xr.open_zarr(tmp_path / ARCHIVE, decode_times=False)
    assert kept["reference_time"].attrs["standard_name"] == "forecast_reference_time"
    assert kept["lead"].attrs["standard_name"] == "forecast_period"
    assert kept["valid_time"].attrs["standard_name"] == "time"
    assert {"cell_ids", "valid_time", "run_id"} <= set(kept["expected"].coords)


def test_a_night_made_again_takes_its_old_place_without_its_scores(tmp_path: Path) -> None:
    for day in (0, 1):
        keep(night(day), tmp_path)
    array(open_archive(tmp_path / ARCHIVE, "r+"), "incidents")[:] = 7.0
    again = replace(night(0), targets=night(3).targets)
    keep(again, tmp_path)
    is_kept(tmp_path, again)
    is_kept(tmp_path, night(1))
    incidents = opened(tmp_path)["incidents"]
    assert np.isnan(incidents.isel(reference_time=0)).all()
    assert (incidents.isel(reference_time=1) == 7).all()


def test_earlier_nights_stand_behind_later_ones_and_can_be_sorted(tmp_path: Path) -> None:
    for day in (4, 0, 2):
        keep(night(day), tmp_path)
    times = opened(tmp_path)["reference_time"].to_numpy()
    assert [int((at - times.min()) / np.timedelta64(1, "D")) for at in times] == [4, 0, 2]
    assert (
        opened(tmp_path).sortby("reference_time").indexes["reference_time"].is_monotonic_increasing
    )
    is_kept(tmp_path, night(2))


def test_axes_grow_with_targets_and_hours(tmp_path: Path) -> None:
    keep(night(0), tmp_path)
    longer = tiny_forecast(AS_OF + timedelta(days=1), ("violent", "property"))
    twice = tuple(
        replace(each, **{name: np.tile(getattr(each, name), 2) for name in
                         ("expected", "probability", "low", "high", "baseline")})
        for each in longer.targets
    )  # fmt: skip
    hours = HourRange(longer.hours.start, longer.hours.start + 2 * len(longer.hours))
    longer = replace(longer, targets=twice, hours=hours)
    keep(longer, tmp_path)
    kept = opened(tmp_path)
    assert kept["target"].to_numpy().tolist() == ["all", "violent", "property"]
    assert kept["lead"].to_numpy().tolist() == list(range(48))
    hours = kept["reference_time"] + kept["lead"] * np.timedelta64(1, "h")
    assert (kept["valid_time"] == hours).all()
    is_kept(tmp_path, night(0))
    is_kept(tmp_path, longer)
    assert np.isnan(kept["expected"].sel(target="all").isel(reference_time=1)).all()
    assert np.isnan(kept["expected"].sel(target="property").isel(reference_time=0)).all()


def test_other_cells_begin_a_new_archive_and_the_old_one_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep(night(0), tmp_path)
    fewer = HexGrid.from_dict(GRID.to_dict(), GRID.cells[:-1])
    made = night(1)
    parts = ("expected", "probability", "low", "high", "baseline", "yearly")
    targets = tuple(
        replace(each, **{name: getattr(each, name)[:-1] for name in parts}) for each in made.targets
    )
    made = replace(made, grid=fewer, targets=targets, neighbourhoods=())
    keep(made, tmp_path)
    is_kept(tmp_path, made)
    assert opened(tmp_path).sizes["reference_time"] == 1
    (aside,) = tmp_path.glob("forecasts-before-*.zarr")
    assert aside.name in caplog.text
    assert xr.open_zarr(aside).sizes["cell"] == len(GRID)


@pytest.mark.parametrize("stops_at", ["expected", "run_id", "reference_time", "show"])
def test_a_killed_night_is_not_seen_and_its_place_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops_at: str
) -> None:
    keep(night(0), tmp_path)

    stopped(monkeypatch, stops_at, tmp_path, night(1))
    assert opened(tmp_path).sizes["reference_time"] == 1
    is_kept(tmp_path, night(0))
    keep(night(2), tmp_path)
    keep(night(1), tmp_path)
    assert opened(tmp_path).sizes["reference_time"] == 3
    for day in range(3):
        is_kept(tmp_path, night(day))


def test_a_night_killed_while_it_is_made_again_is_not_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in (0, 1):
        keep(night(day), tmp_path)
    array(open_archive(tmp_path / ARCHIVE, "r+"), "incidents")[:] = 7.0
    stopped(monkeypatch, "probability", tmp_path, night(0))
    kept = opened(tmp_path)
    assert kept["run_id"].to_numpy().tolist() == ["", "denver-1-abc123"]
    assert np.isnan(kept["incidents"][0]).all()
    keep(night(0), tmp_path)
    is_kept(tmp_path, night(0))


def test_a_place_that_a_kill_left_is_not_shown_by_a_night_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in (0, 1):
        keep(night(day), tmp_path)
    stopped(monkeypatch, "reference_time", tmp_path, night(2))
    keep(night(0), tmp_path)
    times = opened(tmp_path)["reference_time"].to_numpy()
    assert times.tolist() == [np.datetime64(f"2024-09-0{day}T06:00", "ns").item() for day in (1, 2)]


def stopped(monkeypatch: pytest.MonkeyPatch, stops_at: str, root: Path, forecast: Forecast) -> None:
    """Keep a forecast, and be killed when an array is written (``show``: when all are)."""

    def killed(group: zarr.Group, name: str) -> Any:
        if name == stops_at:
            raise KeyboardInterrupt
        return array(group, name)

    with monkeypatch.context() as patch:
        patch.setattr(keeping, "array", killed)
        patch.setattr(keeping, "show", lambda path: killed(path, "show"))
        with pytest.raises(KeyboardInterrupt):
            keep(forecast, root)


def test_who_has_the_archive_open_reads_on_while_it_grows(tmp_path: Path) -> None:
    keep(night(0), tmp_path)
    kept = opened(tmp_path)
    keep(night(1, ("violent", "property")), tmp_path)
    wanted = np.stack([target.expected for target in night(0).targets])
    assert values_of(kept, night(0), "expected") == pytest.approx(wanted, rel=1e-3)
    assert kept["target"].to_numpy().tolist() == ["all", "violent"]


@pytest.mark.parametrize("damage", ["zarr.json", "reference_time/c/0", "auc/zarr.json"])
def test_a_damaged_archive_is_set_aside_and_no_night_is_stopped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    for again in range(2):
        keep(night(0), tmp_path)
        (tmp_path / ARCHIVE / damage).write_bytes(b"")
        keep(night(1), tmp_path)
        is_kept(tmp_path, night(1))
        assert len(list(tmp_path.glob("forecasts-before-*.zarr"))) == again + 1
    assert "damaged" in caplog.text


def test_what_others_add_to_the_archive_stays(tmp_path: Path) -> None:
    keep(night(0), tmp_path)
    open_archive(tmp_path / ARCHIVE, "r+").create_array(
        "mine", shape=(3,), dtype="int8", dimension_names=("three",)
    )
    keep(night(1), tmp_path)
    is_kept(tmp_path, night(1))
    assert "mine" in open_archive(tmp_path / ARCHIVE)


@given(st.lists(st.floats(0, 2.0**100, width=32), min_size=1, max_size=20))
def test_rounding_moves_nothing_by_more_than_half_a_step(values: list[float]) -> None:
    exact = np.array(values, np.float32)
    found = rounded(exact)
    normal = exact >= np.finfo(np.float32).tiny
    assert (abs(found - exact)[normal] <= exact[normal] * 2.0 ** -(KEPT_BITS + 1)).all()
    assert (rounded(found) == found).all()
    assert (np.diff(rounded(np.sort(exact))) >= 0).all()
