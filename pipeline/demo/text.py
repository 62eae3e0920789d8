"""The demo city's reports as text: local clock times in two formats, untidy here and there."""

from __future__ import annotations

import numpy as np
import pandas as pd

from grids.hours import localize
from pipeline.demo.city import DemoCity
from pipeline.demo.reports import local_clock

TIME_FORMATS = ("%Y-%m-%d %H:%M", "%m/%d/%Y %I:%M %p")
_TIMES = {
    "occurred_from": "occurred_at",
    "occurred_to": "occurred_until",
    "reported": "reported_at",
    "updated": "updated_at",
}
_UNTIDY = 0.005


def as_text(
    city: DemoCity, versions: pd.DataFrame, rng: np.random.Generator
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The good rows as text, with helpers ``month``, ``format``, ``reported_at``, ``plain``."""
    local = {name: local_clock(city, versions[column]) for name, column in _TIMES.items()}
    local["occurred_from"] = _put_forward_late(city, local["occurred_from"])
    _, ambiguous, nonexistent = localize(local["occurred_from"], city.timezone)
    month = local_clock(city, versions["known_at"]).dt.strftime("%Y-%m")
    rows = versions[["report_no", "status", "district", "reported_at"]].assign(
        version=versions["version"].astype(str),
        offense=np.array(city.categories, dtype=object)[versions["category"]],
        latitude=versions["latitude"].map("{:.6f}".format),
        longitude=versions["longitude"].map("{:.6f}".format),
        arrest=np.where(versions["arrest"], "Y", "N"),
        month=month,
        format=_time_formats(month),
        plain=~(versions["report_no"].duplicated(keep=False) | ambiguous | nonexistent),
    )
    for name, times in local.items():
        rows[name] = clock_text(times, rows["format"])
    odd = {"ambiguous_time": int(ambiguous.sum()), "nonexistent_time": int(nonexistent.sum())}
    return rows, _make_untidy(rows, rng) | odd


def _time_formats(month: pd.Series) -> pd.Series:
    """The time format of every row: the second one for a stretch of a ninth of the months."""
    months = sorted(month.unique())
    begin = len(months) // 3
    stretch = months[begin : begin + max(1, len(months) // 9)]
    return month.isin(stretch).map({False: TIME_FORMATS[0], True: TIME_FORMATS[1]})


def clock_text(times: pd.Series, formats: pd.Series) -> pd.Series:
    """Naive times in each row's format; blank where there is none."""
    parts = [times[formats == form].dt.strftime(form) for form in TIME_FORMATS]
    return pd.concat(parts).reindex(times.index).fillna("")


def _put_forward_late(city: DemoCity, local: pd.Series) -> pd.Series:
    """In spring the city puts its clocks forward an hour late, and writes times that never were.

    The reader moves such a time forward an hour, which is just what happened.
    """
    unmoved = local - pd.Timedelta("1h")
    return local.mask(localize(unmoved, city.timezone)[2], unmoved)


def _make_untidy(rows: pd.DataFrame, rng: np.random.Generator) -> dict[str, int]:
    """Pad some good rows and change the case of others, in place; how many of each."""
    size = max(2, round(_UNTIDY * len(rows)))
    padded, mixed = rng.choice(rows.index, (2, size), replace=False)
    for name in ("report_no", "offense", "occurred_from", "latitude"):
        rows.loc[padded, name] = "  " + rows.loc[padded, name] + " "
    rows.loc[mixed, "offense"] = rows.loc[mixed, "offense"].str.capitalize()
    return {"padded": size, "mixed_case": size}
