from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from forecast_cases import GRID, tiny_forecast

from forecasts.layers import Layers
from forecasts.validation import validate
from forecasts.writing import make_layers


@pytest.fixture(scope="module")
def layers() -> Layers:
    return make_layers(tiny_forecast())


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
    "valid_end is not after valid_start": lambda f: f.assign(valid_end=f["valid_start"]),
    "valid_start differs from the first cell's": lambda f: swapped(f, 27, 28),
    "hex_id is out of order": lambda f: swapped(f, 3, 27),
    "lead_hours differs from the first cell's: 1 rows": lambda f: spoil(f, "lead_hours", 9),
    "do not give every cell the same 24 times": lambda f: f[:-1],
    "0 rows do not": lambda f: f[:0],
}


@pytest.mark.parametrize("message", FAULTS)
def test_validate_names_the_fault(layers, message):
    with pytest.raises(ValueError, match=message):
        validate(replace(layers, hours=FAULTS[message](layers.hours.copy())))


def in_every_cell(frame, column, row, value):
    """The same fault at the same time of every cell, which no comparison of cells shows."""
    frame.loc[frame.index[row :: int(frame["lead_hours"].nunique())], column] = value
    return frame


EVERYWHERE = {
    "lead_hours does not count the hours": ("lead_hours", 9),
    "valid_end is not after valid_start": ("valid_end", pd.Timestamp("2024-09-01T06:00Z")),
    "valid_end is not an hour after": ("valid_end", pd.Timestamp("2024-09-01T15:00Z")),
}


@pytest.mark.parametrize("message", EVERYWHERE)
def test_a_fault_of_every_cell_is_seen(layers, message):
    column, value = EVERYWHERE[message]
    with pytest.raises(ValueError, match=message):
        validate(replace(layers, hours=in_every_cell(layers.hours.copy(), column, 5, value)))


def test_an_hour_may_not_be_left_out(layers):
    hours = layers.hours[layers.hours["lead_hours"] != 7].reset_index(drop=True)
    with pytest.raises(ValueError, match="an hour is missing"):
        validate(replace(layers, hours=hours))


def test_validate_wants_every_target(layers):
    with pytest.raises(ValueError, match=r"missing \['property_baseline'"):
        validate(replace(layers, targets=("all", "violent", "property")))


@pytest.mark.parametrize(
    ("layer", "column", "value", "message"),
    [
        ("shifts", "all_low", 999, "all_low is above all_high"),
        ("hotspots", "rank", 7, "rank does not count the areas: 1 rows"),
        ("hotspots", "share", 1.5, "share is not from 0 to 1"),
        ("hotspots", "low", 999, "low is above high"),
        ("hotspots", "expected", 0.0, "expects more than a better"),
        ("hotspots", "area_km2", -1.0, "area_km2 is negative"),
        ("hotspots", "baseline", np.inf, "baseline is infinite"),
        ("cells", "all_yearly", np.nan, "column all_yearly lacks 1 values"),
        ("cells", "all_yearly", -1.0, "all_yearly is negative"),
        ("cells", "hex_id", GRID.hex_ids[1], "hex_id repeats"),
    ],
)
def test_every_layer_is_looked_at(layers, layer, column, value, message):
    frame = getattr(layers, layer).copy()
    frame.loc[frame.index[0], column] = value
    with pytest.raises(ValueError, match=message):
        validate(replace(layers, **{layer: frame}))
