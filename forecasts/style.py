"""How forecasts look: one scale of classes for the QGIS style and the map.

A class is a share of the cells, because expected counts are far from evenly spread: the darkest
one is the hottest 1 %. The colours are matplotlib's inferno, light to dark, which stays in order
for colour-blind eyes and in grey.
"""

from __future__ import annotations

from importlib.resources import files
from itertools import pairwise
from string import Template

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

COLOURS = ("#f5f992", "#fac228", "#f57d15", "#d44842", "#9f2a63", "#420a68")
HOTSPOT = "#00a0c6"
_SHARES = (0.5, 0.75, 0.9, 0.95, 0.99)


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


def hours_style(frame: pd.DataFrame, target: str) -> str:
    """QML for the layer of hours: classes of the target's probability, temporal control on.

    Its temporal mode takes the rows whose ``valid_start`` lies in the frame. The mode that also
    asks ``valid_end > begin`` would add the hour before: QGIS compares GeoPackage times as text
    and without their final Z, and ``07:00:00.000Z`` comes after ``07:00:00.000``.
    """
    breaks = class_breaks(frame[f"{target}_probability"])
    bounds = pairwise([0.0, *breaks.tolist(), 1.0])
    labels = class_labels(100 * breaks, " %")
    ranges = [
        f'<range symbol="{i}" lower="{low!r}" upper="{high!r}" label="{label}" render="true"/>'
        for i, ((low, high), label) in enumerate(zip(bounds, labels, strict=True))
    ]
    symbol = Template(_read("hours_symbol.qml"))
    symbols = [
        symbol.substitute(name=i, colour=colour, hotspot=HOTSPOT, target=target)
        for i, colour in enumerate(colours(len(labels)))
    ]
    parts = {"ranges": "\n".join(ranges), "symbols": "".join(symbols), "target": target}
    return Template(_read("hours.qml")).substitute(parts)


def cells_style() -> str:
    """QML for the layer of cells: their outlines."""
    return _read("cells.qml")


def _read(name: str) -> str:
    return (files("forecasts") / "styles" / name).read_text(encoding="utf-8")
