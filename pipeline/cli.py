"""The command ``hexcast``. Only here is there a "now"; heavy imports wait until a command runs."""

from __future__ import annotations

import json
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cluster.guard import TimeLimitError
from cluster.signals import ended_by_signals
from cluster.submit.marking import mark_output
from pipeline.cli_backfill import backfill
from pipeline.cli_backtest import backtest
from pipeline.cli_export import export
from pipeline.cli_nightly import nightly, report
from pipeline.cli_options import Cluster, ConfigFile, Json, Out
from pipeline.cli_runs import runs, verify
from pipeline.cli_schedule import schedule
from pipeline.cli_score import score
from pipeline.cli_stages import cube, forecast, ingest, train
from pipeline.cli_status import status
from pipeline.cli_submit import submit
from pipeline.cli_tune import tune
from pipeline.errors import OF_THE_PROGRAM, exit_code_of
from pipeline.redact import redact

app = typer.Typer(
    help="Nightly, place-based crime-hotspot forecasts for whole cities.",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its help costs a quarter of a second
)

app.add_typer(export, name="export")
app.command()(nightly)
app.command()(submit)
app.command()(status)
app.command()(backfill)
app.command()(backtest)
app.command()(tune)
app.command()(schedule)
app.command()(runs)
app.command()(verify)
app.command()(score)
app.command()(ingest)
app.command()(cube)
app.command()(train)
app.command()(forecast)


@app.callback()
def _hexcast(
    version: Annotated[bool, typer.Option("--version", help="print the version and stop")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"hexcast {installed('hexcast')}")
        raise typer.Exit


@app.command()
def init(
    source: Annotated[
        list[str],
        typer.Argument(help="files, patterns, a folder, or the address of a file or service"),
    ],
    out: Annotated[
        Path | None, typer.Option(help="the file to write [default: named after the source]")
    ] = None,
    boundary: Annotated[Path | None, typer.Option(help="vector file: the city's outline")] = None,
    place: Annotated[
        str | None, typer.Option(help='where it is, as in "Denver, Colorado" or "39.7,-105.0"')
    ] = None,
    as_json: Json = False,
) -> None:
    """Look at a city's data and write a configuration for it.

    Asks nothing, states its doubts.

    Example: hexcast init incidents.csv --out mycity.yaml
    """
    from dataclasses import asdict

    from pipeline.init.recipe import init_city

    found = init_city(source, out, boundary, place, datetime.now(UTC))
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=1, default=str))
        return
    for line in found.lines:
        typer.echo(line)


@app.command()
def check(
    config: ConfigFile, out: Out = None, cluster: Cluster = None, as_json: Json = False
) -> None:
    """Validate configuration, data, cluster; say what would be done.

    Example: hexcast check configs/denver.yaml
    """
    from pipeline.check import check_city
    from pipeline.ranks import config_to_work

    findings = check_city(config_to_work(config, out, cluster, works=False), datetime.now(UTC))
    if as_json:
        typer.echo(json.dumps(findings, indent=1))
        return
    for name, found in findings.items():
        typer.echo(f"{name:<14}{found}")


@app.command()
def quality(
    config: ConfigFile,
    out: Out = None,
    last: Annotated[
        int | None, typer.Option(min=1, help="how many; else two weeks of nights")
    ] = None,
    as_json: Json = False,
) -> None:
    """Rows, times, delays, drift and warnings of the last deliveries.

    Example: hexcast quality configs/denver.yaml --last 28
    """
    from pipeline.load import load_config
    from pipeline.quality.look import SHOWN, look, look_lines

    settings = load_config(config, out)
    found = look(settings, last or SHOWN)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    for line in look_lines(settings, found):
        typer.echo(line)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="where everything goes")] = Path("var/demo"),
    as_json: Json = False,
) -> None:
    """Simulate the demo city and run its night.

    Ends with the layers, the scores and a map.

    Example: hexcast demo --out /tmp/demo
    """
    from pipeline.demo.recipe import run_demo
    from pipeline.log import configure_logging

    configure_logging()
    report(run_demo(out, datetime.now(UTC)), as_json)


def command() -> None:
    """`main` in a process of its own, which a night's seconds are spent in."""
    # Where scikit-learn is installed, xgboost loads it, scipy.stats and all, for wrappers that no
    # command uses.
    sys.modules["sklearn"] = None  # type: ignore[assignment]
    mark_output()
    main()


def main() -> None:
    """Run the command; what a user can mend is one line and an exit code of sysexits.h."""
    try:
        with ended_by_signals():
            app()
    except (Exception, TimeLimitError) as fault:  # noqa: BLE001 -- no secret may show in any
        code = exit_code_of(fault)
        if code is None:
            typer.echo(redact(traceback.format_exc()), err=True)
            sys.exit(OF_THE_PROGRAM)
        typer.echo(f"hexcast: {redact(str(fault))}", err=True)
        sys.exit(code)


if __name__ == "__main__":
    command()
