"""A backtest: past nights forecast with what was known then, scored on what happened.

One refit after the other, every chunk of nights a task on the cluster. Silver is read once, at the
beginning; nothing is written but below the backtest's own folder, so that a nightly run goes on
undisturbed beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from cluster.lazy import LazyCluster
from grids.cube import CubeInfo, read_info
from grids.hours import EPOCH
from grids.snapshots import BRANCH, open_repository
from pipeline.backtest.districts import Districts, read_districts
from pipeline.backtest.folder import PAGE, RECORD, Folder, key_of, write_whole
from pipeline.backtest.plan import CHUNK_NIGHTS, Period, Plan, Request, make_plan
from pipeline.backtest.rivals import Rivals, make_rivals
from pipeline.backtest.tallies import Tallies, Unit, join
from pipeline.backtest.work import tally_block
from pipeline.config import Config
from pipeline.delay import DELAY_DAYS, DELAY_EDGES, count_delays, maturity, reported_share
from pipeline.errors import MissingInputError
from pipeline.night import Place
from pipeline.nightly import run_night
from pipeline.plainly import plainly
from pipeline.replay import City, cut_blocks
from pipeline.silver import Arrivals, read_arrivals
from pipeline.state import StateSpec
from pipeline.store import Store

END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Known:
    """Everything that silver holds, and what every night shares."""

    config: Config
    city: City
    info: CubeInfo
    arrivals: Arrivals

    @property
    def until(self) -> datetime:
        """When the last of it became known."""
        return EPOCH + timedelta(microseconds=int(self.arrivals.known[-1]))

    def at(self, instant: datetime) -> Known:
        """The part that was known at an instant."""
        return replace(self, arrivals=self.arrivals.until(instant))

    @property
    def members(self) -> dict[str, tuple[int, ...]]:
        """Of every target, its places on the category axis."""
        axis = self.info.categories
        return {t: tuple(map(axis.index, groups)) for t, groups in self.config.targets.items()}


@dataclass(frozen=True)
class Backtest:
    """What a backtest left. ``tallies``: by target; ``rivals``: names on their rival axis.

    ``made``: of every refit, the record of what was made, by target.
    """

    known: Known
    plan: Plan
    districts: Districts
    rivals: tuple[str, ...]
    tallies: dict[str, Tallies]
    made: list[dict[str, Any]]
    seconds: dict[str, float]


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
    from pipeline.backtest.page import page
    from pipeline.backtest.summary import summarize

    folder = Folder(out.absolute())
    with plainly(str(folder.root)):
        if not Store(config.output.path).has_silver:
            say("nothing is ingested yet: silver is made first")
            run_night(config, now, until="ingest")
        with folder.locked():
            backtest = collect(read_known(config), request, folder, say)
            summary = summarize(backtest)
            write_whole(folder.root / PAGE, page(backtest, summary).encode())
            write_whole(folder.root / RECORD, json.dumps(summary, indent=1).encode())
    return summary


def read_known(config: Config) -> Known:
    """All of silver, read once. Raises MissingInputError where it holds no incident."""
    store = Store(config.output.path)
    info = read_info(open_repository(store.cube).readonly_session(BRANCH).store)
    arrivals = read_arrivals(store.silver, info.grid, info.categories, END_OF_TIME)
    if not len(arrivals):
        raise MissingInputError(f"{store.silver} holds no incident: deliver some first")
    spec = StateSpec(len(info.grid), len(info.categories), info.hours.start, config.zone)
    city = City(spec, Place.of(info.grid), info.grid.cells, config.horizon_days)
    return Known(config, city, info, arrivals)


def collect(known: Known, request: Request, folder: Folder, say: Say) -> Backtest:
    """Plan, make what every refit makes, and tally every chunk of nights that is not kept."""
    known, plan = _settle(known, request, folder, say)
    silver = Store(known.config.output.path).silver
    districts = read_districts(silver, known.info.grid, plan.nights[0])
    began, made = perf_counter(), []
    with LazyCluster(known.config.cluster, folder.root) as cluster:
        for at, period in enumerate(plan.periods):
            of = f"{at + 1} of {len(plan.periods)}"
            say(f"refit {of}: from what was known at {period.refit:%Y-%m-%d %H:%MZ}")
            rivals = _rivals(known, period, folder, cluster)
            made.append({each.target: each.record for each in rivals})
            for chunk, unit in _work(known, period, rivals, districts, folder, cluster):
                folder.write_unit(chunk, unit)
                say(_progress(plan, folder, unit))
    units = [folder.read_unit(chunk, tuple(known.config.targets)) for chunk in plan.chunks]
    tallies = {target: join([unit.targets[target] for unit in units]) for target in known.members}
    seconds = {"this run": perf_counter() - began, "tasks": sum(unit.seconds for unit in units)}
    return Backtest(known, plan, districts, units[0].rivals, tallies, made, seconds)


def _settle(known: Known, request: Request, folder: Folder, say: Say) -> tuple[Known, Plan]:
    """What the backtest works from, and its plan; the folder is made that plan's."""
    plan = _plan(known, request)
    kept = folder.kept()
    if kept:
        # What came in since would change nothing but the newest labels: finish what was begun,
        # unless nights can be scored now that could not be then.
        as_begun = known.at(datetime.fromisoformat(kept["known until"]))
        if len(as_begun.arrivals) and kept["nights"] == [at.isoformat() for at in plan.nights]:
            as_planned = replace(plan, known_until=as_begun.until)
            if _key(as_begun, as_planned) == kept:
                known, plan = as_begun, as_planned
    if plan.left_out:
        say(f"{len(plan.left_out)} nights are left out: their labels are not mature yet")
    changed = folder.begin(_key(known, plan))
    if changed:
        say(f"{folder.root} is of another backtest ({', '.join(changed)} differ): it starts anew")
    return known, plan


