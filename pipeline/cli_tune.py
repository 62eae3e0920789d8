"""The command ``hexcast tune``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from pipeline.cli_options import AsOf, Cluster, ConfigFile, Json, Out


def tune(
    config: ConfigFile,
    as_of: AsOf = None,
    minutes: Annotated[
        float, typer.Option(min=0, help="how long to search, in all: a search goes on")
    ] = 30.0,
    out: Out = None,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """Search past nights for better boosting parameters.

    Only nights that were known at the cutoff are looked at. The next models made at this cutoff
    or later use them. Goes on where it was stopped.

    Example: hexcast tune configs/denver.yaml --as-of 2024-09-01T06:00Z --minutes 30
    """
    from pipeline.learning.boosting import tuning_path
    from pipeline.log import LOGGER, configure_logging
    from pipeline.ranks import config_to_work
    from pipeline.tuning.recipe import run_tuning
    from pipeline.tuning.table import lines

    configure_logging()
    settings = config_to_work(config, out, cluster)
    record = run_tuning(settings, datetime.now(UTC), as_of, minutes, LOGGER.info)
    if as_json:
        typer.echo(json.dumps(record, indent=1))
        return
    for line in lines(record):
        typer.echo(line)
    typer.echo(str(tuning_path(settings, datetime.fromisoformat(record["cutoff"]))))
