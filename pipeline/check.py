"""What a night would meet, without running it: configuration, data, store, cluster."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from forecasts.store import find_run, run_name
from grids.cube import BRANCH, open_repository, read_info
from grids.hours import EPOCH, HOUR, latest_cutoff, reference_hour
from pipeline.config import Config
from pipeline.ingest import new_deliveries
from pipeline.place import is_created, read_boundary
from pipeline.sources import FileSource
from pipeline.store import Store


def check_city(config: Config, now: datetime) -> dict[str, str]:
    """Findings by subject, in plain words. Raises HexcastError at the first thing amiss."""
    cutoff = latest_cutoff(now, config.cutoff, config.zone)
    reference = EPOCH + reference_hour(cutoff) * HOUR
    source, store = FileSource(config.source), Store(config.output.path)
    deliveries = source.deliveries()
    source.read(deliveries)  # looks at the columns, reads no rows
    fresh = new_deliveries(source, store)
    boundary = config.grid.boundary
    done = find_run(Path(store.root), reference)
    return {
        "configuration": f"{config.name}, fingerprint {config.fingerprint}",
        "targets": "; ".join(f"{name}: {' + '.join(of)}" for name, of in config.targets.items()),
        "groups": ", ".join(config.grouping.names),
        "data": f"{len(deliveries)} files, {sum(d.size for d in deliveries) / 2**20:,.1f} MiB",
        "to ingest": f"{len(fresh)} new or changed files",
        "place": _place(boundary, config),
        "store": _store(store),
        "cluster": f"{config.cluster.kind} {config.cluster.address or ''}".strip(),
        "cutoff": f"{cutoff.astimezone(config.zone):%Y-%m-%d %H:%M %Z} (the latest before now)",
        "next night": "done already" if done else f"{store.root}/runs/{run_name(reference)}",
    }


def _place(boundary: str | None, config: Config) -> str:
    if boundary:
        read_boundary(boundary)
        return f"H3 resolution {config.grid.resolution} over {boundary}"
    box = config.grid.bounds or "the incidents' own extent"
    return f"H3 resolution {config.grid.resolution} over {box}"


def _store(store: Store) -> str:
    if not Path(store.cube).exists():
        return f"{store.root}, not begun"
    repository = open_repository(store.cube)
    if not is_created(repository):
        return f"{store.root}, not begun"
    info = read_info(repository.readonly_session(BRANCH).store)
    return f"{store.root}, {len(info.grid):,} cells, known until {info.watermark}"
