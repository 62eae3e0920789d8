"""The faults of the demo city's feed: extra rows that a reader must reject or merge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from grids.hexgrid import OUTSIDE
from pipeline.demo.city import DemoCity
from pipeline.demo.reports import local_clock
from pipeline.demo.text import clock_text

DIRTY_KINDS = (
    "unparseable_time",
    "blank_time",
    "year_1900",
    "year_2099",
    "blank_coordinates",
    "near_zero_coordinates",
    "bogus_point",
    "outside_boundary",
    "exact_duplicate",
    "conflicting_key",
    "blank_report_no",
)
_DIRTY = 0.0004
_UNPARSEABLE = ("unknown", "2023-02-30 12:00", "13/32/2024 10:15 PM", "23h30", "2024-05-17 25:10")
_BOGUS_POINT = ("36.619446", "-91.686566")
_LATER = pd.Timedelta("6h")  # a conflicting row is reported, and so known, after the real one


def dirty_rows(
    city: DemoCity, rows: pd.DataFrame, rng: np.random.Generator
) -> dict[str, pd.DataFrame]:
    """Extra rows of every kind, copied from good ones; each has a single fault."""
    size = max(2, round(_DIRTY * len(rows)))
    # A conflicting row belongs into its original's file, the month of its own report.
    later = local_clock(city, rows["reported_at"] + _LATER).dt.strftime("%Y-%m")
    donors = rows.index[rows["plain"] & (later == rows["month"])]
    chosen = rng.choice(donors, (len(DIRTY_KINDS), size), replace=False)
    dirt = {kind: rows.loc[own] for kind, own in zip(DIRTY_KINDS, chosen, strict=True)}
    for n, (kind, fault) in enumerate(_faults(city, dirt, rng).items()):
        numbers = [f"99-{n:02d}{i:05d}" for i in range(size)]
        dirt[kind] = dirt[kind].assign(**{"report_no": numbers} | fault)
    return dirt


def _faults(
    city: DemoCity, dirt: Mapping[str, pd.DataFrame], rng: np.random.Generator
) -> dict[str, dict[str, Any]]:
    """The columns that each kind changes; a new report number is given where none is named."""
    size = len(dirt["blank_time"])
    conflicting = dirt["conflicting_key"]
    reported = local_clock(city, conflicting["reported_at"] + _LATER)
    return {
        "unparseable_time": {"occurred_from": rng.choice(_UNPARSEABLE, size), "occurred_to": ""},
        "blank_time": {"occurred_from": "", "occurred_to": ""},
        "year_1900": _moved_to("1900-01-01 00:00", dirt["year_1900"]),
        "year_2099": _moved_to("2099-12-31 23:59", dirt["year_2099"]),
        "blank_coordinates": {"latitude": "", "longitude": ""},
        "near_zero_coordinates": _place(*np.char.mod("%.1E", rng.uniform(1e-7, 9e-7, (2, size)))),
        "bogus_point": _place(*_BOGUS_POINT),
        "outside_boundary": _place(*np.char.mod("%.6f", _outside_points(city, size, rng))),
        "exact_duplicate": {"report_no": dirt["exact_duplicate"]["report_no"]},
        "conflicting_key": {
            "report_no": conflicting["report_no"],
            "offense": _another_offense(city, conflicting["offense"]),
            "reported": clock_text(reported, conflicting["format"]),
        },
        "blank_report_no": {"report_no": ""},
    }


def _place(latitude: Any, longitude: Any) -> dict[str, Any]:
    return {"latitude": latitude, "longitude": longitude}


def _moved_to(time: str, rows: pd.DataFrame) -> dict[str, Any]:
    stamps = pd.Series(pd.Timestamp(time), rows.index)
    return {"occurred_from": clock_text(stamps, rows["format"]), "occurred_to": ""}


def _another_offense(city: DemoCity, offense: pd.Series) -> pd.Series:
    tidy = offense.str.strip().str.upper()
    return tidy.map(dict(zip(city.categories, np.roll(city.categories, 1), strict=True)))


def _outside_points(city: DemoCity, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(2, n) latitude, longitude in the boundary's box and outside every cell, close to it."""
    west, south, east, north = city.boundary.bounds
    many = 200 * size
    lat, lon = rng.uniform(south, north, many).round(6), rng.uniform(west, east, many).round(6)
    outside = city.grid.locate(lat, lon) == OUTSIDE
    apart = shapely.distance(shapely.points(lon, lat), city.boundary)
    near = np.argsort(np.where(outside, apart, np.inf), kind="stable")[:size]
    return np.stack([lat[near], lon[near]])
