"""From sums to scores, to the table and to the page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from io import StringIO
from typing import Any

import numpy as np
import pytest
from cities import midnight
from distributed import Client
from past import blend, cheap_rivals, city_with_silver, reference
from rich.console import Console

from forecasts import scores
from forecasts.bootstrap import interval
from forecasts.calibration import deciles, number_test
from pipeline.backtest import recipe
from pipeline.backtest.folder import Folder
from pipeline.backtest.known import Backtest, read_known
from pipeline.backtest.page import introduction, page
from pipeline.backtest.plan import Request
from pipeline.backtest.recipe import collect
from pipeline.backtest.summary import best_baseline, by_hour, summarize
from pipeline.backtest.table import show
from pipeline.replay import counts_of, cut_blocks, nights_of

REQUEST = Request(date(2024, 3, 1), date(2024, 3, 21), 28)
NIGHTS = [midnight(day) for day in range(60, 81)]
Arrays = tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]


@pytest.fixture(scope="module")
def backtest(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Backtest:
    folder = tmp_path_factory.mktemp("city")
    known = read_known(city_with_silver(folder, client))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "make_rivals", cheap_rivals)
        return collect(known, REQUEST, Folder(folder / "out"), str)


@pytest.fixture(scope="module")
def summary(backtest: Backtest) -> dict[str, Any]:
    return summarize(backtest)


@pytest.fixture(scope="module")
def exact(backtest: Backtest) -> Arrays:
    """Counts, the reference and the blend of target ``all``, (cell, hour) of every night."""
    known = backtest.known
    (block,) = cut_blocks(known.city, known.arrivals, NIGHTS)
    nights = list(nights_of(known.city, block, known.members["all"]))
    counts = [counts_of(night, block.labels) for night in nights]
    return counts, [reference(night) for night in nights], [blend(night) for night in nights]


def test_gains_and_their_intervals_are_those_of_the_forecasts(
    summary: dict[str, Any], exact: Arrays
) -> None:
    per_night = [
        [scores.poisson_log_score(m, n), scores.poisson_log_score(r, n), n.sum()]
        for n, r, m in zip(*exact, strict=True)
    ]
    sums = np.array(per_night)
    found = summary["targets"]["all"]["scores"]["blend"]["gain_over_reference"]
    whole = sums.sum(axis=0)
    assert found["value"] == pytest.approx(scores.information_gain(*whole))
    low, high = interval(sums, lambda s: (s[:, 0] - s[:, 1]) / s[:, 2])
    assert found["low"] == pytest.approx(low)
    assert found["high"] == pytest.approx(high)
    assert found["low"] < found["value"] < found["high"]


def test_scores_over_all_nights_are_those_of_the_forecasts(
    summary: dict[str, Any], exact: Arrays
) -> None:
    counts, _, expected = (np.concatenate(each, axis=1) for each in exact)
    found = summary["targets"]["all"]["scores"]["blend"]
    areas = found["areas"]["hour"]
    for name, share in (("5%", 0.05), ("20%", 0.2)):
        value = areas["hit_rate"][name]["value"]
        assert value == pytest.approx(scores.hit_rate(expected, counts, share))
        assert areas["pai"][name]["value"] == pytest.approx(scores.pai(expected, counts, share))
        assert areas["pei"][name]["value"] == pytest.approx(scores.pei(expected, counts, share))
    assert found["expected"] == pytest.approx(expected.sum())
    ratio = found["expected_over_observed"]
    assert ratio["value"] == pytest.approx(expected.sum() / counts.sum())
    assert ratio["low"] < ratio["value"] < ratio["high"]
    tests = number_test(expected.sum(), int(counts.sum()))
    assert tuple(found["number_test"].values()) == pytest.approx(tests)
    assert found["auc"]["value"] == pytest.approx(scores.auc(expected, counts), abs=1e-3)
    precision = scores.average_precision(expected, counts)
    assert found["average_precision"]["value"] == pytest.approx(precision, rel=0.02)


def test_average_precision_is_held_to_the_references(summary: dict[str, Any]) -> None:
    found = summary["targets"]["all"]["scores"]
    own = found["reference"]["average_precision_over_reference"]
    assert (own["low"], own["value"], own["high"]) == (1, 1, 1)
    ratio = found["model"]["average_precision_over_reference"]["value"]
    values = (found[name]["average_precision"]["value"] for name in ("model", "reference"))
    assert ratio == pytest.approx(next(values) / next(values))


def test_the_best_baseline_is_a_baseline(backtest: Backtest, summary: dict[str, Any]) -> None:
    tallies = backtest.tallies["all"]
    assert best_baseline(backtest.rivals, tallies) == summary["targets"]["all"]["best_baseline"]
    better = tallies.log_score.copy()
    better[:, 2:] += 1e6  # the model and what is issued
    improved = replace(tallies, log_score=better)
    assert best_baseline(backtest.rivals, improved) in ("reference", "blend")
    better[:, 0] += 1e3
    assert best_baseline(backtest.rivals, improved) == "reference"
    own = summary["targets"]["all"]["scores"][summary["targets"]["all"]["best_baseline"]]
    assert own["gain_over_best_baseline"]["value"] == 0


def test_reliability_is_expected_over_observed_of_the_bins(
    summary: dict[str, Any], exact: Arrays
) -> None:
    found = summary["targets"]["all"]["reliability"]["blend"]
    counts, _, expected = exact
    in_hottest = [deciles(m) == 9 for m in expected]
    mass = sum(m[hot].sum() for m, hot in zip(expected, in_hottest, strict=True))
    held = sum(n[hot].sum() for n, hot in zip(counts, in_hottest, strict=True))
    table = found["decile"]
    assert (table["expected"][9], table["observed"][9]) == (pytest.approx(mass), held)
    assert table["ratio"][9] == pytest.approx(mass / held)
    night = sum(n[:, :6].sum() for at, n in enumerate(counts) if at != 9)  # the short night
    assert found["hour band"]["bins"] == ["00-06", "06-12", "12-18", "18-24"]
    assert found["hour band"]["observed"][0] == night + counts[9][:, :5].sum()
    incidents = summary["targets"]["all"]["incidents"]
    for each in found.values():
        assert sum(each["observed"]) == incidents
        assert len(each["is_off"]) == len(each["bins"])


def test_hours_are_moved_to_the_citys_clock(backtest: Backtest) -> None:
    tallies = backtest.tallies["all"]
    moved = by_hour(tallies, tallies.incidents)
    np.testing.assert_array_equal(moved[0], tallies.incidents[0, :24])
    assert moved[9, 2] == 0  # on the tenth of March there is no such hour
    np.testing.assert_array_equal(moved[9, 3:], tallies.incidents[9, 2:23])
    assert by_hour(tallies, tallies.expected).sum() == pytest.approx(tallies.expected.sum())


def test_gain_by_hour_adds_up_to_the_gain(summary: dict[str, Any], backtest: Backtest) -> None:
    found = summary["targets"]["all"]
    tallies = backtest.tallies["all"]
    by_lead = np.array(found["gain_by"]["model"]["lead"]["value"])
    whole = found["scores"]["model"]["gain_over_best_baseline"]["value"]
    weights = tallies.incidents.sum(axis=0)[: len(by_lead)]
    assert len(by_lead) == 24
    assert (by_lead * weights).sum() / weights.sum() == pytest.approx(whole)
    assert len(found["gain_by"]["model"]["hour_of_day"]["value"]) == 24


def test_coverage_is_told_by_scope(summary: dict[str, Any], backtest: Backtest) -> None:
    found = summary["targets"]["all"]["scores"]["blend"]["coverage"]
    assert list(found) == ["district x shift", "city x hour"]
    covered = backtest.tallies["all"].covered[:, backtest.rivals.index("blend"), 1].sum(axis=0)
    assert found["city x hour"]["sums"] == covered.sum()
    assert found["city x hour"]["share"]["value"] == pytest.approx(covered[1] / covered.sum())
    tallies = few_nights(backtest).tallies["all"]
    lawless = replace(tallies, covered=np.zeros_like(tallies.covered))
    without = summarize(replace(backtest, tallies={"all": lawless}))
    assert without["targets"]["all"]["scores"]["blend"]["coverage"] is None


def test_the_record_is_json_and_says_what_it_is_of(summary: dict[str, Any]) -> None:
    again = json.loads(json.dumps(summary, allow_nan=False))
    assert again["nights"] == [night.isoformat() for night in NIGHTS]
    assert again["refits"][0]["made"]["all"] == {"issued": "baseline blend"}
    assert again["rivals"] == ["reference", "blend", "model", "issued"]
    assert again["has_intervals"] is True
    assert {"configuration", "known_until", "seconds", "versions", "cells"} <= set(again)


def printed(summary: dict[str, Any]) -> str:
    console = Console(file=StringIO(), width=160)
    show(summary, console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_the_table_shows_every_rival_and_marks_the_best_baseline(summary: dict[str, Any]) -> None:
    text = printed(summary)
    found = summary["targets"]["all"]
    for name, each in found["scores"].items():
        gain = each["gain_over_reference"]
        shown = f"{gain['value']:.4f} [{gain['low']:.4f}, {gain['high']:.4f}]"
        (row,) = (line for line in text.split("violent")[0].splitlines() if line.startswith(name))
        assert shown in row
        assert (" * " in row) == (name == found["best_baseline"])
    assert "21 nights, 1 refits" in text


def few_nights(backtest: Backtest) -> Backtest:
    """The first thirteen nights."""
    first = NIGHTS[:13]

    def cut(tallies: Any) -> Any:
        arrays = {
            name: values[:13] if len(values) == len(NIGHTS) else values
            for name, values in tallies.arrays().items()
        }
        return type(tallies)(**arrays)

    period = replace(backtest.plan.periods[0], nights=tuple(first))
    plan = replace(backtest.plan, periods=(period,), left_out=tuple(NIGHTS[13:]))
    tallies = {name: cut(each) for name, each in backtest.tallies.items()}
    return replace(backtest, plan=plan, tallies=tallies)


def test_fewer_than_two_weeks_have_scores_without_intervals(backtest: Backtest) -> None:
    short = few_nights(replace(backtest, tallies={"all": backtest.tallies["all"]}))
    summary = summarize(short)
    assert summary["has_intervals"] is False
    gain = summary["targets"]["all"]["scores"]["model"]["gain_over_reference"]
    assert gain["value"] is not None
    assert (gain["low"], gain["high"]) == (None, None)
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
    gain = changed["targets"]["all"]["scores"]["issued"]["gain_over_best_baseline"]
    for low, high, said in ((0.01, 0.02, "beats"), (-0.02, -0.01, "loses to")):
        gain |= {"value": (low + high) / 2, "low": low, "high": high}
        assert f"<b>all</b>: what was issued {said} the best baseline" in introduction(changed)
    for ends in ({"low": -0.01, "high": 0.01}, {"low": None, "high": None}):
        gain |= ends
        assert "<b>all</b>: what was issued cannot be told from" in introduction(changed)
