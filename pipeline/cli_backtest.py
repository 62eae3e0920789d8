"""The command ``hexcast backtest``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli_options import Cluster, ConfigFile, FirstDay, Json, LastDay


def backtest(
    config: ConfigFile,
    first: FirstDay,
    last: LastDay,
    refit: Annotated[str, typer.Option(help="how long a model serves, as in 28d or 4w")] = "28d",
    out: Annotated[
        Path | None,
        typer.Option(help="folder of the results [default: backtests/FROM_TO in the store]"),
    ] = None,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """Forecast past nights with what was known then, and score them.

    Scores of model and baselines, with intervals. Goes on where it was stopped. Writes
    backtest.json and backtest.html.

    Example: hexcast backtest configs/denver.yaml --from 2024-03-01 --to 2024-05-29
    """
    from rich.console import Console

    from pipeline.backtest.folder import PAGE, RECORD
    from pipeline.backtest.recipe import default_folder, run_backtest
    from pipeline.backtest.schedule import Request, parse_refit
    from pipeline.backtest.table import WIDTH, show
    from pipeline.log import LOGGER, configure_logging
    from pipeline.ranks import config_to_work

    configure_logging()
    settings = config_to_work(config, cluster=cluster)
    request = Request(first.date(), last.date(), parse_refit(refit))
    folder = out or default_folder(settings, request)
    summary = run_backtest(settings, request, folder, datetime.now(UTC), LOGGER.info)
    if as_json:
        typer.echo(json.dumps(summary, indent=1))
        return
    show(summary, Console(width=WIDTH))
    for name in (PAGE, RECORD):
        typer.echo(f"{folder / name}")
