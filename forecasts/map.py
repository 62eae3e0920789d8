"""The map of a run as one picture: where and when incidents are expected over the horizon."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from forecasts.hotspots import outline
from forecasts.ranking import hottest
from forecasts.schema import Forecast
from forecasts.style import HOTSPOT, class_breaks, class_labels, colours
from grids.hexgrid import HexGrid

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KM_PER_DEGREE = 111.195  # of latitude, on a sphere of 6,371 km
_INK = "#333333"
_WIDTH, _EDGE = 8.0, 0.15  # inches, as all of these
_HEAD, _LEGEND, _CLOCK_HEIGHT, _FOOT = 0.8, 1.15, 1.1, 0.3  # above the map's room, and below it


def write_map(forecast: Forecast, path: Path, target: str) -> None:
    """Write a PNG: expected incidents of ``target`` per cell over the horizon, hotspots outlined.

    Below the map stand the expected incidents of the whole area, hour by hour on the local clock,
    with the best baseline's. Hotspots are the hottest share of the area over the whole horizon.
    """
    # Here, because importing matplotlib takes half a second that other readers need not pay.
    from matplotlib.figure import Figure

    # Places in inches: a layout that is found by trying draws everything twice.
    room = _map_height(forecast.grid)
    height = _FOOT + _CLOCK_HEIGHT + _LEGEND + room + _HEAD
    figure = Figure(figsize=(_WIDTH, height), dpi=150, facecolor="white")

    def axes(left: float, bottom: float, right: float, tall: float) -> Axes:
        width = _WIDTH - left - right
        return figure.add_axes((left / _WIDTH, bottom / height, width / _WIDTH, tall / height))

    place = axes(_EDGE, _FOOT + _CLOCK_HEIGHT + _LEGEND, _EDGE, room)
    _draw_cells(place, forecast, forecast.target(target).expected.sum(axis=1))
    _draw_hours(axes(0.75, _FOOT, _EDGE, _CLOCK_HEIGHT), forecast, target)
    figure.text(
        0.02, 1 - 0.08 / height, _title(forecast, target), va="top", fontsize=11, color=_INK
    )
    figure.savefig(path, pil_kwargs={"compress_level": 1})  # a fifth of the time


def stretch(grid: HexGrid) -> float:
    """How much shorter a degree of longitude is than one of latitude, in the grid's middle."""
    return float(np.cos(np.radians(grid.centroids[0].mean())))


def _map_height(grid: HexGrid) -> float:
    west, south, east, north = shapely.total_bounds(grid.polygons)
    shape = (north - south) / ((east - west) * stretch(grid))
    return float(np.clip(_WIDTH * shape, 3, 12))


def _draw_cells(axes: Axes, forecast: Forecast, expected: NDArray[np.float64]) -> None:
    """Hexagons in classes of ``expected``, (cell,) counts over the horizon."""
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgba_array

    breaks = class_breaks(expected)
    palette = colours(len(breaks) + 1)
    shade = to_rgba_array(palette)[np.searchsorted(breaks, expected)]
    corners: Any = rings(forecast.grid.polygons)  # an array is taken, too, and six times as fast
    # An edge in the cell's own colour closes the hairlines between cells.
    axes.add_collection(PolyCollection(corners, facecolors=shade, edgecolors=shade, linewidths=0.2))
    hot = hottest(expected[:, None], forecast.hotspot_share)[:, 0]
    areas = shapely.get_parts(outline(forecast.grid, np.flatnonzero(hot)))
    outlines = [
        shapely.get_coordinates(ring) for ring in shapely.get_parts(shapely.boundary(areas))
    ]
    axes.add_collection(
        PolyCollection(outlines, facecolors="none", edgecolors=HOTSPOT, linewidths=0.9)
    )
    axes.autoscale_view()
    axes.set_aspect(1 / stretch(forecast.grid))
    axes.set_axis_off()
    _draw_legend(axes, breaks, palette, forecast.hotspot_share)
    _draw_scale(axes, forecast.grid)


def rings(polygons: NDArray[np.object_]) -> NDArray[np.float64]:
    """(cell, corner, 2) x, y: corners of each; where they are fewer, the last one stands again."""
    counts = shapely.get_num_coordinates(polygons)
    first = np.cumsum(counts) - counts
    corners = np.minimum(np.arange(counts.max()), counts[:, None] - 1)
    found: NDArray[np.float64] = shapely.get_coordinates(polygons)[first[:, None] + corners]
    return found


def _draw_legend(
    axes: Axes, breaks: NDArray[np.float64], palette: Sequence[str], share: float
) -> None:
    from matplotlib.patches import Patch

    classes = zip(palette, class_labels(breaks), strict=True)
    handles = [Patch(color=colour, label=label) for colour, label in classes]
    hot = Patch(
        facecolor="none",
        edgecolor=HOTSPOT,
        linewidth=0.9,
        label=f"hottest {100 * share:g} % of the area",
    )
    axes.legend(
        handles=[*handles, hot],
        title="expected incidents per cell",
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        ncols=4,
        frameon=False,
        fontsize=8,
        title_fontsize=8,
        labelcolor=_INK,
    )


def _draw_scale(axes: Axes, grid: HexGrid) -> None:
    """A bar of 1, 2 or 5 times a power of ten kilometres, about a fifth of the map's width."""
    (west, east), (south, north) = axes.get_xlim(), axes.get_ylim()
    km_per_degree = _KM_PER_DEGREE * stretch(grid)
    wish = (east - west) * km_per_degree / 5
    power = 10.0 ** np.floor(np.log10(wish))
    length = float(max(step for step in (1, 2, 5) if step * power <= wish) * power)
    y, end = south - 0.03 * (north - south), east - 0.02 * (east - west)
    start = end - length / km_per_degree
    axes.plot([start, end], [y, y], color=_INK, linewidth=2, solid_capstyle="butt")
    middle = ((start + end) / 2, y)
    axes.annotate(
        f"{length:g} km", middle, (0, -4), textcoords="offset points", ha="center", va="top",
        fontsize=8, color=_INK,
    )  # fmt: skip


def _draw_hours(axes: Axes, forecast: Forecast, target: str) -> None:
    chosen, lead = forecast.target(target), np.arange(len(forecast.hours))
    local = forecast.hours.times.tz_convert(forecast.timezone)
    axes.bar(lead + 0.5, chosen.expected.sum(axis=0), width=0.9, color=colours(6)[2])
    axes.stairs(
        chosen.baseline.sum(axis=0),
        np.arange(len(lead) + 1),
        baseline=None,
        color=_INK,
        label="best baseline",
    )
    step = max(1, len(lead) // 24) * 3
    axes.set_xticks(lead[::step], [f"{at:%H:%M}" for at in local[::step]], fontsize=8)
    axes.set_xlim(0, len(lead))
    axes.set_ylabel("expected\nper hour", fontsize=8, color=_INK)
    axes.tick_params(colors=_INK, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1))


def _title(forecast: Forecast, target: str) -> str:
    first, last = (hour.astimezone(forecast.timezone) for hour in forecast.span)
    as_of = forecast.as_of.astimezone(forecast.timezone)
    total = forecast.target(target).expected.sum()
    return (
        f"Expected incidents: {target} ({total:,.0f} in all)\n"
        f"{first:%a %Y-%m-%d %H:%M} to {last:%a %Y-%m-%d %H:%M}, {forecast.timezone.key}\n"
        f"as of {as_of:%Y-%m-%d %H:%M}, {forecast.target(target).issued}"
    )
