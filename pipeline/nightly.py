"""A night: what was delivered -> silver -> cube and state -> model -> forecast -> layers.

Every stage is skipped when its output for this night exists, so that a night that was killed goes
on where it stopped, and a finished one does nothing, quickly: the libraries that the stages need
are loaded with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cluster.forwarding import forwarded
from cluster.lazy import Around, LazyCluster
from forecasts.stac import index_runs
from forecasts.store import run_name
from grids.clock import latest_cutoff
from pipeline.config import Config
from pipeline.errors import ConfigError, MissingInputError
from pipeline.log import StageLog, placing
from pipeline.mirroring import mirror
from pipeline.plainly import plainly
from pipeline.run import Run

if TYPE_CHECKING:
    from pipeline.sources.source import IncidentSource

Stage = Literal["ingest", "cube", "train", "forecast"]


@dataclass(frozen=True)
class Outcome:
    """What a night did. ``run``: the folder of its layers; ``manifest``: its record."""

    run: Path | None
    manifest: dict[str, Any] = field(default_factory=dict)
    already_done: bool = False


def run_night(
    config: Config,
    now: datetime,
    as_of: datetime | None = None,
    until: Stage = "forecast",
    fetch: bool = True,
    source: IncidentSource | None = None,
    accept_quality: bool = False,
    log: StageLog | None = None,
    around: Sequence[Around] = (),
) -> Outcome:
    """The night of ``as_of`` (aware; by default the latest cutoff before ``now``), up to a stage.

    Without ``fetch`` silver is taken as it is. ``accept_quality``: take a delivery in that is
    beyond a limit of quality. ``log``: of its stages. ``around``: as of LazyCluster. Raises
    HexcastError; then nothing is published.
    """
    run = run_at(config, now, as_of)
    log = log or StageLog(run.id)
    with (
        plainly(config.output.path),
        run.store.locked(),
        placing(log),
        LazyCluster(config.cluster, run.root, (forwarded, *around)) as cluster,
    ):
        done = run.done() if until == "forecast" else None
        if done:
            index_runs(run.root)  # which a night that was killed at its end has not done
            mirror(run)
            return Outcome(run.root / "runs" / run_name(run.reference), done, already_done=True)
        from pipeline.job import Job
        from pipeline.sources.recipe import make_source
        from pipeline.stages import run_stages

        job = Job(config, run.cutoff, now, source or make_source(config.source), cluster, log)
        return Outcome(*run_stages(job, until, fetch, accept_quality))


def run_at(config: Config, now: datetime, as_of: datetime | None = None) -> Run:
    """The run of ``as_of``, or of the latest cutoff before ``now``. Raises HexcastError."""
    cutoff = as_of or latest_cutoff(now, config.cutoff, config.zone)
    check_cutoff(config, cutoff, now)
    return Run(config, cutoff.astimezone(UTC), now)


def check_cutoff(config: Config, cutoff: datetime, now: datetime, option: str = "--as-of") -> None:
    """Raise HexcastError where nothing is known at ``cutoff``, or it has no offset."""
    if cutoff.tzinfo is None:
        raise ConfigError(f"{option} {cutoff} has no offset: write it as 2024-09-01T06:00Z")
    if cutoff > now:
        raise ConfigError(
            f"{option} {cutoff:%Y-%m-%dT%H:%MZ} lies ahead: nothing is known then yet"
        )
    if cutoff <= config.start:
        raise MissingInputError(
            f"{option} {cutoff:%Y-%m-%dT%H:%MZ} is not after the data begin "
            f"(source.start {config.source.start}): forecast a later night"
        )
