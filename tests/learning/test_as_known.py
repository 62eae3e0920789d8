"""The promise that everything else rests on: a forecast uses what was known at its cutoff.

What became known later is scrambled or taken away, and nothing of the forecast may move by a bit.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
from cities import BOUNDS, KINDS, Small, midnight, reported_at, small_config
from distributed import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from grids.clock import EPOCH, HOUR
from grids.hexgrid import HexGrid
from pipeline.config import Config
from pipeline.learning.features import FEATURE_NAMES, night_codes
from pipeline.learning.rows import (
    EVEN,
    empty_per_incident,
    sampling_shares,
    training_rows,
)
from pipeline.night import Night, Place
from pipeline.nightly import run_night
from pipeline.replay import (
    Block,
    City,
    counts_of,
    cut_blocks,
    night_at,
    nights_of,
)
from pipeline.silver import Arrivals, microseconds, read_arrivals, sort_arrivals
from pipeline.state import StateSpec, advance, empty_state

CUTOFF = midnight(115)
NOW = midnight(400)


def scramble(rows: pd.DataFrame, cutoff: datetime, seed: int) -> pd.DataFrame:
    """All that a row says, and its key, drawn anew where it became known after ``cutoff``."""
    rng = np.random.default_rng(seed)
    late = (reported_at(rows) > cutoff).to_numpy()
    count = int(late.sum())
    other = rows.copy()
    other.loc[late, "kind"] = rng.choice(KINDS, count)
    other.loc[late, "lat"] = np.char.mod("%.6f", rng.uniform(BOUNDS[1], BOUNDS[3], count))
    other.loc[late, "lon"] = np.char.mod("%.6f", rng.uniform(BOUNDS[0], BOUNDS[2], count))
    other.loc[late, "id"] = rng.choice(rows["id"], count)  # keys of earlier incidents, too
    moved = pd.to_datetime(rows.loc[late, "occurred"]) - pd.to_timedelta(
        rng.integers(0, 60 * 24 * 40, count), unit="min"
    )
    other.loc[late, "occurred"] = moved.dt.strftime("%Y-%m-%d %H:%M").astype("str")
    return other.iloc[rng.permutation(len(other))].reset_index(drop=True)


def forecast(config: Config) -> geopandas.GeoDataFrame:
    run = run_night(config, NOW, CUTOFF).run
    assert run is not None
    return geopandas.read_parquet(run / "forecast.parquet")


def on(client: Client) -> dict[str, str]:
    return {"kind": "address", "address": client.scheduler.address}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_future_does_not_reach_the_forecast(tmp_path: Path, client: Client, seed: int) -> None:
    rows = Small().rows()
    late = reported_at(rows) > CUTOFF
    assert late.sum() > 300
    plain = forecast(small_config(tmp_path / "plain", rows, cluster=on(client)))
    assert (plain["model"].str.contains("xgboost")).all(), "the test needs a model, not a baseline"
    changed = scramble(rows, CUTOFF, seed) if seed == 1 else rows[~late]
    other = forecast(small_config(tmp_path / "changed", changed, cluster=on(client)))
    pd.testing.assert_frame_equal(pd.DataFrame(plain), pd.DataFrame(other), check_exact=True)


def test_what_was_known_does_reach_it(tmp_path: Path, client: Client) -> None:
    rows = Small().rows()
    changed = rows.copy()
    last = reported_at(rows)[reported_at(rows) <= CUTOFF].index[-5:]
    changed.loc[last, ["lat", "lon"]] = rows.loc[0, ["lat", "lon"]].to_list()
    plain = forecast(small_config(tmp_path / "plain", rows, cluster=on(client)))
    other = forecast(small_config(tmp_path / "changed", changed, cluster=on(client)))
    assert not plain["all_expected"].equals(other["all_expected"])


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, client: Client) -> tuple[City, Arrivals]:
    """A city and all its arrivals, whenever they became known."""
    config = small_config(tmp_path_factory.mktemp("city"), Small().rows(), cluster=on(client))
    run_night(config, NOW, midnight(129), until="ingest")
    grid = HexGrid.from_extent(*BOUNDS, 9)
    spec = StateSpec(
        len(grid), len(config.grouping.names), int((config.start - EPOCH) / HOUR), config.zone
    )
    table = f"{config.output.path}/silver/incidents"
    city = City(spec, Place.of(grid), grid.cells, 1)
    return city, read_arrivals(table, grid, config.grouping.names, NOW)


def night_of(city: City, arrivals: Arrivals, cutoff: datetime) -> Night:
    state = advance(empty_state(city.spec), arrivals.until(cutoff), cutoff, city.spec)
    return night_at(city, state, arrivals, (0, 1, 2))


@settings(max_examples=15, deadline=None)
@given(day=st.integers(20, 110), seed=st.integers(0, 2**16))
def test_features_ignore_what_came_later(known: tuple[City, Arrivals], day: int, seed: int) -> None:
    city, arrivals = known
    cutoff = midnight(day)
    later = arrivals.after(cutoff)
    rng = np.random.default_rng(seed)
    mixed = later[rng.permutation(len(later))]
    events = mixed.events
    events.cell[:] = rng.integers(0, city.spec.cells, len(later))
    joined = [arrivals.until(cutoff), Arrivals(np.sort(later.known), later.first, events)]
    nights = [midnight(before) for before in range(day - 4, day + 1)]
    for one, other in zip(
        last_night(city, arrivals, nights),
        last_night(city, sort_arrivals(joined), nights),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def last_night(
    city: City, arrivals: Arrivals, nights: list[datetime]
) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the last of the nights: as training replays it, and as that night itself."""
    *_, night = nights_of(city, cut_blocks(city, arrivals, nights)[-1], (0, 1, 2))
    return night_codes(night), night_codes(night_of(city, arrivals, nights[-1]))


