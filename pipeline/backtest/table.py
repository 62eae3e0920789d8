"""A backtest's scores as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline.backtest.rivals import NO_BASELINES

_COLUMNS = "gain|over the best|exp/obs|hit 1%|hit 5%|PEI 5%|AUC|avg.prec.|off".split("|")
_LEGEND = """
gain            information gain over the reference, nats per incident
over the best   the same over the best baseline of these nights, marked *
exp/obs         expected over observed incidents
hit, AUC, avg.  share of incidents in the hottest cells of their hour; ranking of all cell-hours
PEI 5%          incidents in 5 % of the area, chosen for the night, over the most it could hold
off             of the bins by decile, hour band and district, those where expected over observed
                has an interval (99 %, corrected for their number) that leaves 1 out"""


def show(summary: dict[str, Any], console: Console) -> None:
    """Print one table a target, and what the columns say."""
    nights, refits = len(summary["nights"]), len(summary["refits"])
    days = f"{summary['from']} to {summary['to']}"
    console.print(f"{summary['city']}, {days}: {nights} nights, {refits} refits", highlight=False)
    if summary["left_out"]:
        console.print(f"{len(summary['left_out'])} nights left out: labels not mature")
    for target, found in summary["targets"].items():
        console.print()
        console.print(_table(target, found))
    console.print(_LEGEND, highlight=False)
    if summary["has_intervals"]:
        console.print("in brackets: 95 % intervals from blocks of seven nights", highlight=False)
    else:
        console.print(f"no intervals: {nights} nights are no two blocks of seven", highlight=False)


def _table(target: str, found: dict[str, Any]) -> Table:
    title = f"{target}: {found['incidents']:,} incidents"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for column in _COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    best = found["best_baseline"]
    for name, scores in found["scores"].items():
        style = "bold" if name in NO_BASELINES else ""
        row = list(_cells(scores, found["reliability"][name]))
        if name == best:
            row[1] = "*"
        table.add_row(name, *row, style=style)
    return table


def _cells(scores: dict[str, Any], reliability: dict[str, Any]) -> Iterator[str]:
    areas = scores["areas"]
    yield shown(scores["gain_over_reference"], 4)
    yield shown(scores["gain_over_best_baseline"], 4)
    yield shown(scores["expected_over_observed"], 3)
    yield shown(areas["hour"]["hit_rate"]["1%"], 3, ends=False)
    yield shown(areas["hour"]["hit_rate"]["5%"], 3, ends=False)
    yield shown(areas["night"]["pei"]["5%"], 3, ends=False)
    yield shown(scores["auc"], 4, ends=False)
    yield shown(scores["average_precision"], 4, ends=False)
    yield off(reliability)


def shown(found: dict[str, Any], digits: int, ends: bool = True) -> str:
    """A value, with its interval in brackets where it has one."""
    value, low, high = found["value"], found["low"], found["high"]
    if value is None:
        return "-"
    text = f"{value:.{digits}f}"
    return f"{text} [{low:.{digits}f}, {high:.{digits}f}]" if ends and low is not None else text


def off(reliability: dict[str, Any]) -> str:
    """How many bins are off, of how many that hold incidents."""
    tables = [table for table in reliability.values() if "is_off" in table]
    bins = sum(ratio is not None for table in tables for ratio in table["ratio"])
    return f"{sum(sum(table['is_off']) for table in tables)}/{bins}" if tables else "-"
