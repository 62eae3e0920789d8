"""The figures of a backtest's page, one function each, from the tallies and the summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.backtest.drawing import FAINT, INK, ROLES, drawn, legend, percent_axis
from pipeline.backtest.rivals import ISSUED, MODEL
from pipeline.backtest.tallies import CURVE_SHARES, Tallies
from pipeline.baselines.recipe import REFERENCE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDE, _HIGH = 8.0, 3.4
_LIMITS = 0.5, 2.0  # of expected over observed; what lies beyond is drawn at the edge


@dataclass(frozen=True)
class Shown:
    """A rival in the figures: its name, place on the rival axis, label and role's colour."""

    name: str
    place: int
    label: str
    colour: str


@dataclass(frozen=True)
class Subject:
    """What the figures of one target are drawn from; ``found``: its part of the summary."""

    target: str
    tallies: Tallies
    found: Mapping[str, Any]
    rivals: tuple[Shown, ...]
    nights: tuple[date, ...]
    refits: tuple[date, ...]


def chosen(rivals: tuple[str, ...], tallies: Tallies, best: str) -> tuple[Shown, ...]:
    """The model, what was issued, the best baseline and the reference; what is the same, once."""
    labels = {MODEL: "model", ISSUED: "issued", best: f"{best} (best baseline)"}
    labels.setdefault(REFERENCE, REFERENCE)
    roles = {MODEL: "model", ISSUED: "issued", best: "best"}
    found: list[Shown] = []
    for name, label in labels.items():
        place = rivals.index(name)
        same = [at for at, s in enumerate(found) if _equal(tallies, s.place, place)]
        if same:
            at = same[0]
            found[at] = replace(found[at], label=f"{found[at].label} = {label}")
        else:
            found.append(Shown(name, place, label, ROLES[roles.get(name, "reference")]))
    return tuple(found)


def _equal(tallies: Tallies, one: int, other: int) -> bool:
    return bool(np.array_equal(tallies.log_score[:, one], tallies.log_score[:, other]))


def hit_curve(subject: Subject) -> str:
    """Share of incidents against share of the area, by the hour and for the night, as SVG."""
    tallies, shares = subject.tallies, np.array(CURVE_SHARES)
    incidents = tallies.incidents.sum()
    with drawn(f"{subject.target}-curve", _WIDE, _HIGH) as (figure, svg):
        for scale, title in enumerate(("cells chosen every hour", "cells chosen for the night")):
            axes: Axes = figure.add_subplot(1, 2, scale + 1)
            for shown in subject.rivals:
                hits = tallies.hits[:, shown.place, scale].sum(axis=0) / incidents
                axes.plot(shares, hits, color=shown.colour, label=shown.label)
            most = tallies.most[:, scale].sum(axis=0) / incidents
            axes.plot(shares, most, color=ROLES["limit"], linestyle=":", label="in hindsight")
            axes.plot(shares, shares, color=FAINT, linestyle="--", label="chosen blindly")
            percent_axis(axes, [0.0025, 0.01, 0.05, 0.2, 1.0])
            axes.set_xlabel("share of the area")
            axes.set_title(title)
            axes.set_ylim(0, 1.02)
        figure.axes[0].set_ylabel("share of the incidents")
        legend(figure)
    return svg[0]


def areas(subject: Subject) -> str:
    """PAI and PEI at the usual shares of the area, with intervals, as SVG."""
    with drawn(f"{subject.target}-areas", _WIDE, _HIGH) as (figure, svg):
        for at, (score, scale, title) in enumerate(
            (
                ("pai", "hour", "PAI, cells chosen every hour"),
                ("pei", "night", "PEI, cells chosen for the night"),
            )
        ):
            axes = figure.add_subplot(1, 2, at + 1)
            names = list(_score(subject, subject.rivals[0], scale, score))
            for place, shown in enumerate(subject.rivals):
                values = list(_score(subject, shown, scale, score).values())
                x = np.arange(len(names)) + _offset(place, subject.rivals)
                _with_ends(axes, x, values, shown)
            axes.set_xticks(np.arange(len(names)), [name.replace("%", " %") for name in names])
            axes.set_xlabel("share of the area")
            axes.set_title(title)
            axes.set_ylim(bottom=0)
            axes.grid(axis="x", visible=False)
        legend(figure)
    return svg[0]


def _score(subject: Subject, shown: Shown, scale: str, score: str) -> dict[str, Any]:
    found: dict[str, Any] = subject.found["scores"][shown.name]["areas"][scale][score]
    return found


def _offset(place: int, rivals: Sequence[Shown]) -> float:
    return 0.16 * (place - (len(rivals) - 1) / 2)


def _with_ends(axes: Axes, x: Any, values: list[dict[str, Any]], shown: Shown) -> None:
    """Points with the ends of their intervals, where they have some."""
    middle, low, high = (
        np.array([value[name] for value in values], np.float64) for name in ("value", "low", "high")
    )
    axes.plot(x, middle, "o", markersize=4, color=shown.colour, label=shown.label)
    axes.vlines(x, low, high, color=shown.colour, linewidth=1.4)


