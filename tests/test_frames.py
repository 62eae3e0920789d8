from dataclasses import replace
from datetime import UTC, datetime

import geopandas
import numpy as np
import pandas as pd
import pytest
from forecast_cases import DENVER, GRID, PLACES, SHIFTS, counted, tiny_forecast

from forecasts.frames import cells_frame, hour_columns, hours_frame, shifts_frame
from forecasts.schema import Forecast
from grids.hexgrid import HexGrid
from grids.hours import HourRange


@pytest.fixture(scope="module")
def forecast() -> Forecast:
    return tiny_forecast()


@pytest.fixture
def frame(forecast: Forecast) -> geopandas.GeoDataFrame:
    return hours_frame(forecast)


def test_columns_are_the_designs():
    per_target = ("probability", "expected", "low", "high", "baseline", "rank", "hotspot")
    assert list(hour_columns(["all", "violent"])) == [
        *("hex_id", "valid_start", "valid_end", "valid_local", "lead_hours"),
        *(f"all_{part}" for part in per_target),
        *(f"violent_{part}" for part in per_target),
        *("run_id", "reference_time", "as_of", "model", "geometry"),
    ]


def test_no_other_time_column_is_taken_for_the_temporal_controllers():
    # QGIS guesses the fields by these parts of their names.
    parts = ("start", "begin", "from", "since", "end", "last", "to", "stop")
    times = [name for name, dtype in hour_columns(["all"]).items() if dtype.startswith("datetime")]
    guessed = [name for name in times if any(part in name for part in parts)]
    assert guessed == ["valid_start", "valid_end"]


def test_frame_has_the_schemas_dtypes(forecast, frame):
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == hour_columns(
        ["all", "violent"]
    )
    assert len(frame) == len(GRID) * 24
    assert frame.crs.to_epsg() == 4326


def test_rows_are_cells_in_grid_order_then_hours(frame):
    assert frame["hex_id"].tolist() == np.repeat(GRID.hex_ids, 24).tolist()
    assert frame["lead_hours"].tolist() == list(range(24)) * len(GRID)
    assert frame["valid_start"][:24].tolist() == HourRange(479214, 479238).times.tolist()
    assert (frame["valid_end"] - frame["valid_start"] == pd.Timedelta("1h")).all()
    assert frame.geometry.iloc[24 * 3 + 5].equals(GRID.polygons[3])


def test_values_stand_in_their_cells_and_hours(forecast, frame):
    violent = forecast.target("violent")
    row = frame.iloc[24 * 3 + 5]
    for part in ("probability", "expected", "low", "high", "baseline"):
        assert row[f"violent_{part}"] == np.float32(getattr(violent, part)[3, 5])


def test_what_is_the_same_everywhere(frame):
    assert frame["run_id"].unique().tolist() == ["denver-20240901T0600Z-abc123"]
    assert frame["as_of"].unique().tolist() == [pd.Timestamp("2024-09-01T06:00Z")]
    model = "all: xgboost 2024-09-01T06:00Z; violent: baseline blend"
    assert frame["model"].unique().tolist() == [model]


def test_rank_and_hotspots_agree(forecast, frame):
    by_hour = frame.pivot_table(index="hex_id", columns="lead_hours", values="all_rank", sort=False)
    assert by_hour.min().tolist() == [0] * 24
    assert by_hour.max().tolist() == [1] * 24
    expected = forecast.target("all").expected
    assert by_hour.to_numpy().argmax(axis=0).tolist() == expected.argmax(axis=0).tolist()
    hot = frame[frame["all_hotspot"]]
    assert hot.groupby("lead_hours").size().tolist() == [int(np.ceil(0.05 * len(GRID)))] * 24
    assert hot["all_rank"].min() > frame.loc[~frame["all_hotspot"], "all_rank"].max()


def test_equal_cells_are_ranked_by_their_index(forecast):
    flat = np.full((len(GRID), 24), 0.1)
    even = replace(forecast, targets=(counted("all", flat, flat, "uniform"),))
    frame = hours_frame(even)
    first = frame[frame["lead_hours"] == 0]
    assert first["all_rank"].is_monotonic_decreasing
    hotspots = int(np.ceil(0.05 * len(GRID)))
    assert first["all_hotspot"].tolist() == [True] * hotspots + [False] * (len(GRID) - hotspots)