def features_that_see(city: City, blocks: list[Block], others: list[Block]) -> set[str]:
    """Names of the features that differ between two replays of the same nights."""
    seen = set()
    for block, other in zip(blocks, others, strict=True):
        pairs = zip(nights_of(city, block, (0, 1)), nights_of(city, other, (0, 1)), strict=True)
        for night, twin in pairs:
            differ = (night_codes(night) != night_codes(twin)).any(axis=0)
            seen |= {name for name, found in zip(FEATURE_NAMES, differ, strict=True) if found}
    return seen


def with_target_hours_doubled(arrivals: Arrivals, block: Block, delay: timedelta) -> Arrivals:
    """Every incident of the block's last night once more, heard of ``delay`` after its start."""
    start = block.nights[-1]
    hour = int((start - EPOCH) / HOUR)
    inside = (arrivals.events.hour >= hour) & (arrivals.events.hour < hour + 24)
    extra = arrivals[np.flatnonzero(inside)]
    heard = np.full(len(extra), microseconds(start + delay), np.int64)
    return sort_arrivals([arrivals, Arrivals(heard, extra.first, extra.events)])


def test_no_feature_reads_the_hours_it_forecasts(known: tuple[City, Arrivals]) -> None:
    city, arrivals = known
    nights = [midnight(day) for day in range(60, 64)]
    blocks = cut_blocks(city, arrivals, nights)
    honest = with_target_hours_doubled(arrivals, blocks[0], timedelta(seconds=1))
    assert len(honest) > len(arrivals) + 5
    assert features_that_see(city, blocks, cut_blocks(city, honest, nights)) == set()
    # The same incidents, heard of a moment before the cutoff, must be seen: the check can fail.
    leaky = with_target_hours_doubled(arrivals, blocks[0], -timedelta(seconds=1))
    seen = features_that_see(city, blocks, cut_blocks(city, leaky, nights))
    assert {"rate_7d", "ring1_7d", "hour_of_day", "blend"} <= seen


def test_training_sees_each_night_as_that_night_did(known: tuple[City, Arrivals]) -> None:
    city, arrivals = known
    nights = [midnight(day) for day in range(40, 110, 3)]
    replayed = [
        night for b in cut_blocks(city, arrivals, nights) for night in nights_of(city, b, (0, 1, 2))
    ]
    for cutoff, night in zip(nights, replayed, strict=True):
        alone = night_codes(night_of(city, arrivals, cutoff)).astype(int)
        differ = np.abs(night_codes(night).astype(int) - alone)
        # Sums taken in another order may fall on the other side of a bin's edge.
        assert differ.max() <= 1
        assert (differ > 0).mean() < 1e-3


def test_labels_are_counts_of_the_night_ahead(known: tuple[City, Arrivals]) -> None:
    city, arrivals = known
    block = cut_blocks(city, arrivals, [midnight(50), midnight(51)])[0]
    night = next(nights_of(city, block, (1,)))
    events = arrivals.events
    start = int((midnight(50) - EPOCH) / HOUR)
    ahead = (events.hour >= start) & (events.hour < start + 24) & (events.category == 1)
    expected = np.zeros((city.spec.cells, 24), int)
    np.add.at(expected, (events.cell[ahead], events.hour[ahead] - start), events.sign[ahead])
    np.testing.assert_array_equal(counts_of(night, block.labels), expected)
    assert expected.sum() > 3


def test_sampled_rows_stand_for_all(known: tuple[City, Arrivals]) -> None:
    city, arrivals = known
    block = cut_blocks(city, arrivals, [midnight(day) for day in range(40, 80)])[0]
    rows = training_rows(city, block, (0, 1, 2), 6.0)
    every = training_rows(city, block, (0, 1, 2), np.inf)
    assert rows.counts.sum() == every.counts.sum()
    assert (rows.counts == 0).sum() < 0.5 * (every.counts == 0).sum()
    assert rows.weights.sum() == pytest.approx(every.weights.sum(), rel=0.03)
    assert (rows.weights[rows.counts > 0] == 1).all()


@pytest.mark.parametrize(
    ("incidents", "taken"), [(0, 20.0), (1_000, 20.0), (100_000, 10.0), (10_000_000, 4.0)]
)
def test_a_large_city_takes_fewer_empty_hours_for_an_incident(incidents: int, taken: float) -> None:
    assert empty_per_incident(incidents, 1_000_000) == taken


def test_a_night_of_which_nothing_is_known_keeps_its_empty_hours(
    known: tuple[City, Arrivals],
) -> None:
    city, arrivals = known
    nothing = arrivals.until(city.spec.started)
    night = night_at(city, empty_state(city.spec), nothing, (0,))
    assert not night.blend.any()
    assert sampling_shares(night, 20.0).sum() == pytest.approx(20 * EVEN)
