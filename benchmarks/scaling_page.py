"""What was found of scaling, as a page's section and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

NAMED = 4  # parts of a chain that a bar shows by name


def section(found: dict[str, Any]) -> str:
    """Markdown, from what `scaling.py` writes with ``--json`` and nothing else."""
    works = found["works"].values()
    parts = [_begin(found), *(_work(work) for work in works), _checks(works)]
    return "\n".join(parts)


def _begin(found: dict[str, Any]) -> str:
    return f"""## Scaling

`python benchmarks/scaling.py configs/{found["city"]}.yaml`, {found["cores"]} cores, load
{found["load"]:.1f} when it began. Measured as far as two workers go. Further, the work is done once
with the most workers, one task at a time, and a list scheduler plays its graph and the driver's
steps: a core for each worker and one for the driver, {found["bandwidth"] / 1e9:g} GB/s between
workers, {found["overhead"] * 1e3:g} ms for each task. No cluster takes less than the limit: the
longest way through the graph, or all tasks shared out evenly. What is waited for is read off the
way that led to the last second. How it is done, and what it takes for granted:
[docs/scaling.md](../docs/scaling.md).
"""


def _work(work: dict[str, Any]) -> str:
    strong, weak = work["strong"], work["weak"]
    one = strong[0]["simulated"]
    rows = [
        ("workers", [str(point["workers"]) for point in strong]),
        (f"**{work['size']:.3g} {work['unit']}**, seconds measured", _seconds(strong, "measured")),
        ("simulated", _seconds(strong, "simulated")),
        ("limit", _seconds(strong, "bound")),
        ("times faster", [f"{one / point['simulated']:.1f}" for point in strong]),
        *(_weak(work["unit"], weak) if weak else []),
    ]
    lines = [f"| {name} | {' | '.join(cells)} |" for name, cells in rows]
    rule = "|---" * (len(strong) + 1) + "|"
    return "\n".join(
        [f"### {work['title']}\n", lines[0], rule, *lines[1:], "", _named(work, strong[-1])]
    )


def _weak(unit: str, points: Sequence[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    one = points[0]["simulated"]
    return [
        (f"**{unit}, as many for each**", [f"{point['size']:.3g}" for point in points]),
        ("seconds measured", _seconds(points, "measured")),
        ("simulated", _seconds(points, "simulated")),
        ("of one worker's pace", [f"{one / point['simulated']:.0%}" for point in points]),
    ]


def _seconds(points: Sequence[dict[str, Any]], name: str) -> list[str]:
    return ["" if point[name] is None else f"{point[name]:.1f}" for point in points]


def _named(work: dict[str, Any], point: dict[str, Any]) -> str:
    """What the way to the end consists of, for the most workers, in the order of its size."""
    ordered = sorted(point["chain"].items(), key=lambda part: -part[1])
    shares = [(name, seconds / point["simulated"]) for name, seconds in ordered]
    said = ", ".join(f"{name} {share:.0%}" for name, share in shares[:NAMED] if share >= 0.01)
    whole = sum(row["tasks"] for row in work["tasks"].values())
    seconds = sum(row["seconds"] for row in work["tasks"].values())
    line = f"With {point['workers']} workers, the way to the end is {said}. "
    line += f"{whole:.0f} tasks of {seconds:.0f} s in all, {work['driver']:.0f} s of the driver."
    if work["shared"]:
        line += f" Boosting shares {work['shared']:.0%} of its seconds with further threads."
    return line + "\n"


def _checks(works: Any) -> str:
    head = """### The simulation against what was measured

*From tasks alone*: as above. *From its own*: played with the seconds that tasks took in the
measured run itself, so that only the scheduling can be wrong. Tasks are slower than alone where
cores share their memory.

| | workers | measured | from tasks alone | | from its own | | tasks slower than alone |
|---|---|---|---|---|---|---|---|"""
    rows = [_check(work["title"], check) for work in works for check in work["checks"]]
    return "\n".join([head, *rows, ""])


def _check(title: str, check: dict[str, Any]) -> str:
    alone, own = (check[name] / check["measured"] - 1 for name in ("simulated", "replayed"))
    return (
        f"| {title} | {check['workers']} | {check['measured']:.1f} | {check['simulated']:.1f} | "
        f"{alone:+.0%} | {check['replayed']:.1f} | {own:+.0%} | x {check['slower']:.2f} |"
    )


def plot(found: dict[str, Any], path: Path) -> None:
    """A column for each piece of work: strong above, weak below; bars by what is waited for."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    works = list(found["works"].values())
    kinds = {"strong": "the same work", "weak": "as much for each worker"}
    shown = [kind for kind in kinds if works[0][kind]]
    size = (4.6 * len(works), 4.4 * len(shown))
    figure, rows = plt.subplots(
        len(shown), len(works), figsize=size, layout="constrained", squeeze=False
    )
    for column, work in zip(rows.T, works, strict=True):
        for axes, kind in zip(column, shown, strict=True):
            _bars(axes, work[kind], _colours(work))
            axes.set_title(f"{work['title']}: {kinds[kind]}", fontsize=10)
        column[-1].legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2)
    figure.savefig(path, dpi=120)


def _colours(work: dict[str, Any]) -> dict[str, str]:
    """Of the largest parts of all bars; the others share one."""
    total: dict[str, float] = {}
    for point in (*work["strong"], *work["weak"]):
        for name, seconds in point["chain"].items():
            total[name] = total.get(name, 0.0) + seconds / point["simulated"]
    largest = sorted(total, key=lambda name: -total[name])[: NAMED + 1]
    return {name: f"C{at}" for at, name in enumerate(largest)} | {"all others": "lightgrey"}


def _bars(axes: Any, points: Sequence[dict[str, Any]], colours: dict[str, str]) -> None:
    places = range(len(points))
    foot = [0.0] * len(points)
    for name, colour in colours.items():
        heights = [_height(point["chain"], name, colours) for point in points]
        axes.bar(places, heights, bottom=foot, color=colour, label=name)
        foot = [low + height for low, height in zip(foot, heights, strict=True)]
    measured = [(at, p["measured"]) for at, p in zip(places, points, strict=True) if p["measured"]]
    axes.plot(*zip(*measured, strict=True), "kx", label="measured")
    axes.plot(places, [point["bound"] for point in points], "k_", markersize=18, label="limit")
    axes.set_xticks(places, [str(point["workers"]) for point in points])
    axes.set(xlabel="workers", ylabel="seconds")


def _height(chain: dict[str, float], name: str, colours: dict[str, str]) -> float:
    if name != "all others":
        return chain.get(name, 0.0)
    return sum(seconds for each, seconds in chain.items() if each not in colours)
