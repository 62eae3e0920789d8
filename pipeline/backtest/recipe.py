"""A backtest: past nights forecast with what was known then, scored on what happened.

One refit after the other, every chunk of nights a task on the cluster. Silver is read once, at the
beginning; nothing is written but below the backtest's own folder, so that a nightly run goes on
undisturbed beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from cluster.forwarding import forwarded
from cluster.lazy import LazyCluster
from pipeline.backtest.folder import PAGE, RECORD, Folder, key_of, write_whole
from pipeline.backtest.held import Backtest
from pipeline.backtest.page import page
from pipeline.backtest.rivals import Rivals, make_rivals
from pipeline.backtest.schedule import Period, Request, Schedule, make_schedule
from pipeline.backtest.summary import summarize
from pipeline.backtest.tallies import Unit, join
from pipeline.backtest.work import tally_block
from pipeline.config import Config
from pipeline.districts import Districts, read_districts
from pipeline.errors import ConfigError
from pipeline.known import Known, read_known
from pipeline.nightly import run_night
from pipeline.plainly import plainly
from pipeline.replay import Block, blocks_of
from pipeline.store import Store

Say = Callable[[str], None]


def default_folder(config: Config, request: Request) -> Path:
    """Where a backtest's files go, unless told otherwise."""
    return Path(config.output.path) / "backtests" / request.name


def run_backtest(
    config: Config, request: Request, out: Path, now: datetime, say: Say
) -> dict[str, Any]:
    """Run what is not done yet, and write record and page into ``out``; returns the record.

    Where nothing was ever ingested, that is done first, as a night at ``now`` would. ``say`` is
    told of the progress. Raises HexcastError.
    """
    folder = Folder(out.absolute())
    with plainly(str(folder.root)):
        if not Store(config.output.path).has_silver:
            say("nothing is ingested yet: silver is made first")
            run_night(config, now, until="ingest")
        with folder.locked():
            backtest = collect(read_known(config), request, folder, say)
            summary = summarize(backtest)
            write_whole(folder.root / RECORD, json.dumps(summary, indent=1).encode())
            write_whole(folder.root / PAGE, page(backtest, summary).encode())
    return summary


def collect(known: Known, request: Request, folder: Folder, say: Say) -> Backtest:
    """Plan, make what every refit makes, and tally every chunk of nights that is not kept."""
    known, schedule = _settle(known, request, folder, say)
    silver = Store(known.config.output.path).silver
    # Once, as known at the first cutoff: laws and what is held to them are of the same districts.
    districts = read_districts(silver, known.info.grid, schedule.nights[0])
    began, made = perf_counter(), []
    with LazyCluster(known.config.cluster, folder.root, (forwarded,)) as cluster:
        for at, period in enumerate(schedule.periods):
            of = f"{at + 1} of {len(schedule.periods)}"
            say(f"refit {of}: from what was known at {period.refit:%Y-%m-%d %H:%MZ}")
            rivals = make_rivals(known, districts, period.refit, folder.models, cluster)
            made.append({each.target: each.record for each in rivals})
            for chunk, unit in _work(known, period, rivals, districts, folder, cluster):
                folder.write_unit(chunk, unit)
                say(_progress(schedule, folder, unit))
    units = _read_units(schedule, folder, tuple(known.config.targets))
    tallies = {target: join([unit.targets[target] for unit in units]) for target in known.members}
    seconds = {"this run": perf_counter() - began, "tasks": sum(unit.seconds for unit in units)}
    return Backtest(known, schedule, districts, units[0].rivals, tallies, made, seconds)


def _settle(known: Known, request: Request, folder: Folder, say: Say) -> tuple[Known, Schedule]:
    """What the backtest works from, and the nights; the folder is made theirs."""
    schedule = make_schedule(known.config, known.city, request, known.until, known.label_wait)
    kept = folder.kept()
    if kept:
        # What came in since would change nothing but the newest labels: finish what was begun,
        # unless nights can be scored now that could not be then.
        as_begun = known.at(datetime.fromisoformat(kept["known until"]))
        if len(as_begun.arrivals) and kept["nights"] == [at.isoformat() for at in schedule.nights]:
            as_planned = replace(schedule, known_until=as_begun.until)
            if _key(as_begun, as_planned) == kept:
                known, schedule = as_begun, as_planned
    if schedule.left_out:
        say(f"{len(schedule.left_out)} nights are left out: their labels are not mature yet")
    changed = folder.begin(_key(known, schedule))
    if changed:
        say(f"{folder.root} is of another backtest ({', '.join(changed)} differ): it starts anew")
    return known, schedule


def _key(known: Known, schedule: Schedule) -> dict[str, Any]:
    city = known.city
    return key_of(known.config, schedule, city.cell_keys, known.arrivals, city.context)


def _work(
    known: Known,
    period: Period,
    rivals: list[Rivals],
    districts: Districts,
    folder: Folder,
    cluster: LazyCluster,
) -> Iterator[tuple[tuple[datetime, ...], Unit]]:
    """The tallies of every chunk of the period that is not kept, as they are done."""
    if all(folder.has_unit(chunk) for chunk in period.chunks):
        return
    from cluster.few import few_at_once  # Dask takes seconds to load

    client = cluster.client
    # Always from the period's first night on: a state that went another way differs in its last
    # digits, and what is resumed must be what was never stopped.
    blocks = blocks_of(known.city, known.arrivals, period.chunks)
    missing = (block for block in blocks if not folder.has_unit(block.nights))

    def submit(block: Block, city: Any, made: Any, parts: Any) -> Any:
        sent = client.scatter(block, hash=False)
        return client.submit(tally_block, city, sent, made, known.members, parts, pure=False)

    shared = known.city, rivals, districts
    for block, unit in few_at_once(client, missing, submit, shared):
        yield block.nights, unit


def _read_units(schedule: Schedule, folder: Folder, targets: tuple[str, ...]) -> list[Unit]:
    units = [folder.read_unit(chunk, targets) for chunk in schedule.chunks]
    others = {unit.rivals for unit in units[1:]} - {units[0].rivals}
    if others:
        raise ConfigError(
            f"{folder.root} holds nights with other baselines than the rest: another version made "
            "them; delete it, or give another --out"
        )
    return units


def _progress(schedule: Schedule, folder: Folder, unit: Unit) -> str:
    done = sum(len(chunk) for chunk in schedule.chunks if folder.has_unit(chunk))
    return f"{done} of {len(schedule.nights)} nights, the last chunk in {unit.seconds:.1f} s"
