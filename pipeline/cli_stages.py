"""The commands that are a part of a night: ``ingest``, ``cube``, ``train`` and ``forecast``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli_nightly import report
from pipeline.cli_options import Accept, AsOf, Cluster, ConfigFile, Json, Out

if TYPE_CHECKING:
    from pipeline.nightly import Outcome, Stage


def ingest(
    config: ConfigFile,
    as_of: AsOf = None,
    out: Out = None,
    cluster: Cluster = None,
    accept_quality: Accept = False,
    as_json: Json = False,
) -> None:
    """The night as far as silver: what is new, cleaned and settled.

    Example: hexcast ingest configs/denver.yaml
    """
    report(_run(config, as_of, out, cluster, "ingest", accept=accept_quality), as_json)


def cube(
    config: ConfigFile,
    as_of: AsOf = None,
    out: Out = None,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """The night as far as cube and state.

    Example: hexcast cube configs/denver.yaml --as-of 2024-09-01T06:00Z
    """
    report(_run(config, as_of, out, cluster, "cube"), as_json)


def train(
    config: ConfigFile,
    as_of: AsOf = None,
    out: Out = None,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """The night as far as the models.

    They are made where those kept are too old.

    Example: hexcast train configs/denver.yaml --as-of 2024-09-01T06:00Z
    """
    report(_run(config, as_of, out, cluster, "train"), as_json)


def forecast(
    config: ConfigFile,
    as_of: AsOf = None,
    out: Out = None,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """The night from silver as it is, without fetching anything.

    Example: hexcast forecast configs/denver.yaml --as-of 2024-09-01T06:00Z
    """
    report(_run(config, as_of, out, cluster, "forecast", fetch=False), as_json)


def _run(
    path: Path,
    as_of: datetime | None,
    out: Path | None,
    cluster: str | None,
    until: Stage,
    fetch: bool = True,
    accept: bool = False,
) -> Outcome:
    from cluster.guard import time_limit
    from pipeline.log import configure_logging
    from pipeline.nightly import run_night
    from pipeline.ranks import config_to_work

    configure_logging()
    settings, now = config_to_work(path, out, cluster), datetime.now(UTC)
    with time_limit(settings.cluster.limit_hours):
        return run_night(settings, now, as_of, until, fetch, accept_quality=accept)
