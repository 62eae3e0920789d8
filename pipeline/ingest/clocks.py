"""Text to instants: clocks in any of several formats, local or with an offset from UTC."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pandas as pd

from grids.hours import localize
from pipeline.ingest.points import to_numbers
from pipeline.sources.config import EPOCHS, Clock, clock_columns

# Times beyond are unreadable: nanoseconds, in which some texts are read, reach little further.
READABLE = pd.Timestamp("1700-01-01"), pd.Timestamp("2200-01-01")
_OFFSET = r"\d[T ].*(?:[Zz]|[+-]\d\d(?::?\d\d)?)$"


def joined(text: pd.DataFrame, clock: Clock) -> pd.Series:
    """The text of a time that may stand in several columns: their texts, parted by one blank."""
    first, *rest = clock_columns(clock)
    parts = [text[name] for name in rest]
    return text[first].str.cat(parts, sep=" ").str.strip() if parts else text[first]


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
        if form in EPOCHS:
            numbers = to_numbers(column[rest])
            parsed = pd.to_datetime(numbers, unit=EPOCHS[form], errors="coerce", utc=True)
        else:
            text = _padded(column[rest], form)
            parsed = pd.to_datetime(text, format=form, errors="coerce", utc=True)
        clock[rest] = parsed.dt.tz_localize(None).dt.as_unit("us")
        is_iso = form == "ISO8601"
        is_instant = "%z" in form.lower() or form in EPOCHS
        has_offset[rest] = column[rest].str.contains(_OFFSET) if is_iso else is_instant
        rest &= clock.isna()
    clock = clock.where(clock.between(*READABLE))
    local, ambiguous, nonexistent = localize(clock.where(~has_offset), zone)
    return local.where(~has_offset, clock.dt.tz_localize("UTC")), ambiguous, nonexistent


def _padded(column: pd.Series, form: str) -> pd.Series:
    """Clocks like 130, for 01:30, in four digits, where the format ends in such a clock."""
    if not form.endswith("%H%M"):
        return column
    clock = r"(?<!\d)(\d{1,4})(?:\.0+)?$"
    return column.str.replace(clock, lambda found: found[1].zfill(4), regex=True)
