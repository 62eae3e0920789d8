"""Streams of deliveries through whole ingestions: what is live, and the index of keys with it."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from datetime import datetime
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from tiny import BOX, DAY, NOW, City, incidents, make_config

from grids.hexgrid import HexGrid
from pipeline.ingest.key_tables import LATEST
from pipeline.ingest.keys import Keys

# A night takes a third of a second, of which there is no time to find the smallest example.
SEEDS = st.integers(0, 2**32)
NIGHTS = settings(max_examples=2, phases=[Phase.explicit, Phase.generate])

KINDS = {"A": "assault", "B": "theft", "C": "fraud"}
ROWS = {letter: {"OFFENSE": kind} for letter, kind in KINDS.items()}
ROWS |= {"a": ROWS["A"] | {"COUNT": "-1"}, "o": ROWS["A"] | {"LAT": "39.9"}}
ROWS |= {"x": ROWS["A"] | {"LAT": ""}, "y": ROWS["B"] | {"FROM": "?"}}
_FOLDERS = count()
WIDTH = 12  # keys


def delivered(told: list[str]) -> pd.DataFrame:
    """What a file says of every key, by the letters of ROWS; a key of its own is always there."""
    row = incidents(z="theft").iloc[0].to_dict() | {"COUNT": "1"}
    rows = [row] + [
        row | {"CASE": f"k{number}"} | ROWS[letter]
        for number, letters in enumerate(told)
        for letter in letters
    ]
    return pd.DataFrame(rows, dtype="str")


def a_city(folder: Path, delivers: str) -> City:
    place = folder / str(next(_FOLDERS))
    place.mkdir()
    source = {"path": str(place / "part*.csv"), "delivers": delivers, "retracted": ["-1"]}
    config = make_config(place, {"status": "COUNT"}, source=source)
    return City(place, config, HexGrid.from_extent(*BOX, 9))


def scan(city: City) -> pd.DataFrame:
    """The newest revision of every key, from all of silver; columns LATEST."""
    rows = city.silver().rename(columns={"delivery": "source"})
    return rows.drop_duplicates("id", keep="last")[LATEST].reset_index(drop=True)


def lookups_equal_a_scan(city: City) -> None:
    expected = scan(city)
    keys = Keys(city.store.keys, city.config.source.reading)
    found = keys.latest(expected["id"].astype("str")).sort_values("id", ignore_index=True)
    assert_frame_equal(found, expected.astype(found.dtypes.to_dict()))
    assert set(keys.live().to_pylist()) == set(city.live())


def revisions_are_a_chain(city: City) -> None:
    """Each row takes out just what the one before it put in."""
    silver = city.silver()
    for _, rows in silver.groupby("id"):
        assert rows["revision"].tolist() == list(range(len(rows)))
        assert rows["known_at"].is_monotonic_increasing
        live = ~rows["retracted"]
        for name in ("cell", "group", "occurred_at"):
            before = rows[name].where(live).shift()
            pairs = zip(rows[f"was_{name}"], before, strict=True)
            assert all(pd.isna(old) if pd.isna(was) else was == old for was, old in pairs)


def again_is_nothing_new(city: City, now: datetime) -> None:
    sizes = city.sizes()
    for path in city.folder.glob("part*.csv"):
        city.touch(path.name)
    record = city.ingest(now=now)
    assert (record.kept, record.quarantined, record.absent) == (0, {}, 0)
    assert city.sizes() == sizes


def streams(letters: list[str], seed: int, files: int = 1) -> list[list[list[str]]]:
    """(night, file, key) letters, drawn evenly."""
    shape = (4, files, WIDTH)
    drawn: list[list[list[str]]] = np.random.default_rng(seed).choice(letters, shape).tolist()
    return drawn


@NIGHTS
@given(seed=SEEDS)
def test_of_one_file_the_last_word_counts(seed, tmp_path_factory, may_be_small):
    """Without conflicts: what a row says last, if it can be used; a missing one says nothing."""
    city = a_city(tmp_path_factory.getbasetemp(), "incremental")
    live: dict[str, str] = {}
    for number, (told,) in enumerate(streams([*"ABCABCaox", ""], seed)):
        city.write(delivered(told))
        record = city.ingest(now=NOW + number * DAY)
        assert record.rows_in == record.kept + record.merged + sum(record.quarantined.values())
        for key, letter in enumerate(told):
            if letter in KINDS:
                live[f"k{key}"] = KINDS[letter]
            elif letter in ("a", "o"):
                live.pop(f"k{key}", None)
        assert city.live() == {"z": "theft"} | live
        lookups_equal_a_scan(city)
    revisions_are_a_chain(city)
    again_is_nothing_new(city, NOW + 9 * DAY)


@NIGHTS
@given(seed=SEEDS)
def test_of_a_snapshot_live_is_what_is_in_it(seed, tmp_path_factory, may_be_small):
    """Each key in one of its files, in another one by night; edits, deletions and returns."""
    city = a_city(tmp_path_factory.getbasetemp(), "snapshot")
    live: dict[str, str] = {}
    for number, (told, places) in enumerate(streams([*"ABCABaox", "", ""], seed, files=2)):
        for name, letters in (("part-1.csv", "ABCx"), ("part-2.csv", "ao")):
            pairs = zip(told, places, strict=True)
            city.write(delivered([said if at in [*letters] else "" for said, at in pairs]), name)
        there = {f"k{i}": said for i, said in enumerate(told) if said and places[i]}
        record = city.ingest(now=NOW + number * DAY)
        assert record.absent == len(live.keys() - there.keys())
        live = {
            key: KINDS[said] if said in KINDS else live[key]
            for key, said in there.items()
            if said in KINDS or (said == "x" and key in live)
        }
        assert city.live() == {"z": "theft"} | live
        lookups_equal_a_scan(city)
    revisions_are_a_chain(city)
    again_is_nothing_new(city, NOW + 9 * DAY)


@NIGHTS
@given(seed=SEEDS, delivers=st.sampled_from(["snapshot", "incremental"]))
def test_whatever_is_delivered_the_index_may_be_lost(
    seed, delivers, tmp_path_factory, may_be_small
):
    """Conflicts, doubles and contradicting files; with the index lost or restored in between."""
    whole, lossy = (a_city(tmp_path_factory.getbasetemp(), delivers) for _ in range(2))
    files = {"source": whole.config.source}
    lossy = replace(lossy, folder=whole.folder, config=lossy.config.model_copy(update=files))
    old, keys = Path(lossy.store.root) / "keys.old", Path(lossy.store.keys)
    letters = [*"ABCABCaox", "AB", "BA", "AC", "Aa", "Ao", "xB", "AA", "y", "", "", ""]
    for number, told in enumerate(streams(letters, seed, files=2)):
        for name, rows in zip(("part-1.csv", "part-2.csv"), told, strict=True):
            whole.write(delivered(rows), name)
        one, other = (city.ingest(now=NOW + number * DAY) for city in (whole, lossy))
        assert one == other
        lookups_equal_a_scan(whole)
        match number:
            case 0:
                shutil.copy(keys, old)
            case 1:
                keys.unlink()
            case 2:
                shutil.copy(old, keys)
    assert_frame_equal(*(city.silver() for city in (whole, lossy)))
    assert Counter(whole.quarantine()["content"]) == Counter(lossy.quarantine()["content"])
    revisions_are_a_chain(whole)
    for city in (whole, lossy):
        again_is_nothing_new(city, NOW + 9 * DAY)
