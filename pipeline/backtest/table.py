"""A backtest's scores as tables for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline.backtest.rivals import MODEL, NO_BASELINES

WIDTH = 100  # columns that the tables need at most
_GAINS = "gain|over the best|exp/obs".split("|")
_RANKS = "ceiling|reached|hit 1%|hit 5%|PEI 5%|AUC|avg.prec.|off".split("|")
_LEGEND = """
gain            information gain over the reference, nats per incident
over the best   the same over the best baseline of these nights, marked *
ceiling         what the gain would be were the forecast true; reached: gain / ceiling
exp/obs         expected over observed incidents
hit, AUC, avg.  share of incidents in the hottest cells of their hour; ranking of all cell-hours
PEI 5%          incidents in 5 % of the area, chosen for the night, over the most it could hold
off             of the bins by decile, hour band and district, those where expected over observed
                has an interval (99 %, corrected for their number) that leaves 1 out
issued          the model where it won at its refit's gate, else the baseline it did not beat
model           the candidate; where it lost, it has not seen the nights that it was judged on"""


def show(summary: dict[str, Any], console: Console) -> None:
    """Print one table a target, and what the columns say."""
    nights, refits = len(summary["nights"]), len(summary["refits"])
    days = f"{summary['from']} to {summary['to']}"
    console.print(f"{summary['city']}, {days}: {nights} nights, {refits} refits", highlight=False)
    if summary["left_out"]:
        console.print(f"{len(summary['left_out'])} nights left out: labels not mature")
    for target, found in summary["targets"].items():
        console.print(f"\n{target}: {found['incidents']:,} incidents", highlight=False)
        console.print(f"issued: {issued(found, nights)}", highlight=False)
        console.print(_table(found, _GAINS, _gains))
        console.print()
        console.print(_table(found, _RANKS, _ranks))
    console.print(_LEGEND, highlight=False)
    if summary["has_intervals"]:
        console.print("in brackets: 95 % intervals from blocks of seven nights", highlight=False)
    else:
        console.print(f"no intervals: {nights} nights are no two blocks of seven", highlight=False)


def issued(found: dict[str, Any], nights: int) -> str:
    """On how many nights what was issued, and on how many there was a candidate."""
    counts = found["issued"]["nights"]
    model = counts.get(MODEL, 0)
    others = [f"{name} on {count}" for name, count in counts.items() if name != MODEL]
    said = ", ".join([f"the model on {model} of {nights} nights", *others])
    candidates = found["issued"]["candidate_nights"]
    return said if candidates == nights else f"{said}; a candidate on {candidates or 'none'}"


Row = Callable[[dict[str, Any], str], Iterator[str]]


def _table(found: dict[str, Any], columns: list[str], row: Row) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for name in found["scores"]:
        table.add_row(name, *row(found, name), style="bold" if name in NO_BASELINES else "")
    return table


def _gains(found: dict[str, Any], name: str) -> Iterator[str]:
    scores = found["scores"][name]
    yield shown(scores["gain_over_reference"], 4)
    best = name == found["best_baseline"]
    yield "*" if best else shown(scores["gain_over_best_baseline"], 4)
    yield shown(scores["expected_over_observed"], 3)


def _ranks(found: dict[str, Any], name: str) -> Iterator[str]:
    scores = found["scores"][name]
    areas = scores["areas"]
    yield shown(scores["ceiling"], 4, ends=False)
    yield shown(scores["reached"], 2)
    yield shown(areas["hour"]["hit_rate"]["1%"], 3, ends=False)
    yield shown(areas["hour"]["hit_rate"]["5%"], 3, ends=False)
    yield shown(areas["night"]["pei"]["5%"], 3, ends=False)
    yield shown(scores["auc"], 4, ends=False)
    yield shown(scores["average_precision"], 4, ends=False)
    yield off(found["reliability"][name])


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
