"""Denver's 2024 delivered night by night: what a night costs, and whether it adds up.

    HEXCAST_DATA=/where/denver.parquet/lies python benchmarks/replay.py var/replay

Every night gets a file of what was reported since the last one, as a feed would deliver it. At the
end the cube and the state that grew are compared with those built from scratch, from the same
silver and from one delivery of everything. Writes ``replay.csv`` and ``replay.png`` beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from grids.clock import latest_cutoff
from grids.cube import open_cube, read_info
from grids.snapshots import open_repository
from pipeline.config import Config
from pipeline.cubing import read_state
from pipeline.load import load_config
from pipeline.nightly import run_night
from pipeline.silver import read_arrivals
from pipeline.state import StateSpec, advance, empty_state
from pipeline.store import Store

CONFIG = Path(__file__).parent.parent / "configs" / "denver.yaml"
DATA = Path(os.environ.get("HEXCAST_DATA", CONFIG.parent.parent / ".." / "shared" / "data"))
STAGES = ("ingest", "cube", "train", "forecast", "layers")
FIRST = datetime(2024, 1, 1, 12, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nights", type=int, default=300)
    parser.add_argument("--until", choices=["cube", "forecast"], default="forecast")
    options = parser.parse_args()
    feed = options.folder / "feed"
    feed.mkdir(parents=True)
    config = replay_config(options.folder / "grown", f"{feed}/*.parquet")
    rows, reported = delivered()
    seconds = []
    last = pd.Timestamp(0, tz="UTC")
    for night in range(options.nights):
        noon = FIRST + timedelta(days=night)
        cutoff = latest_cutoff(noon, config.cutoff, config.zone)
        since = (reported > last) & (reported <= pd.Timestamp(cutoff))
        rows[since].to_parquet(feed / f"reported-until-{cutoff:%Y%m%d}.parquet", index=False)
        last = pd.Timestamp(cutoff)
        seconds.append(one_night(config, cutoff, options.until) | {"rows": int(since.sum())})
        if night % 10 == 0:
            print(json.dumps(seconds[-1]), flush=True)
    table = pd.DataFrame(seconds)
    table.to_csv(options.folder / "replay.csv", index=False)
    plot(table, options.folder / "replay.png")
    print(summary(table))
    compare(config, options.folder, cutoff)


def replay_config(out: Path, path: str) -> Config:
    """Denver's shipped configuration on another feed; its model is made on the first night."""
    config = load_config(CONFIG, out)
    source = config.source.model_copy(update={"path": (path,)})
    model = config.model.model_copy(update={"retrain_days": 1000})
    return config.model_copy(update={"source": source, "model": model})


def delivered() -> tuple[pd.DataFrame, pd.Series]:
    """Every row of the city's file, and when it was reported (UTC)."""
    rows = pd.read_parquet(DATA / "denver.parquet")
    clock = pd.to_datetime(rows["REPORTED_DATE"], format="%m/%d/%Y %I:%M:%S %p", errors="coerce")
    local = clock.dt.tz_localize("America/Denver", ambiguous=True, nonexistent="shift_forward")
    return rows, local.dt.tz_convert("UTC")


def one_night(config: Config, cutoff: datetime, until: Any) -> dict[str, Any]:
    begun = time.perf_counter()
    outcome = run_night(config, cutoff + timedelta(minutes=5), cutoff, until)
    taken = time.perf_counter() - begun
    stages = {name: round(value, 3) for name, value in outcome.manifest["seconds"].items()}
    store = Path(config.output.path)
    size = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
    return {"night": f"{cutoff:%Y-%m-%d}", "seconds": round(taken, 3), **stages, "bytes": size}


def summary(table: pd.DataFrame) -> str:
    """Medians of the first and of the last third of the nights after the first, stage by stage."""
    nights = table.iloc[1:]
    third = max(len(nights) // 3, 1)
    lines = [f"first night {table['seconds'][0]:.1f} s; the {len(nights)} after it, in seconds:"]
    for name in [name for name in ("seconds", *STAGES) if name in table]:
        early, late = nights.head(third)[name].median(), nights.tail(third)[name].median()
        lines.append(f"  {name:<9} {early:.2f} -> {late:.2f}, ratio {late / early:.2f}")
    return "\n".join([*lines, f"  slowest   {nights['seconds'].max():.2f}"])


def compare(config: Config, folder: Path, cutoff: datetime) -> None:
    """The grown cube and state against those of one delivery, and of silver's arrivals at once."""
    whole = replay_config(folder / "whole", str(DATA / "denver.parquet"))
    run_night(whole, datetime.now(UTC), cutoff, until="cube")
    grown, scratch = Store(config.output.path), Store(whole.output.path)
    one, other = (open_cube(store.cube)["counts"].to_numpy() for store in (grown, scratch))
    print(f"counts of one delivery of everything: equal {np.array_equal(one, other)}, {one.sum()}")
    sessions = [open_repository(store.cube).readonly_session("main") for store in (grown, scratch)]
    state, at_once = (read_state(session.store) for session in sessions)
    info = read_info(sessions[0].store)
    spec = StateSpec(len(info.grid), len(info.categories), info.hours.start, config.zone)
    known = read_arrivals(grown.silver, info.grid, info.categories, cutoff)
    print("state, largest relative difference: of one delivery, of silver's arrivals at once")
    again = advance(empty_state(spec), known, cutoff, spec).arrays()
    for name, values in state.arrays().items():
        off = [_difference(values, others[name]) for others in (at_once.arrays(), again)]
        # Nightly deliveries are known when they are delivered, one of everything when reported.
        shown = "known otherwise" if name == "delay" else f"{off[0]:.1g}"
        print(f"  {name}: {shown}, {off[1]:.1g}")


def _difference(one: Any, other: Any) -> float:
    return float(np.max(np.abs(one - other) / np.maximum(np.abs(other), 1e-12)))


def plot(table: pd.DataFrame, path: Path) -> None:
    """Seconds of every night, by stage."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 4), layout="constrained")
    nights = table.iloc[1:]
    stages = [name for name in STAGES if name in table]
    axes.stackplot(nights.index, nights[stages].T, labels=stages)
    axes.plot(nights.index, nights["seconds"], color="black", linewidth=0.8, label="whole night")
    axes.set(xlabel="night", ylabel="seconds", title="Denver 2024, night by night")
    axes.legend(loc="upper left", ncols=3)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
