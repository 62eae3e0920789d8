"""Columns of numbers that may be coordinates, and the bulk of the places that they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.ingest.points import to_numbers
from pipeline.init.names import BLANKS, stem, words

_LAT = "lat latitude latitud latitudine latitudes breite breitengrad lt".split()
_LON = "lon long lng longitude longitud longitudes laenge lange laengengrad ln".split()
_X = "x xcoord xcoordinate easting east este ostwert coordx rechtswert".split()
_Y = "y ycoord ycoordinate northing north norte nordwert coordy hochwert".split()
_DROPPED = frozenset([*_LAT, *_LON, *_X, *_Y, "coordinate", "coordinates", "coord", "cordinate"])
_NUMERIC = 0.8
_SEVERAL, _GAP = 4, 0.08


@dataclass(frozen=True)
class Pair:
    """Two columns that may be a place: ``x`` eastward, ``y`` northward, (row,) float64."""

    x_name: str
    y_name: str
    x: pd.Series
    y: pd.Series

    @property
    def share(self) -> float:
        """Share of the rows that are part of the bulk."""
        return float((self.x.notna() & self.y.notna()).mean())

    @property
    def is_degrees(self) -> bool:
        """Whether the bulk lies within the ranges of degrees, either way round."""
        sizes = sorted((self.x.abs().median(), self.y.abs().median()))
        return bool(sizes[0] <= 90 and sizes[1] <= 180)

    @property
    def swapped(self) -> Pair:
        """The same, the other way round."""
        return Pair(self.y_name, self.x_name, self.y, self.x)


def numbers(rows: pd.DataFrame, names: Sequence[str]) -> dict[str, pd.Series]:
    """The columns whose texts are mostly numbers, as such; what is no number is missing."""
    found = {}
    for name in names:
        some = rows[name][rows[name] != ""].iloc[:300]
        if to_numbers(some).notna().sum() < 0.5 * len(some):
            continue
        values = to_numbers(rows[name])
        filled = ~rows[name].str.casefold().isin(BLANKS)
        if values.notna().sum() >= max(1, _NUMERIC * filled.sum()):
            found[name] = values.where(np.isfinite(values))
    return found


def named_pairs(found: Mapping[str, pd.Series], degrees: bool) -> list[Pair]:
    """Pairs of columns that are called alike, latitude and longitude or x and y, most rows first.

    ``degrees``: whether the pairs wanted hold degrees; their values decide, not their names.
    """
    kinds = [(_LON, _LAT), (_X, _Y)] if degrees else [(_X, _Y), (_LON, _LAT)]
    pairs = []
    for east, north in kinds:
        xs = [name for name in found if any(word in east for word in words(name))]
        ys = [name for name in found if any(word in north for word in words(name))]
        ranked = sorted(
            ((x, y) for x, y in product(xs, ys) if x != y and _alike(x, y)),
            key=lambda names: stem(names[0], _DROPPED) != stem(names[1], _DROPPED),
        )
        for x, y in ranked:
            pair = bulk(Pair(x, y, found[x], found[y]))
            if pair is not None and pair.is_degrees == degrees:
                pairs.append(pair)
    return sorted(pairs, key=lambda pair: -round(pair.share, 2))


def _alike(x: str, y: str) -> bool:
    ours, theirs = stem(x, _DROPPED), stem(y, _DROPPED)
    return ours == theirs or len(set(ours) ^ set(theirs)) <= 2


def unnamed_pairs(found: Mapping[str, pd.Series]) -> list[Pair]:
    """Neighbouring columns of fine numbers that vary little, whatever they are called."""
    names = [name for name, values in found.items() if _is_fine(values)]
    pairs = [bulk(Pair(x, y, found[x], found[y])) for x, y in pairwise(names)]
    return [pair for pair in pairs if pair is not None and pair.share > 0.3 and pair.is_degrees]


def _is_fine(values: pd.Series) -> bool:
    """Whether most numbers have four decimals and more and lie within two degrees."""
    filled = values.dropna()
    if len(filled) < 20:
        return False
    scaled = filled * 1000
    spread = filled.quantile(0.75) - filled.quantile(0.25)
    return bool(((scaled - scaled.round()).abs() > 1e-6).mean() > 0.5 and 0 < spread < 2)


def bulk(pair: Pair) -> Pair | None:
    """The pair without zeros, fillers and places far from most; None where nothing is left.

    Every distinct place counts once, so that a filler cannot pass for the middle of the city.
    """
    usable = pair.x.notna() & pair.y.notna() & ((pair.x.abs() >= 0.5) | (pair.y.abs() >= 0.5))
    usable &= ~((pair.x == pair.y) & (pair.x.round() == pair.x))  # (-1, -1) and (1, 1)
    distinct = pd.DataFrame({"x": pair.x[usable].round(4), "y": pair.y[usable].round(4)})
    distinct = distinct.drop_duplicates()
    if len(distinct) < 5:
        return None
    for name, values in (("x", pair.x), ("y", pair.y)):
        middle = distinct[name].median()
        spread = (distinct[name] - middle).abs().median()
        reach = 25 * spread if spread > 0 else max(1e-6, abs(middle) * 1e-6)
        usable &= (values - middle).abs() <= reach
    if not usable.any():
        return None
    return Pair(pair.x_name, pair.y_name, pair.x.where(usable), pair.y.where(usable))


def inner_box(lon: pd.Series, lat: pd.Series, margin: float = 0.02) -> tuple[float, ...]:
    """West, south, east, north of where incidents really happen (degrees), and a margin.

    That is nearly all distinct places, as far as they follow each other without a wide gap, and
    every square of about a kilometre that holds several of them: a mistyped place is alone, a
    filler is one place however often it occurs, an airport far out is many.
    """
    places = pd.DataFrame({"x": lon.round(4), "y": lat.round(4)}).dropna()
    distinct = places.drop_duplicates()
    squares = distinct.assign(i=distinct["x"] // 0.01, j=distinct["y"] // 0.01)
    several = distinct[squares.groupby(["i", "j"])["x"].transform("size") >= _SEVERAL]
    box = []
    for name in ("x", "y"):
        low, high = _without_gaps(np.sort(distinct[name].to_numpy()))
        if len(several):
            low, high = min(low, several[name].min()), max(high, several[name].max())
        wide = max(margin * (high - low), 0.002)
        box.append((float(low - wide), float(high + wide)))
    (west, east), (south, north) = box
    return west, south, east, north


def _without_gaps(ordered: NDArray[np.float64]) -> tuple[float, float]:
    """The range of most numbers, and of those beyond up to the first wide gap on either side."""
    low, high = np.quantile(ordered, [0.005, 0.995], method="nearest")
    gap = _GAP * (high - low)
    below, above = ordered[ordered <= low][::-1], ordered[ordered >= high]
    steps_down, steps_up = -np.diff(below) > gap, np.diff(above) > gap
    first = below[int(np.argmax(steps_down))] if steps_down.any() else below[-1]
    last = above[int(np.argmax(steps_up))] if steps_up.any() else above[-1]
    return float(first), float(last)
