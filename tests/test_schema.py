from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import geopandas
import numpy as np
import pandas as pd
import pytest

from forecasts.counting import POISSON, CountLaw
from forecasts.schema import (
    Forecast,
    TargetForecast,
    columns,
    counted_target,
    to_frame,
)
from forecasts.validation import validate
from grids.hexgrid import HexGrid
from grids.hours import HourRange, horizon

DENVER = ZoneInfo("America/Denver")
GRID = HexGrid.from_extent(-104.99, 39.73, -104.97, 39.75, 9)


def tiny_forecast(
    as_of: datetime = datetime(2024, 9, 1, 6, tzinfo=UTC),
    names: tuple[str, ...] = ("all", "violent"),
) -> Forecast:
    """A seeded forecast of a few dozen cells from ``as_of`` to the next local day, same hour."""
    hours = horizon(as_of, DENVER)
    rng = np.random.default_rng(7)
    shape = (len(GRID), len(hours))
    issued = ("xgboost 2024-09-01T06:00Z", "baseline blend")
    targets = tuple(
        counted_target(
            name, rng.gamma(0.5, 0.4, shape), rng.gamma(0.5, 0.4, shape), issued[i % 2], POISSON
        )
        for i, name in enumerate(names)
    )
    return Forecast("20240901T0600Z-abc123", as_of, hours, DENVER, GRID, targets)


@pytest.fixture(scope="module")
def forecast() -> Forecast:
    return tiny_forecast()


@pytest.fixture
def frame(forecast: Forecast) -> geopandas.GeoDataFrame:
    return to_frame(forecast)


def test_a_counted_target_by_hand():
    expected = np.array([[0.0, 0.05, 0.1, 2.0]])
    target = counted_target("all", expected, expected / 2, "xgboost", POISSON)
    by_hand = [0, 0.048770575, 0.095162582, 0.864664717]
    assert target.probability[0].tolist() == pytest.approx(by_hand)
    assert target.low.tolist() == [[0, 0, 0, 0]]
    # P(0) is 0.951, 0.905; P(<= 3) of a mean of 2 is 0.857, P(<= 4) 0.947.
    assert target.high.tolist() == [[0, 0, 0, 3]]
    assert target.baseline.tolist() == (expected / 2).tolist()


def test_probability_and_interval_are_of_one_law():
    one = np.ones((1, 1))
    clumped = counted_target("all", one, one, "xgboost", CountLaw(0.5, 0.0))
    # Size 2, chance 2/3: P(0) is 4/9, P(<= 2) 8/9, P(<= 3) 0.955.
    assert clumped.probability[0, 0] == pytest.approx(5 / 9)
    assert (clumped.low[0, 0], clumped.high[0, 0]) == (0, 2)


def test_a_tiny_rate_keeps_its_probability():
    target = counted_target("all", np.array([[1e-18]]), np.zeros((1, 1)), "xgboost", POISSON)
    assert target.probability[0, 0] == 1e-18


@pytest.mark.parametrize("rate", [-0.1, np.nan, np.inf])
def test_an_impossible_rate_is_refused(rate):
    with pytest.raises(ValueError, match=r"all: 1 expected counts are negative or not finite"):
        counted_target("all", np.array([[rate, 1.0]]), np.ones((1, 2)), "xgboost", POISSON)


def test_columns_are_the_designs():
    per_target = ("probability", "expected", "low", "high", "baseline", "rank", "hotspot")
    assert list(columns(["all", "violent"])) == [
        *("hex_id", "valid_start", "valid_end", "valid_local", "lead_hours"),
        *(f"all_{part}" for part in per_target),
        *(f"violent_{part}" for part in per_target),
        *("run_id", "as_of", "model", "geometry"),
    ]


def test_no_other_time_column_is_taken_for_the_temporal_controllers():
    # QGIS guesses the fields by these parts of their names.
    parts = ("start", "begin", "from", "since", "end", "last", "to", "stop")
    times = [name for name, dtype in columns(["all"]).items() if dtype.startswith("datetime")]
    guessed = [name for name in times if any(part in name for part in parts)]
    assert guessed == ["valid_start", "valid_end"]


def test_frame_has_the_schemas_dtypes(forecast, frame):
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == columns(["all", "violent"])
    assert len(frame) == len(GRID) * 24
    assert frame.crs.to_epsg() == 4326
    validate(frame, forecast.target_names)


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
    assert frame["run_id"].unique().tolist() == ["20240901T0600Z-abc123"]
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
    even = replace(forecast, targets=(counted_target("all", flat, flat, "uniform", POISSON),))
    frame = to_frame(even)
    first = frame[frame["lead_hours"] == 0]
    assert first["all_rank"].is_monotonic_decreasing
    hotspots = int(np.ceil(0.05 * len(GRID)))
    assert first["all_hotspot"].tolist() == [True] * hotspots + [False] * (len(GRID) - hotspots)


