"""The command ``hexcast backfill``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Literal

import typer

from pipeline.cli_options import Cluster, ConfigFile, FirstDay, Json, LastDay, Out, Profile


def backfill(
    config: ConfigFile,
    first: FirstDay,
    last: LastDay,
    reprocess: Annotated[
        Literal["missing", "all"], typer.Option(help="nights without a run, or all of them")
    ] = "missing",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be done")] = False,
    out: Out = None,
    cluster: Cluster = None,
    profile: Profile = False,
    as_json: Json = False,
) -> None:
    """Issue the forecasts of past nights, as known then.

    On all workers. The runs are what the nightly job would have published. Goes on where it
    was stopped.

    Example: hexcast backfill configs/denver.yaml --from 2024-03-01 --to 2024-05-29
    """
    from cluster.profiling import profiled
    from pipeline.backfill import plan_backfill, run_backfill
    from pipeline.log import LOGGER, configure_logging
    from pipeline.ranks import config_to_work
    from pipeline.watch.profiles import profile_line, profile_path

    configure_logging()
    settings = config_to_work(config, out, cluster, works=not dry_run)
    asked = settings, first.date(), last.date(), datetime.now(UTC), reprocess
    if dry_run:
        plan = plan_backfill(*asked)
        typer.echo(json.dumps(plan.figures) if as_json else plan.line)
        return
    path = profile_path(settings, f"backfill-{first:%Y%m%d}-{last:%Y%m%d}") if profile else None
    around = (partial(profiled, path),) if path else ()
    figures = run_backfill(*asked, LOGGER.info, around)
    if path:
        LOGGER.info(profile_line(path))
    if as_json:
        typer.echo(json.dumps(figures))
        return
    made, seconds = figures["to make"], figures["seconds"]
    typer.echo(f"{made} nights made in {seconds:.0f} s: {settings.output.path}/runs")
