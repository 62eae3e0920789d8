"""Delivered text to canonical incidents, partition by partition; what cannot be used says why.

Nothing is dropped here: every delivered row comes out once, with an empty ``reason`` or with the
reason for its quarantine and its text.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyproj import Transformer

from grids.hexgrid import OUTSIDE, HexGrid, locate_cells
from grids.hours import localize
from pipeline.config import Config
from pipeline.sources import DELIVERY, MALFORMED

NEAR_ZERO_DEGREES = 0.5
AN_INSTANT = pd.Timedelta("1us")
UTC_TIME = "datetime64[us, UTC]"
# Times beyond are unreadable: nanoseconds, in which some texts are read, reach little further.
READABLE = pd.Timestamp("1700-01-01"), pd.Timestamp("2200-01-01")
_OFFSET = r"\d[T ].*(?:[Zz]|[+-]\d\d(?::?\d\d)?)$"

CLEAN = {
    "id": "str",
    "content": "int64",
    "occurred_at": UTC_TIME,
    "occurred_until": UTC_TIME,
    "known_at": UTC_TIME,
    "revised": "bool",
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
    ``now`` is the instant of the ingestion; ``floor`` is the earliest instant at which anything
    from this delivery can have been known (None for a first, historical delivery).
    """

    config: Config
    grid: HexGrid | None
    now: datetime
    floor: datetime | None = None

    @cached_property
    def _transformer(self) -> Transformer:
        return Transformer.from_crs(self.config.source.crs, "EPSG:4326", always_xy=True)

    def __call__(self, raw: pd.DataFrame) -> pd.DataFrame:
        """Canonical incidents of one partition, in the order delivered; columns as in CLEAN."""
        raw = raw.astype("str")  # Dask may make it the other text type, which knows no empty cells
        text = raw.apply(lambda column: column.str.strip())
        out = pd.DataFrame({"content": _content(text)}, index=text.index)
        reasons = _Reasons(text.index)
        reasons.add("malformed row", raw[MALFORMED] != "")
        self._keys(text, out)
        self._times(text, out, reasons)
        self._places(text, out, reasons)
        self._offence(text, out, reasons)
        out["delivery"] = raw[DELIVERY]
        out["reason"] = reasons.text
        out["row"] = _raw_rows(raw, reasons.text != "")
        return out[list(CLEAN)].astype(CLEAN)

    def _keys(self, text: pd.DataFrame, out: pd.DataFrame) -> None:
        """The first alternative of the key without a blank; else the content itself."""
        parts = self.config.source.columns.key_parts
        ids = pd.Series("", index=text.index, dtype="str")
        for columns in parts:
            filled = (text[list(columns)] != "").all(axis=1) & (ids == "")
            value = text[columns[0]].str.cat([text[name] for name in columns[1:]], sep="|")
            named = value if len(parts) == 1 else "+".join(columns) + ":" + value
            ids = ids.mask(filled, named)
        blank = ids == ""
        unsigned = out["content"].to_numpy().astype(np.uint64)[blank]
        ids[blank] = [f"row:{content:016x}" for content in unsigned]
        out["id"] = ids

    def _times(self, text: pd.DataFrame, out: pd.DataFrame, reasons: _Reasons) -> None:
        columns = self.config.source.columns
        occurred, out["ambiguous"], out["nonexistent"] = self._instants(text[columns.occurred_at])
        reasons.add("no time", text[columns.occurred_at] == "")
        reasons.add("unreadable time", occurred.isna())
        reasons.add("before the start", occurred < self.config.start)
        reasons.add("in the future", occurred > self.now)
        known = occurred
        if columns.reported_at:
            reported, _, _ = self._instants(text[columns.reported_at])
            reasons.add("no report time", text[columns.reported_at] == "")
            reasons.add("unreadable report time", reported.isna())
            reasons.add("reported in the future", reported > self.now)
            known = known.where(~(reported > known), reported)
        known = known + pd.Timedelta(self.config.source.delivery_lag)
        out["revised"] = False
        if columns.revised_at:
            revised, _, _ = self._instants(text[columns.revised_at])
            reasons.add(
                "unreadable revision time", revised.isna() & (text[columns.revised_at] != "")
            )
            reasons.add("revised in the future", revised > self.now)
            out["revised"] = revised.notna()
            known = known.where(~(revised > known), revised)
        if self.floor is not None:
            known = known.clip(lower=pd.Timestamp(self.floor))
        until = self._until(text, occurred)
        # Nothing is known at the very instant it happens, so that what is known at a cutoff lies
        # in the hours before it, and never in those to be forecast.
        known = known.where(known > occurred, occurred + AN_INSTANT)
        out["occurred_at"], out["occurred_until"], out["known_at"] = occurred, until, known

    def _until(self, text: pd.DataFrame, occurred: pd.Series) -> pd.Series:
        """The last possible time; missing where it is blank, unreadable or before the first."""
        column = self.config.source.columns.occurred_until
        if column is None:
            return pd.Series(pd.NaT, index=text.index, dtype=UTC_TIME)
        until, _, _ = self._instants(text[column])
        return until.where(until >= occurred)

    def _instants(self, column: pd.Series) -> tuple[pd.Series, pd.Series, pd.Series]:
        """Text to UTC, and which of the local clock times were ambiguous or did not exist."""
        return parse_times(column, self.config.source.date_formats, self.config.zone)

    def _places(self, text: pd.DataFrame, out: pd.DataFrame, reasons: _Reasons) -> None:
        columns = self.config.source.columns
        first, second = columns.longitude or columns.x, columns.latitude or columns.y
        blank = (text[first] == "") | (text[second] == "")
        x = pd.to_numeric(text[first], errors="coerce").to_numpy(np.float64)
        y = pd.to_numeric(text[second], errors="coerce").to_numpy(np.float64)
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
        gone = {status.casefold() for status in source.retracted}
        status = text[columns.status].str.casefold() if columns.status else None
        out["retracted"] = status.isin(gone) if status is not None else False


