"""Which of a table's times is which: occurrence, end of the window, report, revision, or neither.

Names speak first; the times themselves decide whether that can be true. A report that comes before
its incident, or all on one day, is no report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

import pandas as pd

from pipeline.errors import DataError
from pipeline.init.clocks import ALMOST, Clock, find_clocks, make_clock
from pipeline.init.roles import STRENGTH, Role, role_of

WINDOW_SHARE, REPORT_SHARE = 0.9, 0.9
MOST_WITHOUT_REPORT = 0.03  # rows without report time are quarantined
ONE_DAY = pd.Timedelta("1D")


@dataclass(frozen=True)
class Times:
    """The times found. ``formats``: as they have to be tried. ``doubts``: in words, by role."""

    occurred: Clock
    until: Clock | None = None
    reported: Clock | None = None
    revised: tuple[Clock, ...] = ()
    unused: Mapping[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()

    @property
    def chosen(self) -> list[Clock]:
        """Occurrence, end of the window and report, as far as there are any."""
        return [clock for clock in (self.occurred, self.until, self.reported) if clock]

    @property
    def formats(self) -> tuple[str, ...]:
        """Every format of the times chosen, those of the occurrence first."""
        return tuple(dict.fromkeys(form for clock in self.chosen for form in clock.reading.formats))


def find_times(
    rows: pd.DataFrame,
    counts: Mapping[str, pd.Series],
    day_first: bool | None,
    now: datetime | None = None,
) -> Times:
    """The times of a table of stripped text. Raises DataError where no occurrence can be read.

    ``counts``: how often each column has each text, without columns that hold anything else for
    certain. ``day_first``: the custom of the country, None where it has none. ``now``: after which
    nothing has happened yet.
    """
    clocks = find_clocks(rows, counts, now)
    clocks, why = _in_one_order(rows, clocks, day_first)
    roles = {clock.columns: role_of(clock.columns) for clock in clocks}
    occurred = _occurrence(clocks, roles)
    if occurred is None:
        raise DataError(_no_time(counts))
    others = [c for c in clocks if not set(c.columns) & set(occurred.columns)]
    until = _first(_windows(others, occurred, roles))
    others = [c for c in others if until is None or not set(c.columns) & set(until.columns)]
    reported, unused = _report(others, occurred, roles)
    revised = tuple(c for c in others if roles[c.columns][0] in ("revised", "loaded"))
    times = Times(occurred, until, reported, revised, unused)
    return replace(times, doubts=(*_of_order(times, why), *_doubts(times, roles)))


def _in_one_order(
    rows: pd.DataFrame, clocks: list[Clock], day_first: bool | None
) -> tuple[list[Clock], str]:
    """Where texts leave open whether day or month comes first: as others say, else as is usual.

    Also returns what was decided, and why.
    """
    known = {c.reading.order for c in clocks} & {"month", "day"}
    open_ = [c for c in clocks if c.reading.order == "unknown"]
    if not open_:
        return clocks, ""
    if len(known) == 1:
        first: Literal["month", "day"] = "day" if "day" in known else "month"
        why = "as in the other columns"
    elif (spans := _spans(rows, open_[0])) and max(spans.values()) > 3 * min(spans.values()):
        first = "day" if spans["day"] < spans["month"] else "month"
        why = f"so read, the days follow each other; the other way they span {max(spans.values())}"
    else:
        first = "day" if day_first else "month"
        why = "as is usual there" if day_first is not None else "as in the United States"
    settled = [
        make_clock(rows, c.columns, c.reading.in_order(first)) if c in open_ else c for c in clocks
    ]
    return settled, f"{first} first, {why}"


def _of_order(times: Times, why: str) -> list[str]:
    """Doubts about days and months in the times that are used."""
    open_ = [clock.name for clock in times.chosen if clock.reading.order == "unknown"]
    doubts = [_mixed(clock) for clock in times.chosen if clock.reading.order == "mixed"]
    doubts += [_rivalled(clock) for clock in times.chosen if clock.reading.rival]
    if open_:
        named = ", ".join(open_)
        doubts.append(f"no day above 12 tells {named} month-first from day-first; {why}")
    return doubts


def _mixed(clock: Clock) -> str:
    return (
        f"{clock.name} holds month-first and day-first dates; {clock.reading.doubtful:.0%} could "
        f"be either and are read as {clock.reading.formats[0]}: deliver them in one format"
    )


def _rivalled(clock: Clock) -> str:
    return (
        f"{clock.name} could also be read as {clock.reading.rival}: {clock.reading.formats[0]} is "
        "taken because its days follow each other; look at one that you know"
    )


def _spans(rows: pd.DataFrame, clock: Clock) -> dict[str, int]:
    """Days from the first to the last date, in either order."""
    orders: tuple[Literal["month", "day"], ...] = ("month", "day")
    both = {o: make_clock(rows, clock.columns, clock.reading.in_order(o)).times for o in orders}
    return {order: 1 + (times.max() - times.min()).days for order, times in both.items()}


def _occurrence(
    clocks: Iterable[Clock], roles: Mapping[tuple[str, ...], tuple[Role, float]]
) -> Clock | None:
    """The best candidate: its name, a time of the day, few blanks, one column."""

    def worth(clock: Clock) -> float:
        role, strength = roles[clock.columns]
        named = 2 * strength if role == "occurred" else {"reported": 0.5, "until": 0.0}[role]
        return named + 3 * clock.reading.clock + 8 * clock.read + 0.5 * (len(clock.columns) == 1)

    fit = [c for c in clocks if roles[c.columns][0] in ("occurred", "reported", "until")]
    fit = [c for c in fit if c.read >= 0.5 and not _is_stamp(c)]
    if not fit:
        return None
    best = max(fit, key=worth)
    if roles[best.columns][0] != "until" and _is_weak(roles[best.columns]):
        calls = [c for c in fit if _is_weak(roles[c.columns]) and c.reading.clock]
        calls = [c for c in calls if c.read >= best.read - 0.05]
        best = min(calls, key=lambda c: c.times.mean(), default=best)  # of a call, the first
    return best


def _is_weak(role: tuple[Role, float]) -> bool:
    """Whether a name speaks of the call or the report, and not of what happened."""
    return role[0] == "reported" or (role[0] == "occurred" and role[1] <= STRENGTH["service"])


def _is_stamp(clock: Clock) -> bool:
    """Whether nearly all rows have one time, or one day: when a program wrote them."""
    times = clock.times.dropna()
    if len(times) < 50:
        return False
    days = times.dt.normalize().value_counts(normalize=True)
    return bool(days.iloc[0] > 0.5)


def _windows(
    others: list[Clock], occurred: Clock, roles: Mapping[tuple[str, ...], tuple[Role, float]]
) -> list[Clock]:
    ends = [c for c in others if roles[c.columns][0] == "until"]
    return sorted(
        (c for c in ends if _later(c, occurred) >= WINDOW_SHARE),
        key=lambda c: (-c.reading.clock, -roles[c.columns][1], len(c.columns)),
    )


def _later(clock: Clock, than: Clock) -> float:
    """Share of the rows with both times in which ``clock`` is not before ``than``."""
    both = clock.times.notna() & than.times.notna()
    if both.sum() < 20 and both.sum() < 0.5 * len(both):
        return 0.0
    first = than.times if clock.reading.clock else than.times.dt.normalize()
    return float((clock.times[both] >= first[both]).mean())


def _first(clocks: Sequence[Clock]) -> Clock | None:
    return clocks[0] if clocks else None


def _report(
    others: list[Clock], occurred: Clock, roles: Mapping[tuple[str, ...], tuple[Role, float]]
) -> tuple[Clock | None, dict[str, str]]:
    """The report time, and why other times that could be one are not used."""
    ranked = sorted(
        (c for c in others if roles[c.columns][0] in ("reported", "occurred")),
        key=lambda c: (
            roles[c.columns][0] != "reported",
            -roles[c.columns][1] if roles[c.columns][0] == "reported" else 0,
            -c.reading.clock,
            len(c.columns),
        ),
    )
    unused: dict[str, str] = {}
    for clock in ranked:
        fault = _no_report(clock, occurred)
        if fault is None:
            return clock, unused
        if roles[clock.columns][0] == "reported":
            unused[clock.name] = fault
    return None, unused


def _no_report(clock: Clock, occurred: Clock) -> str | None:
    """Why a time cannot be that of the report; None where it can."""
    if _is_stamp(clock):
        return "one day in nearly all rows: when the file was loaded"
    if (later := _later(clock, occurred)) < REPORT_SHARE:
        return f"before the occurrence in {1 - later:.0%} of the rows"
    delay = clock.times - occurred.times
    waits = delay >= ONE_DAY if not clock.reading.clock else delay > pd.Timedelta("1min")
    if waits.mean() < 0.02:
        return "never later than the occurrence"
    missing = (clock.times.isna() & occurred.times.notna()).mean()
    if missing > MOST_WITHOUT_REPORT:
        return f"blank in {missing:.0%} of the rows, which would all be lost"
    return None


def _doubts(times: Times, roles: Mapping[tuple[str, ...], tuple[Role, float]]) -> list[str]:
    found = []
    role, strength = roles[times.occurred.columns]
    name = times.occurred.name
    if role != "occurred":
        found.append(f"{name} says when it was {role}; no column says when it occurred")
    elif strength <= STRENGTH["service"]:
        found.append(f"{name} says when police were called; no column says when it occurred")
    if not times.occurred.reading.clock:
        found.append(f"{name} has no time of the day: every incident counts at its fixed hour")
    if times.reported and role == "occurred" and roles[times.reported.columns][0] == "occurred":
        found.append(f"{times.reported.name} is taken for the report: it is never the earlier one")
    return found


def _no_time(counts: Mapping[str, pd.Series]) -> str:
    months = [name for name, texts in counts.items() if _is_month(texts)]
    if months:
        return (
            f"column {months[0]!r} holds months, and no column holds days and hours: hourly "
            "forecasts need the time of each incident, so that this file cannot be used"
        )
    return (
        f"no column holds dates that can be read; there are {', '.join(list(counts)[:30])}: export "
        "the time of occurrence as in 2024-05-31 14:05"
    )


def _is_month(texts: pd.Series) -> bool:
    return len(texts) > 0 and bool(texts.index.str.fullmatch(r"\d{4}-\d{2}").mean() > ALMOST)
