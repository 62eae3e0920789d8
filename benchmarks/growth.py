"""How the cost of a cube grows with its incidents: seconds, memory and bytes, ours and others'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

COLOURS = {"look-up": "#7f7f7f", "ours": "#0072b2", "DuckDB": "#e69f00", "pandas": "#009e73"}
PANELS = {"seconds": "seconds", "memory": "MiB, largest process", "bytes": "MiB of the cube"}


def values(each: dict[str, Any]) -> dict[str, float]:
    """What a panel shows of one way on one city; nothing where it was stopped."""
    if "stopped" in each:
        return {}
    memory = max(each["peak_mib"], each.get("worker_mib", 0))
    size = {"bytes": each["bytes"] / 2**20} if each["bytes"] else {}
    return {"seconds": each["seconds"], "memory": memory, **size}


def plot(found: dict[str, Any], path: Path) -> None:
    """Three panels over the number of incidents, both axes logarithmic."""
    mpl.use("Agg")
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    ordered = sorted(found["cities"].values(), key=lambda city: city["rows"])
    for axes, (name, title) in zip(figure.subplots(1, 3), PANELS.items(), strict=True):
        for way, colour in COLOURS.items():
            points = [
                (city["rows"], values(city[way])[name])
                for city in ordered
                if name in values(city.get(way, {"stopped": ""}))
            ]
            if points:
                axes.plot(*zip(*points, strict=True), "o-", color=colour, label=way)
        axes.set(xscale="log", yscale="log", xlabel="incidents", title=title)
        axes.grid(alpha=0.3, which="both", linewidth=0.4)
    figure.axes[0].legend(frameon=False)
    figure.savefig(path, dpi=110)
