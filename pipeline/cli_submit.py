"""The command ``hexcast submit``."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli_options import Accept, AsOf, Cluster, ConfigFile, Json, Out, Profile

if TYPE_CHECKING:
    from cluster.schedules.job import NightlyJob
    from cluster.spec import ClusterSpec

_TERMINATED = 143  # of a process that SIGTERM ends


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
    from pipeline.load import load_config, read_text
    from pipeline.scheduling import carried, nightly_job, running_command
    from pipeline.submitting import out_of, require_elsewhere

    settings = load_config(config, out, cluster)
    require_elsewhere(settings)
    text = read_text(config)
    known = carried(text)
    if known.left:
        typer.echo(f"to be set where the night runs: {', '.join(known.left)}", err=True)
    words = [*out_of(settings), *_words(as_of, accept_quality, profile, as_json)]
    job = nightly_job(config, settings, running_command(), known.values, cluster, words)
    if dry_run:
        typer.echo(_shown(job, settings.cluster), nl=False)
        return
    with _ended_by_signals():
        code = _run(job, settings.cluster, text)
    raise typer.Exit(code)


def _words(as_of: datetime | None, accept_quality: bool, profile: bool, as_json: bool) -> list[str]:
    flags = {"--accept-quality": accept_quality, "--profile": profile, "--json": as_json}
    at = ["--as-of", as_of.strftime("%Y-%m-%dT%H:%M:%S%z")] if as_of else []
    return [*at, *(name for name, wanted in flags.items() if wanted)]


def _shown(job: NightlyJob, spec: ClusterSpec) -> str:
    from pipeline.submitting import shown

    return shown(job, spec)


def _run(job: NightlyJob, spec: ClusterSpec, text: str) -> int:
    from cluster.submit.task import run
    from pipeline.submitting import errand_of

    return run(errand_of(job, spec, text), spec, job.output, _say)


def _say(stream: str, line: str) -> None:
    print(line, file=sys.stdout if stream == "out" else sys.stderr, flush=True)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that what runs elsewhere is ended, too."""

    def end(*_: object) -> None:
        raise SystemExit(_TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
