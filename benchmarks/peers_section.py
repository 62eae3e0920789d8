"""What `peers` found, as Markdown: from its JSON alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np

OURS = "ours"
WIDTH = 105
ROWS_INTRO = """
`python benchmarks/peers.py {config} --as-of {as_of} --only rows`: {fit_rows:,} rows x {features}
features ({rows_mib:,.0f} MiB), target `{target}`, {rounds} trees of at most {leaves} leaves,
{threads} threads; {named}. All start from the same forecast, and their gain is that over it, on
every cell-hour of {held_nights} nights after the rows ({held_rows:,} cell-hours, {incidents:,}
incidents), with its interval of night blocks. Each runs in a process of its own, which holds the
rows besides; predictions are made a night at a time. *Any depth*: leaves alone are limited.
""".strip()
SERIES_INTRO = """
`python benchmarks/peers.py {config} --as-of {as_of} --only series`: parts of the city (the cells
nearest to its busiest one), {days} days of hours up to {cutoff}, as known then; then {nights}
nights one after the other, in each of which the day's news are taken in and every cell is
forecast, 24 hours. {rounds} trees of depth {depth} in all of them; two workers of one thread, or
one process of two. mlforecast has what its users would give it: lags of 24, 48 and 168 hours
(none below the horizon); means of a day, a week, four weeks and of all; means of the same hour of
28 days and of 8 weeks; hour and weekday of the city's clock. *Fit* is from counts to a model,
*features* the first part of it; *forecast* the first night's of all cells where it was fitted; *a
night* takes news in and forecasts, in one process each. Ours makes the rows of every night as it
was known, fits six baselines, judges a candidate on nights held out, and fits again. MiB: of all
processes together; ours reads the whole city's history. Libraries and cluster are started before
the clock. Gain: nats per incident over each cell's mean x the city's hours of week, on counts as
known {weeks_after} weeks later; with intervals of night blocks. A way ends at {seconds:,.0f} s,
start and nights included, or {gib:.0f} GiB.
""".strip()
FAULTS = """
Neither is told what was reported late but by what was known: mlforecast's last days hold fewer
incidents than its lags were learned from, ours knows how late reports are. Found on the way:
mlforecast 1.1.0 needs pandas below 3; on Dask it refuses features of several series (neighbours),
rightly, since partitions would change them; its features wait in the workers as pickled bytes,
beside the frames made of them, also after the fit; a feature of time that is an instance of a
class of the script fails with fugue 0.9.7 and Dask 2026.8.0 (`TokenizationError`), a function
does not; on Dask memory grew with every `update` (2.2 million cell-hours: 3.3 GiB after 14
nights, 5.2 after 28), so that nights after the first are those of `to_local`. With lags of 1 and
2 hours, whose forecasts are fed back as counts, LightGBM once lost 0.1 nats per incident; why was
not looked into. LightGBM 4.7.0's wheel for Linux brings no OpenMP library and does not load
without the system's; here scikit-learn's takes its place then.
"""


def section(found: Mapping[str, Any]) -> str:
    """Both parts, as far as they were run."""
    parts = [write(found[name]) for name, write in PARTS.items() if name in found]
    return "\n\n".join(parts) + "\n"


def rows_section(found: Mapping[str, Any]) -> str:
    """Boosters on the same rows. Gains are held against the start that all of them are given."""
    ways: Mapping[str, Mapping[str, Any]] = found["ways"]
    versions = {way["package"]: way["version"] for way in ways.values() if "version" in way}
    named = ", ".join(f"{package} {number}" for package, number in sorted(versions.items()))
    intro = _filled(ROWS_INTRO.format(**found, named=named))
    table = _table(
        ["", "prepare s", "fit s", "of XGBoost", "predict s", "MiB", "gain, nats per incident"],
        [_row_of(name, way, ways["XGBoost"]) for name, way in ways.items()],
    )
    return f"## The same rows, other boosters\n\n{intro}\n\n{table}"


def _row_of(name: str, way: Mapping[str, Any], base: Mapping[str, Any]) -> list[str]:
    if "stopped" in way:
        return [name, "", way["stopped"], "", "", f"{way['largest_mib']:,}", ""]
    whole, other = (each.get("prepare", 0) + each.get("fit", 0) for each in (way, base))
    times = f"{whole / other:.2f}" if other else ""
    return [
        name,
        f"{way['prepare']:.1f}",
        f"{way['fit']:.1f}",
        times,
        f"{way['predict']:.1f}",
        f"{way['largest_mib']:,}",
        _gain(way["gain"]),
    ]


def series_section(found: Mapping[str, Any]) -> str:
    """mlforecast and ours on parts of a city that grow."""
    limits = found["limits"]
    ends = {"seconds": limits["seconds"], "gib": limits["mib"] / 1024}
    intro = _filled(SERIES_INTRO.format(**found, **ends))
    lines = [
        _series_row(size, name, way)
        for size in found["sizes"]
        for name, way in size["ways"].items()
    ]
    steps = [f"{step} s" for step in ("features", "fit", "forecast", "a night")]
    heads = [
        "cells",
        "million cell-hours",
        "",
        *steps,
        "MiB",
        "gain over the mean",
        "ours ahead by",
    ]
    blocks = [intro, _table(heads, lines), _growth_text(found["sizes"]), _filled(FAULTS)]
    return "## mlforecast on Dask\n\n" + "\n\n".join(blocks)


def _series_row(size: Mapping[str, Any], name: str, way: Mapping[str, Any]) -> list[str]:
    first = [f"{size['cells']:,}", f"{size['cell_hours'] / 1e6:.1f}"] if name == OURS else ["", ""]
    memory = f"{way['sum_mib']:,}"
    name = f"{name}: {way['issued']}" if "issued" in way else name
    if "stopped" in way:
        return [*first, name, _seconds(way, "features"), way["stopped"], *[""] * 2, memory, "", ""]
    return [
        *first,
        name,
        _seconds(way, "features"),
        _seconds(way, "fit"),
        _seconds(way, "forecast"),
        f"{way['night']:.2f}",
        memory,
        _gain(way["gain"]),
        _gain(way["behind_ours"]) if "behind_ours" in way else "",
    ]


def _filled(text: str) -> str:
    return fill(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False)


def _seconds(way: Mapping[str, Any], step: str) -> str:
    return f"{way[step]:.1f}" if step in way else ""


def _gain(gain: Mapping[str, float | None]) -> str:
    if gain["low"] is None:
        return f"{gain['value']:.4f}"
    return f"{gain['value']:.4f} ({gain['low']:.4f} to {gain['high']:.4f})"


def growth(sizes: Sequence[Mapping[str, Any]], name: str, step: str) -> float | None:
    """What a million more cell-hours add to a way's seconds or MiB: the slope of a line, by least
    squares, through the sizes that it came to the end of. None for fewer than two.
    """
    ended = [s for s in sizes if name in s["ways"] and "stopped" not in s["ways"][name]]
    if len(ended) < 2:
        return None
    at = [size["cell_hours"] / 1e6 for size in ended]
    slope: float = np.polyfit(at, [size["ways"][name][step] for size in ended], 1)[0]
    return float(slope)


def _growth_text(sizes: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(name for size in sizes for name in size["ways"]))
    lines = []
    for name in names:
        seconds, mib = growth(sizes, name, "fit"), growth(sizes, name, "sum_mib")
        ended = [s["cells"] for s in sizes if "stopped" not in s["ways"].get(name, {"stopped": ""})]
        stops = [s for s in sizes if "stopped" in s["ways"].get(name, {})]
        lines.append(
            [
                name,
                "" if seconds is None else f"{seconds:.2f}",
                "" if mib is None else f"{mib:,.0f}",
                f"{max(ended):,}" if ended else "none",
                f"{stops[0]['cells']:,}: {stops[0]['ways'][name]['stopped']}" if stops else "",
            ]
        )
    heads = ["a million more cell-hours", "seconds of fit", "MiB", "cells it ended", "stopped at"]
    return _table(heads, lines)


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    marks = ["---"] * len(heads)
    return "\n".join("| " + " | ".join(line) + " |" for line in [heads, marks, *lines])


PARTS = {"rows": rows_section, "series": series_section}