def _plan(known: Known, request: Request) -> Plan:
    return make_plan(known.config, known.city, request, known.until, _label_wait(known))


def _key(known: Known, plan: Plan) -> dict[str, Any]:
    return key_of(known.config, plan, known.city.cell_keys, known.arrivals)


def _label_wait(known: Known) -> timedelta:
    empty = np.zeros((DELAY_DAYS, len(DELAY_EDGES) + 1), np.int64)
    delays = count_delays(empty, known.arrivals, known.city.spec.started, known.until)
    return maturity(reported_share(delays, known.until))


def _rivals(known: Known, period: Period, folder: Folder, cluster: LazyCluster) -> list[Rivals]:
    return make_rivals(
        known.config,
        known.city,
        known.info.categories,
        known.arrivals,
        period.refit,
        folder.models,
        cluster,
    )


def _work(
    known: Known,
    period: Period,
    rivals: list[Rivals],
    districts: Districts,
    folder: Folder,
    cluster: LazyCluster,
) -> Iterator[tuple[tuple[datetime, ...], Unit]]:
    """Chunks of the period that are not kept, as they are done, with few at work at once."""
    if all(folder.has_unit(chunk) for chunk in period.chunks):
        return
    from distributed import as_completed

    client = cluster.client
    # Always from the period's first night on: a state that went another way differs in its last
    # digits, and what is resumed must be what was never stopped.
    blocks = cut_blocks(known.city, known.arrivals, period.nights, CHUNK_NIGHTS)
    missing = [block for block in blocks if not folder.has_unit(block.nights)]
    # Without a hash for a name: a name that is used again, while its last use is being let go of,
    # would be let go of, too.
    city, made, parts = (
        client.scatter(each, broadcast=True, hash=False) for each in (known.city, rivals, districts)
    )
    waiting, at_work = missing[::-1], {}

    def submit() -> Any:
        block = waiting.pop()
        sent = client.scatter(block, hash=False)
        future = client.submit(tally_block, city, sent, made, known.members, parts, pure=False)
        at_work[future] = block
        return future

    slots = min(2 * len(client.scheduler_info()["workers"]), len(waiting))
    done = as_completed([submit() for _ in range(slots)])
    for future in done:
        block, unit = at_work.pop(future), future.result()
        if waiting:
            done.add(submit())
        yield block.nights, unit


def _progress(plan: Plan, folder: Folder, unit: Unit) -> str:
    done = sum(len(chunk) for chunk in plan.chunks if folder.has_unit(chunk))
    return f"{done} of {len(plan.nights)} nights, the last chunk in {unit.seconds:.1f} s"
