"""Delivered text to canonical incidents, partition by partition; what cannot be used says why.

Nothing is dropped here: every delivered row comes out once, with an empty ``reason`` or with the
reason for its quarantine and its text.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyproj import Transformer

from grids.hexgrid import OUTSIDE, HexGrid, locate_cells
from pipeline.config import Config
from pipeline.ingest.bronze import CONTENT, KEY, KNOWN_FROM, ROW, SAID
from pipeline.ingest.clocks import joined, parse_times
from pipeline.ingest.points import split_points, to_numbers
from pipeline.sources.config import Source
from pipeline.sources.source import DELIVERY, MALFORMED

NEAR_ZERO_DEGREES = 1.5  # withheld places are written as 0, and as -1
AN_INSTANT, A_DAY = pd.Timedelta("1us"), timedelta(days=1)
UTC_TIME = "datetime64[us, UTC]"
# A number as spreadsheets and floats write it: 2.024E+11 stands for a hundred million keys.
_ROUNDED = r"(?:^|[:|])\d(?:\.\d+)?[eE]\+\d{2,}(?:$|\|)"

CLEAN = {
    "id": "str",
    "content": "int64",
    "said": "str",
    "occurred_at": UTC_TIME,
    "occurred_from": UTC_TIME,
    "occurred_until": UTC_TIME,
    "known_at": UTC_TIME,
    "revised_at": UTC_TIME,
    "retracted": "bool",
    "category": "str",
    "group": "str",
    "lat": "float64",
    "lon": "float64",
    "cell": "int64",
    "district": "str",
    "arrest": "str",
    "delivery": "str",
    "ambiguous": "bool",
    "nonexistent": "bool",
    "reason": "str",
    "row": "str",
}


@dataclass(frozen=True)
class Cleaner:
    """What turning text into incidents needs, frozen at the start of an ingestion.

    ``grid`` is None on the first look at a city without boundary: then no place is outside.
    ``now`` is the instant of the ingestion.
    """

    config: Config
    grid: HexGrid | None
    now: datetime

    @cached_property
    def _transformer(self) -> Transformer:
        return Transformer.from_crs(self.config.source.crs, "EPSG:4326", always_xy=True)

    @property
    def _soon(self) -> datetime:
        """Clocks up to here are believed, and known when they have come: 23:59 may mean the day."""
        return self.now + A_DAY

    def __call__(self, delivered: pd.DataFrame) -> pd.DataFrame:
        """Canonical incidents of bronze rows, in their order; columns as in CLEAN."""
        names = list(self.config.source.columns.names)
        # Dask may make it the other text type, which knows no empty cells.
        raw = delivered[[*names, MALFORMED]].astype("str")
        text = raw.apply(lambda column: column.str.strip())
        out = pd.DataFrame(
            {"id": delivered[KEY], "content": delivered[CONTENT], "said": delivered[SAID]}
        )
        out["delivery"] = delivered[DELIVERY]
        reasons = _Reasons(text.index)
        reasons.add("malformed row", raw[MALFORMED] != "")
        reasons.add("key without its last digits", out["id"].str.contains(_ROUNDED))
        self._times(text, out, reasons, delivered[KNOWN_FROM])
        self._places(text, out, reasons)
        self._offence(text, out, reasons)
        is_row = out["said"] == ROW
        out["reason"] = reasons.text.where(is_row, "")
        out["row"] = _raw_rows(raw, out["reason"] != "")
        out["known_at"] = out["known_at"].where(is_row, delivered[KNOWN_FROM])
        return out[list(CLEAN)].astype(CLEAN)

    def _times(
        self, text: pd.DataFrame, out: pd.DataFrame, reasons: _Reasons, floor: pd.Series
    ) -> None:
        columns = self.config.source.columns
        clock = joined(text, columns.occurred_at)
        first, out["ambiguous"], out["nonexistent"] = self._instants(clock)
        reasons.add("no time", clock == "")
        reasons.add("unreadable time", first.isna())
        reasons.add("before the start", first < self.config.start)
        reasons.add("in the future", first > self._soon)
        out["occurred_from"], out["occurred_until"] = first, self._until(text, first)
        lag = pd.Timedelta(self.config.source.delivery_lag)
        known = reported = self._reported(text, first, reasons) + lag
        out["revised_at"] = self._revised(text, reasons)
        # The time of a revision is when the source showed it: no lag comes on top.
        known = known.where(~(out["revised_at"] > known), out["revised_at"])
        known = known.where(~(floor > known), floor)
        # A report time is the same in every delivery, and so is what is drawn up to it.
        latest = reported if columns.reported_at else known
        occurred = self._drawn(out, latest) if self.config.source.aoristic else first
        # Nothing is known at the very instant it happens, so that what is known at a cutoff lies
        # in the hours before it, and never in those to be forecast.
        known = known.where(known > occurred, occurred + AN_INSTANT)
        out["occurred_at"], out["known_at"] = occurred, known

    def _reported(self, text: pd.DataFrame, first: pd.Series, reasons: _Reasons) -> pd.Series:
        """The report time, not before the occurrence; the occurrence where there is no report."""
        if not self.config.source.columns.reported_at:
            return first
        clock = joined(text, self.config.source.columns.reported_at)
        reported, _, _ = self._instants(clock)
        reasons.add("no report time", clock == "")
        reasons.add("unreadable report time", reported.isna())
        reasons.add("reported in the future", reported > self._soon)
        return first.where(~(reported > first), reported)

    def _revised(self, text: pd.DataFrame, reasons: _Reasons) -> pd.Series:
        if not self.config.source.columns.revised_at:
            return pd.Series(pd.NaT, index=text.index, dtype=UTC_TIME)
        clock = joined(text, self.config.source.columns.revised_at)
        revised, _, _ = self._instants(clock)
        reasons.add("unreadable revision time", revised.isna() & (clock != ""))
        reasons.add("revised in the future", revised > self._soon)
        return revised

    def _drawn(self, out: pd.DataFrame, latest: pd.Series) -> pd.Series:
        """A time drawn evenly from the window, not after ``latest``; the same for a key always.

        In expectation this is aoristic analysis (Ratcliffe 2000, IJGIS 14:669), which spreads an
        incident's weight over the hours of its window; a draw keeps the counts whole.
        """
        end = out["occurred_until"].mask(out["occurred_until"] > latest, latest)
        length = (end - out["occurred_from"]).where(end > out["occurred_from"], pd.Timedelta(0))
        hashed = pd.util.hash_array(out["id"].to_numpy(object), categorize=False)
        return out["occurred_from"] + (length * (hashed / 2.0**64)).dt.floor("us")

    def _until(self, text: pd.DataFrame, occurred: pd.Series) -> pd.Series:
        """The last possible time; missing where it is blank, unreadable or before the first."""
        clock = self.config.source.columns.occurred_until
        if clock is None:
            return pd.Series(pd.NaT, index=text.index, dtype=UTC_TIME)
        until, _, _ = self._instants(joined(text, clock))
        return until.where(until >= occurred)

    def _instants(self, column: pd.Series) -> tuple[pd.Series, pd.Series, pd.Series]:
        """Text to UTC, and which of the local clock times were ambiguous or did not exist."""
        return parse_times(column, self.config.source.date_formats, self.config.zone)

    def _places(self, text: pd.DataFrame, out: pd.DataFrame, reasons: _Reasons) -> None:
        columns = self.config.source.columns
        first, second = columns.longitude or columns.x, columns.latitude or columns.y
        east, north = text[first], text[second]
        if first == second:  # one text holds both
            north, east = split_points(text[first])
        blank = (east == "") | (north == "")
        x, y = to_numbers(east).to_numpy(), to_numbers(north).to_numpy()
        reasons.add("no coordinates", blank)
        reasons.add("unreadable coordinates", ~np.isfinite(x) | ~np.isfinite(y))
        reasons.add(
            "coordinates near 0", (np.abs(x) < NEAR_ZERO_DEGREES) & (np.abs(y) < NEAR_ZERO_DEGREES)
        )
        if columns.x:
            x, y = self._transformer.transform(x, y)
        out["lon"], out["lat"] = x, y
        bounds = self.config.grid.bounds
        if bounds:
            west, south, east, north = bounds
            inside = (x >= west) & (x <= east) & (y >= south) & (y <= north)
            reasons.add("outside the bounds", ~inside)
        cells = locate_cells(y, x, self.config.grid.resolution)
        reasons.add("unreadable coordinates", cells == 0)
        if self.grid is not None:
            reasons.add("outside the boundary", self.grid.index_of(cells) == OUTSIDE)
        out["cell"] = cells.astype(np.int64)

    def _offence(self, text: pd.DataFrame, out: pd.DataFrame, reasons: _Reasons) -> None:
        columns, source = self.config.source.columns, self.config.source
        out["category"] = text[columns.category]
        reasons.add("no category", out["category"] == "")
        out["group"] = self.config.grouping.classify(out["category"])
        out["district"] = text[columns.district] if columns.district else ""
        out["arrest"] = text[columns.arrest].str.lower() if columns.arrest else ""
        out["retracted"] = takes_back(text, source)


def takes_back(text: pd.DataFrame, source: Source) -> pd.Series:
    """Which rows take the incident of their key back, by their status."""
    if not source.columns.status:
        return pd.Series(False, index=text.index)
    gone = {status.casefold() for status in source.retracted}
    return text[source.columns.status].str.strip().str.casefold().isin(gone)


class _Reasons:
    """The first reason found against every row."""

    def __init__(self, index: pd.Index) -> None:
        self.text = pd.Series("", index=index, dtype="str")

    def add(self, reason: str, found: pd.Series | NDArray[np.bool_]) -> None:
        self.text = self.text.mask(np.asarray(found, bool) & (self.text == ""), reason)


def _raw_rows(raw: pd.DataFrame, wanted: pd.Series) -> pd.Series:
    """The delivered text of the rows wanted, as JSON, so that none is lost."""
    rows = pd.Series("", index=raw.index, dtype="str")
    bad = raw[wanted]
    lines = bad.to_json(orient="records", lines=True).splitlines() if len(bad) else []
    rows[wanted] = lines
    return rows
