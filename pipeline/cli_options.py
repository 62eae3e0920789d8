"""Arguments and options that several commands share."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="the city's YAML file")]
_FORMATS = ["%Y-%m-%dT%H:%M%z", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M", "%Y-%m-%d"]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        formats=_FORMATS,
        help="the cutoff, with its offset [default: the latest configured cutoff]",
    ),
]
_DAY = ["%Y-%m-%d"]
FirstDay = Annotated[
    datetime, typer.Option("--from", formats=_DAY, help="local date of the first cutoff")
]
LastDay = Annotated[
    datetime, typer.Option("--to", formats=_DAY, help="local date of the last cutoff")
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
Cluster = Annotated[
    str | None,
    typer.Option(help="a name of clusters.yaml beside CONFIG, or local [default: the file's own]"),
]
Json = Annotated[bool, typer.Option("--json", help="print the record as JSON")]
Profile = Annotated[
    bool, typer.Option("--profile", help="keep a report of the cluster's work, below profiles")
]
Accept = Annotated[
    bool,
    typer.Option(help="take in a delivery beyond the limits of quality: you have looked at it"),
]
