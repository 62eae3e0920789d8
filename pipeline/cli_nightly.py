"""The command ``hexcast nightly``, and what every command of a night says at its end."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from pipeline.cli_options import Accept, AsOf, Cluster, ConfigFile, Json, Out, Profile

if TYPE_CHECKING:
    from pipeline.nightly import Outcome


def nightly(
    config: ConfigFile,
    as_of: AsOf = None,
    out: Out = None,
    cluster: Cluster = None,
    accept_quality: Accept = False,
    profile: Profile = False,
    as_json: Json = False,
) -> None:
    """The whole night: fetch, clean, cube, model, forecast, layers.

    Example: hexcast nightly configs/denver.yaml --as-of 2024-09-01T06:00Z
    """
    from cluster.guard import time_limit
    from pipeline.log import configure_logging
    from pipeline.ranks import config_to_work
    from pipeline.watch.recipe import watched_night

    configure_logging()
    settings, now = config_to_work(config, out, cluster), datetime.now(UTC)
    with time_limit(settings.cluster.limit_hours):
        outcome = watched_night(settings, now, as_of, accept_quality, profile)
    report(outcome, as_json)


def report(outcome: Outcome, as_json: bool) -> None:
    """Print the night's record, as lines or as JSON."""
    from pipeline.report import describe

    if as_json:
        typer.echo(json.dumps(outcome.manifest, indent=1))
        return
    for line in describe(outcome):
        typer.echo(line)
