"""The command ``hexcast submit``."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated

import typer

from pipeline.cli_options import Accept, AsOf, Cluster, ConfigFile, Json, Out, Profile


def submit(
    config: ConfigFile,
    as_of: AsOf = None,
    out: Out = None,
    cluster: Cluster = None,
    accept_quality: Accept = False,
    profile: Profile = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="print what would be submitted, and stop")
    ] = False,
    as_json: Json = False,
) -> None:
    """The whole night on a cluster, its driver included.

    Says what the night says, ends with its exit code, and ends it when it is ended.

    Example: hexcast submit mycity.yaml --cluster office
    """
    from pipeline import submitting
    from pipeline.load import load_config, read_text
    from pipeline.scheduling import nightly_job, running_command

    settings = load_config(config, out, cluster)
    submitting.require_elsewhere(settings)
    words = [
        *submitting.out_of(settings, out),
        *_words(as_of, accept_quality, profile, as_json),
    ]
    text = read_text(config)
    known = submitting.carried_to(settings, config, text, cluster)
    if known.left:
        typer.echo(f"to be set where the night runs: {', '.join(known.left)}", err=True)
    job = nightly_job(config, settings, running_command(), known.values, cluster, words)
    if dry_run:
        typer.echo(submitting.shown(job, settings.cluster, text), nl=False)
        return
    raise typer.Exit(submitting.run(job, settings.cluster, text, _say))


def _words(as_of: datetime | None, accept_quality: bool, profile: bool, as_json: bool) -> list[str]:
    flags = {"--accept-quality": accept_quality, "--profile": profile, "--json": as_json}
    at = ["--as-of", as_of.strftime("%Y-%m-%dT%H:%M:%S%z")] if as_of else []
    return [*at, *(name for name, wanted in flags.items() if wanted)]


def _say(stream: str, line: str) -> None:
    print(line, file=sys.stdout if stream == "out" else sys.stderr, flush=True)
