"""The command ``hexcast score``."""

from __future__ import annotations

import json
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli_options import ConfigFile, Json, Out

if TYPE_CHECKING:
    from pipeline.archive.summary import Realised


def score(
    config: ConfigFile,
    last: Annotated[int, typer.Option(min=1, help="scored nights to sum up, the newest")] = 56,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Judge issued forecasts by what then happened.

    Nights whose reports are in are scored and kept in forecasts.zarr, as every night does itself.

    Example: hexcast score configs/denver.yaml --last 28
    """
    from forecasts.store import finite
    from pipeline.archive.recipe import score_issued
    from pipeline.archive.summary import summarize
    from pipeline.load import load_config

    settings = load_config(config, out)
    new = score_issued(settings)
    found = summarize(Path(settings.output.path), last)
    if as_json:
        typer.echo(json.dumps(finite({"newly_scored": len(new), **asdict(found)}), indent=1))
        return
    typer.echo(
        f"{found.kept} nights kept, {found.hindcasts} of them made a day or more after their "
        f"cutoff; {found.scored} scored, {len(new)} of them now"
    )
    if found.targets:
        typer.echo(_HEAD)
    for each in found.targets:
        typer.echo(_line(each))


_HEAD = (
    f"{'target':<12}{'nights':>7}{'incidents':>11}{'expected':>10}"
    f"{'in hottest 5 %':>16}{'baseline':>10}  gain over the best baseline, 95 %"
)


def _line(found: Realised) -> str:
    interval = ""
    if isfinite(found.gain_low) and isfinite(found.gain_high):
        interval = f" ({found.gain_low:+.4f} to {found.gain_high:+.4f})"
    return (
        f"{found.target:<12}{found.nights:>7}{found.incidents:>11,}{found.expected:>10,.0f}"
        f"{found.hit_rate:>16.3f}{found.baseline_hit_rate:>10.3f}  {found.gain:+.4f}{interval}"
    )
