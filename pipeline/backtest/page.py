"""The page of a backtest: one self-contained HTML file, read on light and on dark ground."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from pipeline.backtest import figures
from pipeline.backtest.cell_map import cell_map
from pipeline.backtest.figures import Subject
from pipeline.backtest.held import Backtest
from pipeline.backtest.rivals import ISSUED, MODEL
from pipeline.backtest.table import issued, off, shown

_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1c1c1c; --faint: #9a9a9a;
  --model: #0072b2; --issued: #cc79a7; --best: #d55e00; --reference: #6f6f6f; --limit: #009e73; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --ink: #e6e6e6; --faint: #6b7075;
  --model: #56b4e9; --issued: #dd9cc0; --best: #f0883e; --reference: #a5a5a5; --limit: #2fc79b; } }
body { background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
  margin: 2rem auto; max-width: 66rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { border-top: 2px solid var(--faint); margin-top: 3rem;
  padding-top: 1rem; font-size: 1.35rem; }
figure { margin: 2rem 0; } figcaption { font-size: .92rem; max-width: 52rem; }
svg { width: 100%; height: auto; font-family: system-ui, sans-serif; }
svg text { font-family: system-ui, sans-serif !important; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .82rem; }
th, td { padding: .25rem .5rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--faint); font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; } tr.ours { font-weight: 600; }
small { color: var(--ink); opacity: .8; }
"""

_CAPTIONS = {
    "curve": "How many of the incidents fell in the hottest share of the area. <b>Good:</b> high "
    "at the left, above the baselines. Nobody gets above the dotted line: it is what cells held "
    "that were chosen by somebody who knew the incidents beforehand.",
    "areas": "PAI: how many times more incidents the chosen cells held than as many cells chosen "
    "blindly. PEI: incidents held over the most that as much area could have held in that night. "
    "Bars are 95 % intervals. <b>Good:</b> above the baselines with bars that do not touch.",
    "reliability": "Expected over observed incidents; all bars of a forecast together hold with "
    "99 %. "
    "<b>Good:</b> every bar crosses 1, no hollow point. Above 1 too many were forecast, below 1 "
    "too few. What lies beyond 0.5 and 2 is drawn at the edge.",
    "gain": "Information gain over the best baseline, which is the line at 0; shaded are 95 % "
    "intervals. <b>Good:</b> above 0 at all hours, and the whole shade with it.",
    "time": "How far every forecast is ahead of the best baseline, added up night by night; dotted "
    "lines are refits. <b>Good:</b> rises steadily. A gain made in one week alone is luck.",
    "map": "Where {label} was ahead of the best baseline (blue) or behind it (orange), over all "
    "nights. Single cells are mostly chance. <b>Good:</b> blue and orange are mixed everywhere, "
    "with more blue; a part of the city that is orange throughout is served worse.",
}
_SHARES = ("1%", "2%", "5%", "10%", "20%")
_FIRST = (
    "gain over the reference|gain over the best|ceiling|gain / ceiling|expected / observed|bins off"
)
_FIRST_NOTE = (
    "* the best baseline of these nights, as hindsight has it. In brackets 95 % intervals. "
    "Ceiling: the gain over the reference that a forecast would have on average were it true. "
    "<b>Good:</b> a gain / ceiling whose interval holds 1; below it the forecast is surer of "
    "itself than it should be, above it less. It does not say what could be gained by knowing "
    "more. Expected / observed: an interval that leaves 1 out says that too many, or too few, were "
    "forecast. Bins off: of those in the third figure, the hollow ones."
)
_SECOND = (
    "1 %|2 %|5 %|10 %|20 %|PEI 5 %, night|AUC|within cells|avg. precision|Brier|CSEP number test"
)


def page(backtest: Backtest, summary: dict[str, Any]) -> str:
    """The page as text."""
    days = f"{summary['from']} to {summary['to']}"
    title = f"Backtest of {summary['city']}, {days}"
    sections = "\n".join(
        _section(backtest, target, found) for target, found in summary["targets"].items()
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style></head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{introduction(summary)}\n{sections}\n{_footer(summary)}\n"
        "</body></html>\n"
    )


def introduction(summary: dict[str, Any]) -> str:
    """What was done, and of every target who won, in words."""
    nights, refits = len(summary["nights"]), len(summary["refits"])
    text = (
        f"<p>{nights} nights were forecast as they would have been then: from what was known at "
        f"each cutoff, with models made {refits} times, each from what was known when it was made. "
        "Every forecast was then held to what happened. Gains are information gains in nats per "
        "incident: 0.01 means that incidents were, on average, given a 1 % higher chance than by "
        "the other forecast.</p>"
    )
    if summary["left_out"]:
        text += f"<p>{len(summary['left_out'])} nights are left out: reports still come in.</p>"
    if not summary["has_intervals"]:
        text += f"<p>{nights} nights are too few for intervals: they need two weeks.</p>"
    verdicts = "".join(
        f"<li><b>{escape(target)}</b>: {_verdict(found)}</li>"
        for target, found in summary["targets"].items()
    )
    return f"{text}<ul>{verdicts}</ul>"


def _verdict(found: dict[str, Any]) -> str:
    """What was issued against the best baseline, in words."""
    gain = found["scores"][ISSUED]["gain_over_best_baseline"]
    best, low, high = escape(found["best_baseline"]), gain["low"], gain["high"]
    scores = found["by_night"]["log_score"]
    if scores[ISSUED] == scores[found["best_baseline"]]:
        return f"what was issued is the best baseline, {best}"
    if low is None:
        said = "cannot be told from"
    elif low > 0:
        said = "beats"
    else:
        said = "loses to" if high < 0 else "cannot be told from"
    return f"what was issued {said} the best baseline, {best}: {shown(gain, 4)}"


