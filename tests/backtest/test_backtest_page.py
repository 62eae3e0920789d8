"""From scores to the table and to the page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from past import LAWS, NIGHTS, RECORD, few_nights, reference
from rich.console import Console

from pipeline.backtest import recipe
from pipeline.backtest.folder import Folder
from pipeline.backtest.held import Backtest
from pipeline.backtest.page import introduction, page
from pipeline.backtest.recipe import collect
from pipeline.backtest.rivals import ISSUED, MODEL, Rivals
from pipeline.backtest.schedule import Period
from pipeline.backtest.summary import summarize
from pipeline.backtest.table import WIDTH, show
from pipeline.baselines.recipe import REFERENCE
from pipeline.known import Known


def printed(summary: dict[str, Any]) -> str:
    console = Console(file=StringIO(), width=WIDTH)
    show(summary, console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def ends(found: dict[str, Any], digits: int) -> str:
    value, low, high = (f"{found[name]:.{digits}f}" for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def test_the_table_shows_every_rival_and_marks_the_best_baseline(summary: dict[str, Any]) -> None:
    text = printed(summary)
    found = summary["targets"]["all"]
    for name, each in found["scores"].items():
        of_all = text.split("violent")[0].splitlines()
        gains, ranks = (line for line in of_all if line.startswith(f"{name} "))
        assert ends(each["gain_over_reference"], 4) in gains
        assert (" * " in gains) == (name == found["best_baseline"])
        assert ends(each["expected_over_observed"], 3) in gains
        assert (" - " if name == "reference" else ends(each["reached"], 2)) in ranks
        assert f"{each['ceiling']['value']:.4f}" in ranks
    assert "21 nights, 1 refits" in text


def test_the_table_is_read_at_a_hundred_columns(summary: dict[str, Any]) -> None:
    """With the longest name and the longest numbers there are."""
    worst = json.loads(json.dumps(summary))
    found = worst["targets"]["all"]
    for part in ("scores", "reliability"):
        found[part]["self_exciting"] = found[part]["reference"]
    for scores_of in found["scores"].values():
        for name in ("gain_over_reference", "gain_over_best_baseline"):
            scores_of[name] = {"value": -1.23456, "low": -2.34567, "high": -1.12345}
        scores_of["reached"] = {"value": -12.345, "low": -23.456, "high": -11.234}
        scores_of["expected_over_observed"] = {"value": 11.234, "low": 10.123, "high": 12.345}
    text = printed(worst)
    assert "-1.2346 [-2.3457, -1.1235]" in text
    assert "…" not in text
    for head in ("over the best", "exp/obs", "ceiling", "reached", "PEI 5%", "avg.prec.", "off"):
        assert head in text.split("violent")[0]
    assert max(map(len, text.splitlines())) <= 100


def test_what_was_issued_on_how_many_nights_is_told(
    backtest: Backtest, summary: dict[str, Any]
) -> None:
    assert summary["targets"]["all"]["issued"] == {"nights": {"blend": 21}, "candidate_nights": 21}
    assert "issued: the model on 0 of 21 nights, blend on 21\n" in printed(summary)
    periods = tuple(Period(tuple(NIGHTS[at : at + 7])) for at in (0, 7, 14))
    records = [RECORD, RECORD | {"wins": True}, RECORD | {"has_candidate": False}]
    changed = replace(
        backtest,
        tallies={"all": backtest.tallies["all"]},
        schedule=replace(backtest.schedule, periods=periods),
        made=[{"all": record} for record in records],
    )
    found = summarize(changed)
    issued = found["targets"]["all"]["issued"]
    assert issued == {"nights": {"blend": 14, "model": 7}, "candidate_nights": 14}
    said = "the model on 7 of 21 nights, blend on 14; a candidate on 14"
    assert f"issued: {said}\n" in printed(found)
    html = page(changed, found)
    assert f"Issued was {said}." in html
    assert "is the candidate that lost" in html


def test_fewer_than_two_weeks_have_scores_without_intervals(backtest: Backtest) -> None:
    short = few_nights(replace(backtest, tallies={"all": backtest.tallies["all"]}))
    summary = summarize(short)
    assert summary["has_intervals"] is False
    gain = summary["targets"]["all"]["scores"]["model"]["gain_over_reference"]
    assert gain["value"] is not None
    assert (gain["low"], gain["high"]) == (None, None)
    for name in ("auc_within_cells", "expected_over_observed", "reached"):
        found = summary["targets"]["all"]["scores"]["model"][name]
        assert found["value"] is not None
        assert (found["low"], found["high"]) == (None, None)
    assert "is_off" not in summary["targets"]["all"]["reliability"]["model"]["decile"]
    text = printed(summary)
    assert "no intervals: 13 nights are no two blocks of seven" in text
    assert "8 nights left out: labels not mature" in text
    assert "13 nights are too few for intervals" in introduction(summary)
    assert "8 nights are left out" in introduction(summary)
    assert page(short, summary).count("<svg") == 6


class Read(HTMLParser):
    """Tags opened and closed, and every attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name in ("src", "href", "xlink:href"):
                self.addresses.append(str(value))
        if tag not in ("meta", "hr", "br", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def html(backtest: Backtest, summary: dict[str, Any]) -> str:
    return page(backtest, summary)


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(html: str) -> None:
    read = Read()
    read.feed(html)
    assert read.open == []
    assert read.seen.count("svg") == read.seen.count("figcaption") == 12  # six of two targets
    assert not {"script", "link", "iframe"} & set(read.seen)
    assert all(at.startswith(("#", "data:image/png")) for at in read.addresses)
    assert "@import" not in html
    assert "url(http" not in html
    assert len(read.ids) == len(set(read.ids)), "two figures share a name"
    named = {at[1:] for at in read.addresses if at.startswith("#")}
    named |= set(re.findall(r"url\(#([^)]+)\)", html))
    assert named <= set(read.ids)


def test_the_page_is_read_on_light_and_on_dark_ground(html: str) -> None:
    """No colour is fixed but the map's: the rest are roles, set for both."""
    assert "#0102" not in html
    style = html[: html.index("</style>")]
    light, dark = style.split("prefers-color-scheme: dark")
    roles = set(re.findall(r"var\(--(\w+)\)", html))
    for role in roles:
        assert f"--{role}:" in light
        assert f"--{role}:" in dark
    fixed = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", html))
    assert fixed == {"#0072b2", "#d55e00"}, "only the map's legend has colours of its own"


def test_the_page_says_in_words_who_wins(summary: dict[str, Any]) -> None:
    changed = json.loads(json.dumps(summary))
    changed["targets"]["all"]["best_baseline"] = "reference"
    gain = changed["targets"]["all"]["scores"]["issued"]["gain_over_best_baseline"]
    for low, high, said in ((0.01, 0.02, "beats"), (-0.02, -0.01, "loses to")):
        gain |= {"value": (low + high) / 2, "low": low, "high": high}
        assert f"<b>all</b>: what was issued {said} the best baseline" in introduction(changed)
    for ends in ({"low": -0.01, "high": 0.01}, {"low": None, "high": None}):
        gain |= ends
        assert "<b>all</b>: what was issued cannot be told from" in introduction(changed)
    changed["targets"]["all"]["best_baseline"] = "blend"
    assert "what was issued is the best baseline, blend" in introduction(changed)


def test_a_city_whose_reference_is_issued_and_best_has_its_page(
    backtest: Backtest, html: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing was made but the reference, every line of the plots is the same one."""

    def alone(known: Known, *_: Any) -> list[Rivals]:
        forecasters = dict.fromkeys((REFERENCE, MODEL, ISSUED), reference)
        return [Rivals(target, forecasters, LAWS, RECORD) for target in known.config.targets]

    monkeypatch.setattr(recipe, "make_rivals", alone)
    made = collect(backtest.known, backtest.schedule.request, Folder(tmp_path), str)
    assert page(made, summarize(made)).count("<svg") == html.count("<svg")