def test_one_cell_is_the_hottest():
    one = HexGrid(9, GRID.cells[:1])
    target = counted_target("all", np.ones((1, 1)), np.ones((1, 1)), "uniform", POISSON)
    as_of = datetime(2024, 9, 1, 6, tzinfo=UTC)
    frame = to_frame(Forecast("r", as_of, HourRange(479214, 479215), DENVER, one, (target,)))
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
    first = to_frame(tiny_forecast(as_of))[:hours]
    assert first["lead_hours"].iloc[-1] == hours - 1
    assert {lead: first["valid_local"].iloc[lead] for lead in local} == local


def spoil(frame, column, value):
    frame.loc[frame.index[30], column] = value
    return frame


def swapped(frame, one, other):
    order = np.arange(len(frame))
    order[[one, other]] = order[[other, one]]
    return frame.iloc[order]


FAULTS = {
    r"missing \['all_rank'\], unknown \[\]": lambda f: f.drop(columns="all_rank"),
    r"unknown \['extra'\]": lambda f: f.assign(extra=1)[["extra", *f.columns]],
    r"missing \[\], unknown \[\].*in their order": lambda f: f[f.columns[::-1]],
    "column all_expected is float64: make it float32": lambda f: f.astype(
        {"all_expected": "float64"}
    ),
    "column valid_start is datetime64": lambda f: f.assign(
        valid_start=f["valid_start"].dt.tz_localize(None)
    ),
    "column all_expected lacks 1 values": lambda f: spoil(f, "all_expected", np.nan),
    "column geometry lacks 1 values": lambda f: spoil(f, "geometry", None),
    "geometry is in EPSG:3857": lambda f: f.to_crs(3857),
    "all_probability is above 1: 1 rows, the first is 30": lambda f: spoil(
        f, "all_probability", np.float32(1.5)
    ),
    "all_probability is negative": lambda f: spoil(f, "all_probability", np.float32(-0.5)),
    "all_expected is infinite": lambda f: spoil(f, "all_expected", np.float32(np.inf)),
    "all_low is above all_high": lambda f: spoil(f, "all_low", 999),
    "valid_end is not an hour after": lambda f: f.assign(valid_end=f["valid_start"]),
    "valid_start is out of order": lambda f: swapped(f, 3, 4),
    "hex_id is out of order": lambda f: swapped(f, 3, 27),
    "lead_hours does not count": lambda f: spoil(f, "lead_hours", 9),
    "do not give every cell the same 24 hours": lambda f: f[:-1],
    "0 rows do not": lambda f: f[:0],
}


@pytest.mark.parametrize("message", FAULTS)
def test_validate_names_the_fault(frame, message):
    with pytest.raises(ValueError, match=message):
        validate(FAULTS[message](frame), ["all", "violent"])


def test_validate_wants_every_target(frame):
    with pytest.raises(ValueError, match=r"missing \['property_baseline'"):
        validate(frame, ["all", "violent", "property"])


def test_a_target_name_must_suit_a_column():
    ones = np.ones((1, 1))
    with pytest.raises(ValueError, match="target 'All crimes' cannot name columns"):
        TargetForecast("All crimes", ones, ones, ones, ones, ones, "x")


def test_a_targets_arrays_have_one_shape():
    ones = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"all: high is \(3, 2\), expected is \(2, 3\)"):
        TargetForecast("all", ones, ones, ones, ones.T, ones, "x")


def test_an_interval_holds_counts(forecast):
    target = forecast.target("all")
    for bad in (0.5, -1.0, 40_000.0, np.nan):
        wrong = replace(target, high=np.full_like(target.high, bad))
        with pytest.raises(ValueError, match="is no count from 0 to 32,767"):
            to_frame(replace(forecast, targets=(wrong,)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"as_of": datetime(2024, 9, 1, 6)}, "has no timezone"),
        ({"as_of": datetime(2024, 9, 1, 6, 1, tzinfo=UTC)}, "before as_of"),
        ({"targets": ()}, "give at least one"),
        ({"hotspot_share": 5}, "share of the area 5"),
        ({"hours": HourRange(479214, 479215)}, r"all: arrays are \(\d+, 24\), the run has \d+"),
    ],
)
def test_a_forecast_that_does_not_hold_together_is_refused(forecast, change, message):
    with pytest.raises(ValueError, match=message):
        replace(forecast, **change)


def test_a_target_stands_in_a_forecast_once(forecast):
    with pytest.raises(ValueError, match="every name once"):
        replace(forecast, targets=forecast.targets[:1] * 2)


def test_an_unknown_target_is_named_with_the_known(forecast):
    with pytest.raises(KeyError, match=r"no target 'theft'.*\['all', 'violent'\]"):
        forecast.target("theft")


def test_the_span_of_a_forecast(forecast):
    assert forecast.reference_time == datetime(2024, 9, 1, 6, tzinfo=UTC)
    assert forecast.span == (forecast.reference_time, datetime(2024, 9, 2, 6, tzinfo=UTC))