class _Reasons:
    """The first reason found against every row."""

    def __init__(self, index: pd.Index) -> None:
        self.text = pd.Series("", index=index, dtype="str")

    def add(self, reason: str, found: pd.Series | NDArray[np.bool_]) -> None:
        self.text = self.text.mask(np.asarray(found, bool) & (self.text == ""), reason)


def parse_times(
    column: pd.Series, formats: tuple[str, ...], zone: ZoneInfo
) -> tuple[pd.Series, pd.Series, pd.Series]:
    """UTC in microseconds, with masks of the ambiguous and of the nonexistent local times.

    Each text is read by the first format that can, else it is NaT. One with an offset from UTC is
    an instant; any other is what the local clock showed.
    """
    clock = pd.Series(pd.NaT, index=column.index, dtype="datetime64[us]")
    has_offset = pd.Series(False, index=column.index)
    rest = column.str.contains(r"\d")  # pandas would take "now" and "today" for the present time
    for form in formats:
        if not rest.any():
            break
        parsed = pd.to_datetime(column[rest], format=form, errors="coerce", utc=True)
        clock[rest] = parsed.dt.tz_localize(None).dt.as_unit("us")
        is_iso = form == "ISO8601"
        has_offset[rest] = column[rest].str.contains(_OFFSET) if is_iso else "%z" in form.lower()
        rest &= clock.isna()
    clock = clock.where(clock.between(*READABLE))
    local, ambiguous, nonexistent = localize(clock.where(~has_offset), zone)
    return local.where(~has_offset, clock.dt.tz_localize("UTC")), ambiguous, nonexistent


def _content(text: pd.DataFrame) -> NDArray[np.int64]:
    """A hash of everything mapped that was delivered, the same in every run."""
    mapped = text.drop(columns=DELIVERY)
    hashed: NDArray[np.uint64] = pd.util.hash_pandas_object(mapped, index=False).to_numpy()
    return hashed.view(np.int64)


def _raw_rows(raw: pd.DataFrame, wanted: pd.Series) -> pd.Series:
    """The delivered text of the rows wanted, as JSON, so that none is lost."""
    rows = pd.Series("", index=raw.index, dtype="str")
    bad = raw[wanted].drop(columns=DELIVERY)
    lines = bad.to_json(orient="records", lines=True).splitlines() if len(bad) else []
    rows[wanted] = lines
    return rows
