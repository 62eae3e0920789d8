"""The map of a backtest: in which cells a forecast was ahead of the best baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from forecasts.map import rings, stretch
from grids.hexgrid import HexGrid
from pipeline.backtest.drawing import FAINT, drawn

_AHEAD, _BEHIND = "#0072b2", "#d55e00"  # Okabe and Ito's blue and vermilion
_WIDTH = 8.0


def cell_map(name: str, gain: NDArray[np.float64], grid: HexGrid) -> str:
    """``gain``: (cell,) log score ahead of the best baseline's, nats. An SVG with a picture in it.

    The stronger the colour, the more; cells that are about even show the ground.
    """
    from matplotlib.collections import PolyCollection

    west, south, east, north = shapely.total_bounds(grid.polygons)
    shape = (north - south) / ((east - west) * stretch(grid))
    height = float(np.clip(_WIDTH * shape, 3, 10))
    largest = float(np.quantile(np.abs(gain), 0.99)) or 1.0
    with drawn(name, _WIDTH, height + 0.5) as (figure, svg):
        axes = figure.add_subplot()
        corners: Any = rings(grid.polygons)
        cells = PolyCollection(corners, facecolors=_shades(gain, largest), linewidths=0)
        cells.set_rasterized(True)
        axes.add_collection(cells)
        city = shapely.union_all(grid.polygons, grid_size=1e-9)
        for part in shapely.get_parts(shapely.boundary(city)):
            axes.plot(*shapely.get_coordinates(part).T, color=FAINT, linewidth=0.8)
        axes.autoscale_view()
        axes.set_aspect(1 / stretch(grid))
        axes.set_axis_off()
        _legend(axes, largest)
    return svg[0]


def _shades(gain: NDArray[np.float64], largest: float) -> NDArray[np.float64]:
    """(cell, 4) colour and how much of it covers the ground."""
    from matplotlib.colors import to_rgb

    colours = np.where((gain >= 0)[:, None], to_rgb(_AHEAD), to_rgb(_BEHIND))
    strength = np.clip(np.abs(gain) / largest, 0, 1) ** 0.7
    return np.column_stack([colours, strength])


def _legend(axes: object, largest: float) -> None:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch

    assert isinstance(axes, Axes)
    steps = np.array([largest, largest / 3, -largest / 3, -largest])
    words = ("ahead by", "ahead by", "behind by", "behind by")
    handles = [
        Patch(facecolor=shade, edgecolor=FAINT, label=f"{word} {abs(step):.2g} nats")
        for word, step, shade in zip(words, steps, _shades(steps, largest), strict=True)
    ]
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=4)
