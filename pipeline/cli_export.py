"""The commands of ``hexcast export``: copies of what a store holds, for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli_options import ConfigFile, Json, NightAsOf, Out

export = typer.Typer(help="Copies of what a store holds, for other programs.", no_args_is_help=True)


@export.command("cube")
def export_cube(
    config: ConfigFile,
    target: Annotated[
        Path, typer.Argument(metavar="OUT.zarr", help="folder that is not there yet")
    ],
    tag: Annotated[
        str | None, typer.Option(help="the night of this cutoff, as in 20240901T060000Z")
    ] = None,
    as_of: NightAsOf = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """The counts of a night, by default the last, as a Zarr store.

    Example: hexcast export cube configs/denver.yaml denver.zarr --as-of 2024-09-01T06:00Z
    """
    from pipeline.export_cube import export_cube as export_to
    from pipeline.load import load_config

    record = export_to(load_config(config, out), target, tag, as_of)
    if as_json:
        typer.echo(json.dumps(record, indent=1))
        return
    for name, value in record.items():
        typer.echo(f"{name:<14}{', '.join(value) if isinstance(value, list) else value}")


@export.command("quarantine")
def export_quarantine(
    config: ConfigFile,
    target: Annotated[Path, typer.Argument(metavar="OUT.csv", help="file that is not there yet")],
    out: Out = None,
) -> None:
    """Every row that could not be used, with the reason, as CSV.

    Example: hexcast export quarantine configs/denver.yaml quarantine.csv
    """
    from pipeline.export_quarantine import export_quarantine as export_to
    from pipeline.load import load_config
    from pipeline.store import Store

    count = export_to(Store(load_config(config, out).output.path), target)
    typer.echo(f"{count:,} rows in {target}")
