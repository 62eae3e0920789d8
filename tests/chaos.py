"""Kills nights at random and looks whether anything shows: ``python tests/chaos.py --kills 200``.

A small city, once with a feed of files and once with one of snapshots, lives through three nights
undisturbed. Then the same nights are run over and over in copies of its store, and each time
something happens: the process is killed, after a random time or at a random file operation; a
worker is killed; the disk is full; a folder is read-only; two runs start at once. The night is then
run once more, minutes or hours later, and bronze, silver, quarantine, cube, state, layers and the
archive of forecasts must hold the same as the undisturbed ones. Every run is a forked child, so
that none has to import anything; this process itself touches no store, since the runtimes of Delta
and Icechunk do not survive a fork.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import geopandas
import pandas as pd
import pyarrow.dataset as pads
import xarray as xr
from chaos_city import NIGHTS, City, hasten
from disturbances import DISTURBANCES, child, finish, killed_in_time, worker_killed

from grids.cube import open_cube
from grids.snapshots import open_repository
from pipeline.archive.layout import ARCHIVE, NIGHT, VALUES
from pipeline.cubing import read_state
from pipeline.store import Store
from pipeline.tables import active_files

RUN_ONLY = ("run_id", "model", "geometry", "bbox")  # names of runs and models, not contents


def contents(city: City) -> dict[str, pd.DataFrame]:
    """Everything that the store holds, without names that change from run to run."""
    store = Store(city.config.output.path)
    found = {name: _rows(getattr(store, name)) for name in ("bronze", "silver", "quarantine")}
    counts = open_cube(store.cube)["counts"].to_numpy()
    at = counts.nonzero()
    found["cube"] = pd.DataFrame([*at, counts[at]]).T
    state = read_state(open_repository(store.cube).readonly_session("main").store)
    for name, values in state.arrays().items():
        found[f"state {name}"] = pd.DataFrame(values.reshape(len(values), -1))
    for run in sorted((city.folder / "store" / "runs").iterdir()):
        layer = pd.DataFrame(geopandas.read_parquet(run / "forecast.parquet"))
        found[f"layer {run.name}"] = layer.drop(columns=[n for n in RUN_ONLY if n in layer])
    kept = xr.open_zarr(city.folder / "store" / ARCHIVE, decode_times=False).sortby(NIGHT)
    for name in (*VALUES, "valid_time"):  # scores may wait for the night after
        found[f"kept {name}"] = pd.DataFrame(kept[name].to_numpy().reshape(kept.sizes[NIGHT], -1))
    found["latest"] = pd.DataFrame([(city.folder / "store" / "latest").resolve().name])
    return found


def _rows(table: str) -> pd.DataFrame:
    found = pads.dataset(active_files(table), format="parquet").to_table()
    rows = found.to_pandas(integer_object_nulls=True)  # cells are exact, however many are blank
    rows = rows.drop(columns=[n for n in ("ingested_at", "_ingested_at") if n in rows])
    for name in ("delivery", "_source", "_delivery"):
        if name in rows:
            rows[name] = rows[name].map(os.path.basename)
    return rows.astype("str").sort_values(list(rows.columns), ignore_index=True)


def difference(found: dict[str, pd.DataFrame], wanted: dict[str, pd.DataFrame]) -> str:
    """What differs, or nothing."""
    if found.keys() != wanted.keys():
        return f"there are {sorted(found)}, there should be {sorted(wanted)}"
    for name, frame in wanted.items():
        try:
            pd.testing.assert_frame_equal(found[name], frame, check_exact=False, rtol=1e-9)
        except AssertionError as fault:
            return f"{name}: {' '.join(str(fault).split())[:300]}"
    return ""


@dataclass(frozen=True)
class Campaign:
    """A city, what it holds after every undisturbed night, and how long its nights took."""

    folder: Path
    city: City
    seconds: dict[int, float]

    @classmethod
    def prepare(cls, folder: Path, delivers: Literal["incremental", "snapshot"]) -> Campaign:
        """Live through the nights undisturbed."""
        city = City(folder / "city", delivers)
        (city.folder / "in").mkdir(parents=True)
        seconds = {}
        for night in NIGHTS:
            city.deliver(night)
            city.save(folder / f"before-{night}")
            begun = time.perf_counter()
            if code := finish(child(lambda night=night: city.run(night))):
                raise SystemExit(f"the undisturbed night {night} ended with {code}")
            seconds[night] = time.perf_counter() - begun
            save = folder / f"contents-{night}.pkl"
            if finish(child(lambda save=save: pd.to_pickle(contents(city), save))):
                raise SystemExit("the undisturbed contents cannot be read")
        return cls(folder, city, seconds)

    def trial(self, chance: random.Random) -> str:
        """One disturbed night; raises SystemExit where something shows."""
        night = chance.choices(NIGHTS, [1, 8, 1])[0]  # the first and the last train models
        kinds, weights = list(DISTURBANCES), list(DISTURBANCES.values())
        disturb = chance.choices(kinds, weights)[0]
        if disturb is worker_killed and night == NIGHTS[1]:
            night = NIGHTS[2]  # the night between needs no workers
        city = self.city
        city.restore(self.folder / f"before-{night}")
        told = [disturb(city, night, chance, self.seconds[night])]
        while chance.random() < 0.3:
            told.append(killed_in_time(city, night, chance, self.seconds[night]))
        late = timedelta(minutes=chance.uniform(5, 300))
        if code := finish(child(lambda: city.run(night, late))):
            raise SystemExit(f"after {told} the night {night} ended with {code}: {city.folder}")
        self.judge(city, night, told)
        return f"{disturb.__name__}: {city.delivers}, night {night}: {'; '.join(told)}"

    def judge(self, city: City, night: int, told: list[str]) -> None:
        """Compare with the undisturbed city; in a child, so that this process can go on forking."""
        verdict = self.folder / "verdict.txt"

        def compare() -> None:
            wanted = pd.read_pickle(self.folder / f"contents-{night}.pkl")
            verdict.write_text(difference(contents(city), wanted))

        if finish(child(compare)):
            raise SystemExit(f"after {told} the contents cannot be read: {city.folder}")
        if text := verdict.read_text():
            raise SystemExit(f"after {told} of night {night}: {text}: {city.folder}")


def main() -> None:
    """Run the campaign; prints what was done, and ends with 0 if nothing ever showed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="disturbed nights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to work [default: a temporary folder]")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="hexcast-chaos-"))
    hasten()
    campaigns = []
    for delivers in ("incremental", "snapshot"):
        campaigns.append(Campaign.prepare(folder / delivers, delivers))
        print(f"{delivers}: nights of {json.dumps(campaigns[-1].seconds)} s", flush=True)
    done: Counter[str] = Counter()
    for number in range(options.kills):
        told = campaigns[number % 2].trial(random.Random(f"{options.seed}-{number}"))
        done[told.split(":")[0].replace("_", " ")] += 1
        print(f"{number + 1:>4} {told}", flush=True)
    print(f"{options.kills} disturbed nights, nothing showed: {dict(done)}")
    if not options.folder:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
