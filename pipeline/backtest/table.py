"""A backtest's scores as tables for a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.backtest.rivals import NO_BASELINES

_COLUMNS = ("gain", "over the best", "exp/obs", "hit 1%", "hit 5%", "PEI 1%", "AUC", "avg.prec.")


def show(summary: dict[str, Any], console: Console) -> None:
    """Print one table a target, and what the columns say."""
    console.print(Group(*_parts(summary)), soft_wrap=True)


def _parts(summary: dict[str, Any]) -> list[RenderableType]:
    nights, refits = len(summary["nights"]), len(summary["refits"])
    title = (
        f"{summary['city']}, {summary['from']} to {summary['to']}: {nights} nights, {refits} refits"
    )
    parts: list[RenderableType] = [Text(title)]
    if summary["left_out"]:
        parts.append(Text(f"{len(summary['left_out'])} nights left out: labels not mature"))
    for target, found in summary["targets"].items():
        parts += [Text(""), _table(target, found)]
    ends = "95 % intervals from blocks of seven nights in brackets"
    few = f"no intervals: {nights} nights are no two blocks of seven"
    parts.append(Text(""))
    parts.append(
        Text(
            "gain: nats per incident over the reference; over the best: over the best baseline, "
            f"marked *\n{ends if summary['has_intervals'] else few}"
        )
    )
    return parts


def _table(target: str, found: dict[str, Any]) -> Table:
    title = f"{target}: {found['incidents']:,} incidents"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for column in _COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for name, scores in found["scores"].items():
        mark = " *" if name == found["best_baseline"] else ""
        style = "bold" if name in NO_BASELINES else ""
        table.add_row(name + mark, *_cells(scores), style=style)
    return table


def _cells(scores: dict[str, Any]) -> list[str]:
    return [
        _shown(scores["gain_over_reference"], 4, True),
        _shown(scores["gain_over_best_baseline"], 4, True),
        _shown(scores["expected_over_observed"], 3, True),
        _shown(scores["hit_rate"]["1%"], 3),
        _shown(scores["hit_rate"]["5%"], 3),
        _shown(scores["pei"]["1%"], 3),
        _shown(scores["auc"], 4),
        _shown(scores["average_precision"], 4),
    ]


def _shown(found: dict[str, Any], digits: int, with_ends: bool = False) -> str:
    value, low, high = found["value"], found["low"], found["high"]
    if value is None:
        return "-"
    text = f"{value:.{digits}f}"
    return text if low is None or not with_ends else f"{text} [{low:.{digits}f}, {high:.{digits}f}]"