def reliability(subject: Subject) -> str:
    """Expected over observed by decile, hour band and district, with intervals, as SVG."""
    tables = {
        "decile": "by decile of the rate, 10 the hottest",
        "hour band": "by local hour",
        "district": "by district",
    }
    found = subject.found["reliability"]
    sizes = [len(found[subject.rivals[0].name][name]["bins"]) for name in tables]
    with drawn(f"{subject.target}-reliability", _WIDE, 2 * _HIGH) as (figure, svg):
        grid = figure.add_gridspec(2, 2, width_ratios=[sizes[0], max(sizes[1], 5)])
        spots = grid[0, 0], grid[0, 1], grid[1, :]
        for spot, (name, title) in zip(spots, tables.items(), strict=True):
            axes = figure.add_subplot(spot)
            for place, shown in enumerate(subject.rivals):
                _ratios(axes, found[shown.name][name], _offset(place, subject.rivals), shown)
            _reliability_axis(axes, found[subject.rivals[0].name][name]["bins"], title)
        legend(figure)
    return svg[0]


def _ratios(axes: Axes, table: dict[str, Any], offset: float, shown: Shown) -> None:
    """A point a bin, hollow where its interval leaves 1 out."""
    expected, observed = (np.array(table[k], np.float64) for k in ("expected", "observed"))
    ratio = np.divide(expected, observed, out=np.full_like(expected, np.nan), where=observed > 0)
    x, inside = np.arange(len(ratio)) + offset, np.clip(ratio, *_LIMITS)
    if "low" in table:
        low, high = (np.array(table[k], np.float64) for k in ("low", "high"))
        axes.vlines(x, np.clip(low, *_LIMITS), np.clip(high, *_LIMITS), color=shown.colour)
    is_off = np.array(table.get("is_off", [False] * len(x)))
    axes.plot(x[~is_off], inside[~is_off], "o", markersize=4, color=shown.colour, label=shown.label)
    axes.plot(
        x[is_off], inside[is_off], "o", markersize=5, color=shown.colour,
        markerfacecolor=ROLES["paper"],
    )  # fmt: skip


def _reliability_axis(axes: Axes, bins: list[str], title: str) -> None:
    axes.axhline(1, color=INK, linewidth=0.8)
    axes.set_yscale("log")
    axes.set_ylim(_LIMITS[0] * 0.97, _LIMITS[1] * 1.03)
    axes.set_yticks([0.5, 0.7, 1, 1.4, 2], ["0.5", "0.7", "1", "1.4", "2"])
    axes.set_yticks([], minor=True)
    many = len(bins) > 12
    axes.set_xticks(
        np.arange(len(bins)), bins, rotation=90 if many else 0, fontsize=7 if many else None
    )
    axes.set_xlim(-0.6, len(bins) - 0.4)
    axes.set_title(f"expected / observed {title}")
    axes.grid(axis="x", visible=False)


def gain_by(subject: Subject) -> str:
    """Gain over the best baseline by lead and by local hour, with intervals, as SVG."""
    best, by_night = subject.found["best_baseline"], subject.found["by_night"]["log_score"]
    with drawn(f"{subject.target}-gain", _WIDE, _HIGH) as (figure, svg):
        for at, (key, label) in enumerate(
            (("lead", "lead, hours from the cutoff"), ("hour_of_day", "local hour of the day"))
        ):
            axes = figure.add_subplot(1, 2, at + 1)
            for shown in subject.rivals:
                if by_night[shown.name] == by_night[best]:
                    axes.axhline(0, color=shown.colour, label=shown.label)
                    continue
                values = subject.found["gain_by"][shown.name][key]
                value, low, high = (np.array(values[k], np.float64) for k in values)
                x = np.arange(len(value)) + 0.5
                axes.plot(x, value, color=shown.colour, label=shown.label)
                axes.fill_between(x, low, high, color=shown.colour, alpha=0.2, linewidth=0)
            axes.set_xlabel(label)
            axes.set_xlim(0, len(subject.found["gain_by"][best][key]["value"]))
        figure.axes[0].set_ylabel("nats per incident over the best baseline")
        legend(figure)
    return svg[0]


def gain_over_time(subject: Subject) -> str:
    """What each forecast is ahead of the best baseline, added up night by night, as SVG."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

    by_night = subject.found["by_night"]["log_score"]
    best = np.array(by_night[subject.found["best_baseline"]], np.float64)
    with drawn(f"{subject.target}-time", _WIDE, _HIGH) as (figure, svg):
        axes = figure.add_subplot()
        for refit in subject.refits:
            axes.axvline(date2num(refit), color=FAINT, linestyle=":", linewidth=1)
        days = np.array(subject.nights, "datetime64[D]")
        for shown in subject.rivals:
            ahead = np.cumsum(np.array(by_night[shown.name], np.float64) - best)
            axes.plot(days, ahead, color=shown.colour, label=shown.label)
        axes.set_ylabel("nats ahead of the best baseline")
        locator = AutoDateLocator()
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        legend(figure)
    return svg[0]