def _section(backtest: Backtest, target: str, found: dict[str, Any]) -> str:
    tallies = backtest.tallies[target]
    zone = backtest.known.config.zone
    subject = Subject(
        target=target,
        tallies=tallies,
        found=found,
        rivals=figures.chosen(backtest.rivals, tallies, found["best_baseline"]),
        nights=tuple(night.astimezone(zone).date() for night in backtest.schedule.nights),
        refits=tuple(each.refit.astimezone(zone).date() for each in backtest.schedule.periods),
    )
    parts = [f"<h2>{escape(target)}: {found['incidents']:,} incidents</h2>"]
    parts += [_issued(found, len(subject.nights)), _tables(found)]
    parts += [_coverage(found), *_figures(backtest, subject)]
    return "\n".join(part for part in parts if part)


def _issued(found: dict[str, Any], nights: int) -> str:
    """What was issued, and what <i>model</i> stands for."""
    count, candidates = found["issued"]["nights"].get(MODEL, 0), found["issued"]["candidate_nights"]
    text = f"Issued was {escape(issued(found, nights))}."
    if count < candidates:
        text += (
            " Where it was not issued, the row <i>model</i> is the candidate that lost: it has not "
            "seen the nights that it was judged on, and would gain a little by seeing them."
        )
    if candidates < nights:
        text += " Where there was no candidate, that row is what was issued."
    return f"<p>{text}</p>"


def _figures(backtest: Backtest, subject: Subject) -> Iterator[str]:
    drawings = {
        "curve": figures.hit_curve,
        "areas": figures.areas,
        "reliability": figures.reliability,
        "gain": figures.gain_by,
        "time": figures.gain_over_time,
    }
    for name, draw in drawings.items():
        yield _figure(draw(subject), _CAPTIONS[name])
    tallies, best = subject.tallies, backtest.rivals.index(subject.found["best_baseline"])
    ours = subject.rivals[0]
    by_cell = tallies.cell_log_score.sum(axis=0)
    svg = cell_map(
        f"{subject.target}-map", by_cell[ours.place] - by_cell[best], backtest.known.info.grid
    )
    yield _figure(svg, _CAPTIONS["map"].format(label=f"the forecast <i>{escape(ours.label)}</i>"))


def _figure(svg: str, caption: str) -> str:
    return f"<figure>{svg}<figcaption>{caption}</figcaption></figure>"


def _tables(found: dict[str, Any]) -> str:
    """Gains and calibration; then hit rates and ranking."""
    first, second = [], []
    for name, scores in found["scores"].items():
        gain, ratio = scores["gain_over_best_baseline"], scores["expected_over_observed"]
        cells = [
            shown(scores["gain_over_reference"], 4),
            "*" if name == found["best_baseline"] else shown(gain, 4),
            shown(scores["ceiling"], 4, ends=False),
            shown(scores["reached"], 2),
            shown(ratio, 3),
            off(found["reliability"][name]),
        ]
        first.append(_row(name, cells))
        second.append(_row(name, list(_ranking(scores))))
    return f"{_table(_FIRST, first)}{_small(_FIRST_NOTE)}{_table(_SECOND, second)}" + _small(
        "The first columns are hit rates: the share of the incidents in the hottest cells of "
        "every hour. CSEP number test: chance of as many incidents or more, and of as many or "
        "fewer, were they independent, which they are not; so it is below 0.025 too often."
    )


def _small(text: str) -> str:
    return f"<p><small>{text}</small></p>"


def _table(heads: str, rows: list[str]) -> str:
    names = "".join(f"<th>{name}</th>" for name in ("", *heads.split("|")))
    return f'<div class="scroll"><table><tr>{names}</tr>{"".join(rows)}</table></div>'


def _row(name: str, cells: list[str]) -> str:
    ours = ' class="ours"' if name in (MODEL, ISSUED) else ""
    return f"<tr{ours}><td>{escape(name)}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _ranking(scores: dict[str, Any]) -> Iterator[str]:
    for share in _SHARES:
        yield shown(scores["areas"]["hour"]["hit_rate"][share], 3, ends=False)
    yield shown(scores["areas"]["night"]["pei"]["5%"], 3, ends=False)
    for name in ("auc", "auc_within_cells", "average_precision"):
        yield shown(scores[name], 4, ends=False)
    yield shown(scores["brier"], 5, ends=False)
    yield " / ".join(f"{p:.3f}" for p in scores["csep_number_test"].values())


def _coverage(found: dict[str, Any]) -> str:
    """How the 90 % intervals of sums held, of what was issued."""
    covered = found["scores"][ISSUED]["coverage"]
    if covered is None:
        return ""
    held = "; ".join(
        f"{escape(scope)} {shown(each['share'], 3)} of {each['sums']:,} sums "
        f"({each['below']:,} below, {each['above']:,} above)"
        for scope, each in covered.items()
    )
    return (
        f"<p>The 90 % intervals of counts around what was issued held: {held}. "
        "<b>Good:</b> 0.87 to 0.93.</p>"
    )


def _footer(summary: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in summary["versions"].items())
    return (
        f"<hr><p><small>configuration {summary['configuration']}; a refit every "
        f"{summary['refit_days']} nights; what happened as known until "
        f"{summary['known_until'][:16]}Z; {summary['cells']:,} cells; {escape(versions)}"
        "</small></p>"
    )
