"""How forecasts look: one scale of classes for the QGIS style and the map.

A class is a share of the cells, because expected counts are far from evenly spread: the darkest
one is the hottest 1 %. The colours are matplotlib's inferno, light to dark, which stays in order
for colour-blind eyes and in grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from itertools import pairwise
from string import Template

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from forecasts.layers import Layers

COLOURS = ("#f5f992", "#fac228", "#f57d15", "#d44842", "#9f2a63", "#420a68")
HOTSPOT, AREA = "#00a0c6", "#003f5c"
_SHARES = (0.5, 0.75, 0.9, 0.95, 0.99)
LABELLED = 10  # of a shift's areas: more would hide the map
_RANKS = {
    "rank 1 to 5": "&quot;rank&quot; &lt;= 5",
    "rank 6 to 15": "&quot;rank&quot; &gt; 5 and &quot;rank&quot; &lt;= 15",
    "others": "&quot;rank&quot; &gt; 15",
}
_RANK_WIDTHS = (1.0, 0.6, 0.3)  # mm


def class_breaks(values: ArrayLike) -> NDArray[np.float64]:
    """Inner bounds of the classes of ``values``, strictly rising: (class - 1,) of at most six.

    They are quantiles; equal ones are one bound, so that a constant forecast has two classes.
    """
    return np.unique(np.quantile(np.asarray(values, np.float64), _SHARES))


def colours(classes: int) -> list[str]:
    """Colours of so many classes, light to dark; fewer classes spread over the whole scale."""
    steps = np.linspace(0, len(COLOURS) - 1, classes).round().astype(int)
    return [COLOURS[step] for step in steps]


def class_labels(breaks: NDArray[np.float64], unit: str = "") -> list[str]:
    """Texts for a legend, one per class: "up to 0.1", "0.1 to 0.25", "over 0.25"."""
    bounds = [np.format_float_positional(b, 2, fractional=False, trim="-") for b in breaks]
    inner = [f"{low} to {high}{unit}" for low, high in pairwise(bounds)]
    return [f"up to {bounds[0]}{unit}", *inner, f"over {bounds[-1]}{unit}"]


def default_styles(layers: Layers) -> dict[str, tuple[str, str]]:
    """By layer, from the top of the legend: what the style shows, and its QML."""
    target = layers.targets[0]
    return {
        "hotspots": ("hottest areas of the shift", hotspots_style(layers.targets)),
        "shifts": (f"{target}, probability per shift", shifts_style(layers.shifts, target)),
        "hours": (f"{target}, probability per hour", hours_style(layers.hours, target)),
        "cells": ("outline", cells_style()),
    }


def hours_style(frame: pd.DataFrame, target: str) -> str:
    """QML for the layer of hours: classes of the target's probability, temporal control on.

    Its temporal mode takes the rows whose ``valid_start`` lies in the frame. The mode that also
    asks ``valid_end > begin`` would add the hour before: QGIS compares GeoPackage times as text
    and without their final Z, and ``07:00:00.000Z`` comes after ``07:00:00.000``.
    """
    return _spans_style(frame, target, _temporal("1"))


def shifts_style(frame: pd.DataFrame, target: str) -> str:
    """QML for the layer of shifts: as the hours', and shown in every frame within the shift."""
    return _spans_style(frame, target, _within())


def _spans_style(frame: pd.DataFrame, target: str, temporal: str) -> str:
    breaks = class_breaks(frame[f"{target}_probability"])
    bounds = pairwise([0.0, *breaks.tolist(), 1.0])
    labels = class_labels(100 * breaks, " %")
    ranges = [
        f'<range symbol="{i}" lower="{low!r}" upper="{high!r}" label="{label}" render="true"/>'
        for i, ((low, high), label) in enumerate(zip(bounds, labels, strict=True))
    ]
    symbols = [
        _filled("spans_symbol.qml", name=i, colour=colour, hotspot=HOTSPOT, target=target)
        for i, colour in enumerate(colours(len(labels)))
    ]
    parts = {"ranges": "\n".join(ranges), "symbols": "".join(symbols)}
    return _filled("spans.qml", target=target, temporal=temporal, **parts)


def hotspots_style(targets: Sequence[str]) -> str:
    """QML for the layer of hotspots: a rule per target, of which the first is shown and labelled.

    Shown in every frame within their shift; outlines, the thicker the better the rank, so that what
    lies below shows.
    """
    rules, symbols = list[str](), list[str]()
    for target in targets:
        ranks = list[str]()
        for (label, asked), width in zip(_RANKS.items(), _RANK_WIDTHS, strict=True):
            at = len(symbols)
            symbols.append(_filled("hotspots_symbol.qml", name=at, colour=AREA, width=width))
            ranks.append(f'<rule key="{{{at}}}" symbol="{at}" label="{label}" filter="{asked}"/>')
        shown = int(target == targets[0])
        rule = _filled("hotspots_rule.qml", target=target, shown=shown, ranks="\n".join(ranks))
        rules.append(rule)
    parts = {"rules": "".join(rules), "symbols": "".join(symbols), "labelled": LABELLED}
    return _filled("hotspots.qml", target=targets[0], temporal=_within(), **parts)


def _within() -> str:
    """Temporal control that shows a row in every frame that its time overlaps.

    By expressions, of which this one cannot be handed to the GeoPackage: so QGIS compares times and
    not their texts. Without the last second, since a row's end and a frame's start would overlap.
    """
    end = "to_datetime(&quot;valid_end&quot;) - to_interval('1 second')"
    return _temporal("4", "&quot;valid_start&quot;", end)


def _temporal(mode: str, start: str = "", end: str = "") -> str:
    return _filled("temporal.qml", mode=mode, start=start, end=end).rstrip()


def cells_style() -> str:
    """QML for the layer of cells: their outlines."""
    return _read("cells.qml")


def _filled(template: str, /, **values: object) -> str:
    return Template(_read(template)).substitute(values)


def _read(name: str) -> str:
    return (files("forecasts") / "styles" / name).read_text(encoding="utf-8")