def test_one_cell_is_the_hottest():
    one = HexGrid(9, GRID.cells[:1])
    target = counted("all", np.ones((1, 1)), np.ones((1, 1)), "uniform")
    as_of = datetime(2024, 9, 1, 6, tzinfo=UTC)
    frame = hours_frame(
        Forecast("r", as_of, HourRange(479214, 479215), DENVER, one, (target,), SHIFTS)
    )
    assert frame["all_rank"].tolist() == [1]
    assert frame["all_hotspot"].tolist() == [True]


@pytest.mark.parametrize(
    ("as_of", "hours", "local"),
    [
        (
            datetime(2024, 11, 2, 7, tzinfo=UTC),
            24,
            {0: "2024-11-02 01:00 -06:00", 23: "2024-11-03 00:00 -06:00"},
        ),
        (
            datetime(2024, 11, 3, 6, tzinfo=UTC),
            25,
            {1: "2024-11-03 01:00 -06:00", 2: "2024-11-03 01:00 -07:00"},
        ),
        (
            datetime(2024, 3, 10, 7, tzinfo=UTC),
            23,
            {1: "2024-03-10 01:00 -07:00", 2: "2024-03-10 03:00 -06:00"},
        ),
    ],
)
def test_local_times_across_clock_changes(as_of, hours, local):
    first = hours_frame(tiny_forecast(as_of))[:hours]
    assert first["lead_hours"].iloc[-1] == hours - 1
    assert {lead: first["valid_local"].iloc[lead] for lead in local} == local


def test_an_interval_holds_counts(forecast):
    target = forecast.target("all")
    for bad in (0.5, -1.0, 40_000.0, np.nan):
        wrong = replace(target, high=np.full_like(target.high, bad))
        with pytest.raises(ValueError, match="is no count from 0 to 32,767"):
            hours_frame(replace(forecast, targets=(wrong,)))


@pytest.fixture
def shifts(forecast: Forecast) -> geopandas.GeoDataFrame:
    return shifts_frame(forecast)


def test_a_shift_is_the_sum_of_its_hours(forecast, frame, shifts):
    """From midnight on, so that the night's two ends are of two dates, each with its own row."""
    cell = shifts[shifts["hex_id"] == GRID.hex_ids[3]]
    assert cell["shift"].tolist() == ["night", "day", "evening", "night"]
    assert cell["hours"].tolist() == [6, 8, 8, 2]
    assert cell["lead_hours"].tolist() == [0, 6, 14, 22]
    assert cell["valid_local"].tolist()[2] == "2024-09-01 14:00 -06:00 to 2024-09-01 22:00"
    hours = frame[(frame["hex_id"] == GRID.hex_ids[3]) & frame["lead_hours"].between(14, 21)]
    evening = cell.iloc[2]
    assert evening["valid_start"] == hours["valid_start"].min()
    assert evening["valid_end"] == hours["valid_end"].max()
    for part in ("expected", "baseline"):
        assert evening[f"all_{part}"] == pytest.approx(hours[f"all_{part}"].sum())
    # Poisson's: of independent hours.
    none = np.prod(1 - hours["all_probability"].astype("float64"))
    assert evening["all_probability"] == pytest.approx(1 - none)
    assert evening["all_high"] >= hours["all_high"].max()


def test_ranks_are_of_a_shift(shifts):
    ranks = shifts.pivot_table(index="hex_id", columns="valid_start", values="all_rank", sort=False)
    assert ranks.min().tolist() == [0] * 4
    assert ranks.max().tolist() == [1] * 4
    hot = shifts[shifts["all_hotspot"]].groupby("valid_start").size()
    assert hot.tolist() == [int(np.ceil(0.05 * len(GRID)))] * 4


def test_cells_say_where_they_are_and_what_is_usual(forecast):
    cells = cells_frame(forecast)
    assert cells["hex_id"].tolist() == GRID.hex_ids
    assert cells["neighbourhood"].tolist() == list(PLACES)
    assert cells["all_yearly"].tolist() == forecast.targets[0].yearly.astype("float32").tolist()
    unnamed = cells_frame(replace(forecast, neighbourhoods=()))
    assert set(unnamed["neighbourhood"]) == {""}
