"""Drawing for a page that is read on light and on dark ground: colours are named, not fixed.

Matplotlib is given a stand-in for every role; in the SVG it becomes a CSS variable, which the page
sets for both grounds. Text stays text, in the page's font.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Stand-ins by role. Okabe and Ito's colours, told apart by the colour-blind, stand behind them.
ROLES = {
    "ink": "#010203",
    "faint": "#010204",
    "paper": "#010205",
    "issued": "#010206",
    "model": "#010207",
    "best": "#010208",
    "reference": "#010209",
    "limit": "#01020a",
}
INK, FAINT, PAPER = ROLES["ink"], ROLES["faint"], ROLES["paper"]
SMALL = 9
_NUMBERED_IDS = re.compile(r' id="[A-Za-z][A-Za-z0-9.]*_\d+"')


_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": SMALL,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "grid.alpha": 0.5,
    "legend.frameon": False,
    "axes.titlesize": SMALL + 1,
    "axes.titlelocation": "left",
}


@contextmanager
def drawn(name: str, width: float, height: float) -> Iterator[tuple[Figure, list[str]]]:
    """A figure (inches), and a list that holds its SVG after the block.

    ``name``: of all figures of a page another one, since names inside an SVG share the page.
    """
    # Here, because importing matplotlib takes half a second that a nightly run need not pay.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    svg: list[str] = []
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(width, height), dpi=150)
        figure.set_layout_engine("constrained")
        figure.patch.set_visible(False)
        yield figure, svg
        for axes in figure.axes:
            axes.patch.set_visible(False)
        svg.append(_svg(figure))


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = _NUMBERED_IDS.sub("", text[text.index("<svg") :])
    text = re.sub(r' width="[\d.]+pt" height="[\d.]+pt"', "", text, count=1)
    for role, stand_in in ROLES.items():
        text = text.replace(stand_in, f"var(--{role})")
    return text


def percent_axis(axes: Axes, ticks: list[float]) -> None:
    """Shares of the area on a logarithmic axis."""
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{100 * tick:g} %" for tick in ticks])
    axes.set_xticks([], minor=True)


def legend(figure: Figure) -> None:
    """What the first axes' colours stand for, above all of them, so that it covers nothing."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper left", ncols=len(labels), handlelength=1.4,
        columnspacing=1.2,
    )  # fmt: skip
