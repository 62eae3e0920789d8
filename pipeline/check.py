"""What a night would meet, without running it: configuration, data, store, cluster."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from cluster.pods import in_pod
from cluster.ranks import own_step
from cluster.submit.kubernetes import require_operator
from cluster.submit.slurm import require_slurm
from forecasts.store import run_name
from grids.clock import latest_cutoff
from grids.cube import read_info
from grids.snapshots import BRANCH, open_repository
from pipeline.config import Config
from pipeline.context.reading import read_table
from pipeline.ingest.recipe import new_deliveries
from pipeline.neighbourhoods import require_names
from pipeline.place import make_grid, read_boundary, require_same_store
from pipeline.plainly import plainly
from pipeline.run import Run
from pipeline.sources.recipe import make_source
from pipeline.store import Store


def check_city(config: Config, now: datetime) -> dict[str, str]:
    """Findings by subject, in plain words. Raises what a night would raise, at the first fault."""
    with plainly(config.output.path):
        return _findings(config, now)


def _findings(config: Config, now: datetime) -> dict[str, str]:
    cutoff = latest_cutoff(now, config.cutoff, config.zone)
    source, store = make_source(config.source), Store(config.output.path)
    deliveries = source.deliveries()
    fresh = new_deliveries(config, deliveries, store)
    source.check(fresh)
    return {
        "configuration": f"{config.name}, fingerprint {config.fingerprint}",
        "targets": "; ".join(f"{name}: {' + '.join(of)}" for name, of in config.targets.items()),
        "groups": ", ".join(config.grouping.names),
        "data": f"{len(deliveries)} files, {sum(d.size for d in deliveries) / 2**20:,.1f} MiB",
        "to ingest": f"{len(fresh)} new or changed files",
        "place": _place(config),
        "tables": _tables(config, store),
        "store": _store(config, store),
        "cluster": _cluster(config),
        "cutoff": f"{cutoff.astimezone(config.zone):%Y-%m-%d %H:%M %Z} (the latest before now)",
        "next night": _next(Run(config, cutoff, now)),
    }


def _place(config: Config) -> str:
    if config.grid.boundary:
        read_boundary(config.grid.boundary)
        require_names(config.grid)
    over = config.grid.boundary or config.grid.bounds or "the incidents' own extent"
    return f"H3 resolution {config.grid.resolution} over {over}"


def _tables(config: Config, store: Store) -> str:
    if not config.tables:
        return "none"
    if store.has_silver:
        grid = read_info(open_repository(store.cube).readonly_session(BRANCH).store).grid
    elif config.grid.boundary or config.grid.bounds:
        grid = make_grid(config, lambda: (0.0, 0.0, 0.0, 0.0))  # nobody asks for the extent
    else:
        return "read on the first night, when the incidents' extent is known"
    return ", ".join(name for table in config.tables for name in read_table(table, grid).columns)


def _store(config: Config, store: Store) -> str:
    if not store.has_silver:
        return f"{store.root}, not begun"
    info = read_info(open_repository(store.cube).readonly_session(BRANCH).store)
    require_same_store(config, info)
    return f"{store.root}, {len(info.grid):,} cells, known until {info.watermark}"


def _cluster(config: Config) -> str:
    spec = config.cluster
    if spec.kind == "local":
        return f"local, {spec.workers or os.cpu_count()} workers"
    if spec.kind == "slurm" and own_step() is None:
        require_slurm()
        return f"slurm, {spec.workers} workers of an allocation, as hexcast submit asks for it"
    if spec.kind == "kubernetes" and not in_pod():
        require_operator(spec.namespace)
        return f"kubernetes, {spec.workers} workers in pods, as hexcast submit asks for them"
    from cluster.lazy import LazyCluster  # Dask takes seconds to load

    with LazyCluster(spec, Path(config.output.path)) as cluster:
        found = len(cluster.client.nthreads())
    return f"{spec.address or spec.kind}, {found} workers of the same versions"


def _next(run: Run) -> str:
    return "done already" if run.done() else f"{run.root}/runs/{run_name(run.reference)}"
