"""The command ``hexcast status``."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime

import typer

from pipeline.cli_options import ConfigFile, Json, Out


def status(config: ConfigFile, out: Out = None, as_json: Json = False) -> None:
    """Say how the nights stand: attempts, newest run, scores.

    Ends with 0 where all is well; with the code of the last attempt where that failed; with 75
    where it was killed or the newest run is late; with 65 where that run is damaged; with 66 before
    the first night. Writes nothing.

    Example: hexcast status configs/denver.yaml
    """
    from forecasts.store import finite
    from pipeline.load import load_config
    from pipeline.watch.report import status_lines
    from pipeline.watch.status import status_of

    found = status_of(load_config(config, out), datetime.now(UTC))
    if as_json:
        typer.echo(json.dumps(finite(asdict(found)), indent=1))
    else:
        for line in status_lines(found):
            typer.echo(line)
    raise typer.Exit(found.exit_code)
