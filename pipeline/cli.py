"""The command ``hexcast``. Only here is there a "now"; heavy imports wait until a command runs."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipeline.nightly import Outcome, Stage

export = typer.Typer(help="Copies of what a store holds, for other programs.", no_args_is_help=True)
app = typer.Typer(
    help="Nightly, place-based crime-hotspot forecasts for whole cities.",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(export, name="export")

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="the city's YAML file")]
_FORMATS = ["%Y-%m-%dT%H:%M%z", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M", "%Y-%m-%d"]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        formats=_FORMATS,
        help="the cutoff, with its offset [default: the latest configured cutoff]",
    ),
]
NightAsOf = Annotated[
    datetime | None,
    typer.Option(
        formats=_FORMATS,
        help="the newest night kept with a cutoff at or before this, with its offset "
        "[default: the last night]",
    ),
]
Out = Annotated[
    Path | None, typer.Option(help="where store and layers go [default: the file's output.path]")
]
Json = Annotated[bool, typer.Option("--json", help="print the record as JSON")]


@app.callback()
def _hexcast(
    version: Annotated[bool, typer.Option("--version", help="print the version and stop")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"hexcast {installed('hexcast')}")
        raise typer.Exit


@app.command()
def nightly(config: ConfigFile, as_of: AsOf = None, out: Out = None, as_json: Json = False) -> None:
    """The whole night: fetch, clean, cube, model, forecast, layers.

    Example: hexcast nightly configs/denver.yaml --as-of 2024-09-01T06:00Z
    """
    _report(_run(config, as_of, out, "forecast"), as_json)


@app.command()
def ingest(config: ConfigFile, as_of: AsOf = None, out: Out = None, as_json: Json = False) -> None:
    """The night as far as silver: what was delivered since last time, cleaned and settled.

    Example: hexcast ingest configs/denver.yaml
    """
    _report(_run(config, as_of, out, "ingest"), as_json)


@app.command()
def cube(config: ConfigFile, as_of: AsOf = None, out: Out = None, as_json: Json = False) -> None:
    """The night as far as cube and state.

    Example: hexcast cube configs/denver.yaml --as-of 2024-09-01T06:00Z
    """
    _report(_run(config, as_of, out, "cube"), as_json)


@app.command()
def train(config: ConfigFile, as_of: AsOf = None, out: Out = None, as_json: Json = False) -> None:
    """The night as far as the models; they are made where those kept are too old.

    Example: hexcast train configs/denver.yaml --as-of 2024-09-01T06:00Z
    """
    _report(_run(config, as_of, out, "train"), as_json)


@app.command()
def forecast(
    config: ConfigFile, as_of: AsOf = None, out: Out = None, as_json: Json = False
) -> None:
    """The night from silver as it is, without fetching anything.

    Example: hexcast forecast configs/denver.yaml --as-of 2024-09-01T06:00Z
    """
    _report(_run(config, as_of, out, "forecast", fetch=False), as_json)


@app.command()
def check(config: ConfigFile, out: Out = None, as_json: Json = False) -> None:
    """Validate configuration, data and cluster, and say what a night would do.

    Example: hexcast check configs/denver.yaml
    """
    from pipeline.check import check_city
    from pipeline.load import load_config

    findings = check_city(load_config(config, out), datetime.now(UTC))
    if as_json:
        typer.echo(json.dumps(findings, indent=1))
        return
    for name, found in findings.items():
        typer.echo(f"{name:<14}{found}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="where everything goes")] = Path("var/demo"),
    as_json: Json = False,
) -> None:
    """Simulate the demo city and run its night; ends with the layers, the scores and a map.

    Example: hexcast demo --out /tmp/demo
    """
    from pipeline.demo import run_demo
    from pipeline.log import configure_logging

    configure_logging()
    _report(run_demo(out, datetime.now(UTC)), as_json)


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
    """The counts of the last night, or of an earlier one, as a plain Zarr store.

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


def _run(
    path: Path, as_of: datetime | None, out: Path | None, until: Stage, fetch: bool = True
) -> Outcome:
    from pipeline.load import load_config
    from pipeline.log import configure_logging
    from pipeline.nightly import run_night

    configure_logging()
    return run_night(load_config(path, out), datetime.now(UTC), as_of, until, fetch)


def _report(outcome: Outcome, as_json: bool) -> None:
    from pipeline.report import describe

    if as_json:
        typer.echo(json.dumps(outcome.manifest, indent=1))
        return
    for line in describe(outcome):
        typer.echo(line)


def main() -> None:
    """Run the command; what a user can mend is one line and an exit code of sysexits.h."""
    try:
        app()
    except Exception as fault:
        code = _exit_code(fault)
        if code is None:
            raise
        typer.echo(f"hexcast: {fault}", err=True)
        sys.exit(code)


def _exit_code(fault: BaseException) -> int | None:
    """The code that our own errors carry; None for a fault of the program."""
    code: Any = getattr(fault, "exit_code", None)
    ours = type(fault).__module__.split(".")[0] in ("pipeline", "cluster", "forecasts", "grids")
    return int(code) if ours and isinstance(code, int) else None


if __name__ == "__main__":
    main()
