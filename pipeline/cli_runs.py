"""``hexcast runs`` and ``hexcast verify``: what was published, and whether it still is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli_options import ConfigFile, Json, Out


def runs(
    config: ConfigFile,
    last: Annotated[int, typer.Option(min=1, help="how many, the newest")] = 14,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """List the published runs, the newest last.

    Example: hexcast runs configs/denver.yaml --last 28
    """
    from pipeline.load import load_config
    from pipeline.published import describe_runs

    found = describe_runs(load_config(config, out), last)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    if not found:
        typer.echo("no run is published yet: hexcast nightly makes one")
        return
    typer.echo(f"{'run':<15}{'made at':<18}{'MiB':>7}  issued")
    for row in found:
        typer.echo(_line(row))


def _line(row: dict[str, Any]) -> str:
    made, size = (row["made"] or "")[:16], "" if row["mib"] is None else f"{row['mib']:.1f}"
    issued = "; ".join(f"{target}: {what}" for target, what in row["issued"].items())
    remarks = f" ({', '.join(row['remarks'])})" if row["remarks"] else ""
    return f"{row['run']:<15}{made:<18}{size:>7}  {issued}{remarks}"


def verify(
    config: ConfigFile,
    run: Annotated[
        str | None, typer.Option(help="one run, as in 20240901T0600Z, or latest [default: all]")
    ] = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Compare the files of published runs with their checksums.

    Ends with exit code 65 where one is not what was published.

    Example: hexcast verify configs/denver.yaml --run latest
    """
    from pipeline.load import load_config
    from pipeline.published import require_whole, verify_runs

    settings = load_config(config, out)
    found = verify_runs(Path(settings.output.path), run)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        for name, faults in found.items():
            typer.echo(f"{name}  {'; '.join(faults) or 'as published'}")
    require_whole(found)
