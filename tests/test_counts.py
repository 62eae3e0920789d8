"""Counts per hour, cell and category: the same whatever the partitioning, or an error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grids.counts import MAX_COUNT, Events, SparseCounts, checked_counts, net_changes
from grids.hours import HourRange

CELLS, CATEGORIES = 5, 3
HOURS = HourRange(-4, 12)
SEEDED = settings(derandomize=True, deadline=None)


def make_events(rows: list[tuple[int, int, int, int]]) -> Events:
    hour, cell, category, sign = np.array(rows, np.int64).reshape(-1, 4).T
    return Events(hour, cell.astype(np.int32), category.astype(np.int8), sign.astype(np.int8))


def oracle(events: Events) -> pd.Series:
    frame = pd.DataFrame(vars(events)).astype(np.int64)
    net = frame.groupby(["hour", "cell", "category"])["sign"].sum()
    return net[net != 0]


def as_series(net: SparseCounts) -> pd.Series:
    index = pd.MultiIndex.from_arrays(
        [net.hour, net.cell, net.category], names=["hour", "cell", "category"]
    )
    return pd.Series(net.change, index, name="sign")


def slots(signs: list[int]) -> st.SearchStrategy[list[tuple[int, int, int, int]]]:
    row = st.tuples(
        st.integers(HOURS.start, HOURS.stop - 1),
        st.integers(0, CELLS - 1),
        st.integers(0, CATEGORIES - 1),
        st.sampled_from(signs),
    )
    return st.lists(row, max_size=60)


@SEEDED
@given(slots([1, 1, -1]))
def test_net_changes_are_a_groupby(rows: list[tuple[int, int, int, int]]) -> None:
    events = make_events(rows)
    net = as_series(net_changes(events, CELLS, CATEGORIES))
    pd.testing.assert_series_equal(net, oracle(events), check_index_type=False)


@SEEDED
@given(slots([1, -1]), st.lists(st.integers(0, 3), min_size=60, max_size=60))
def test_signed_changes_of_any_parts_add_up(
    rows: list[tuple[int, int, int, int]], parts: list[int]
) -> None:
    total: dict[tuple[int, int, int], int] = {}
    for part in range(4):
        own = [row for row, place in zip(rows, parts, strict=False) if place == part]
        net = as_series(net_changes(make_events(own), CELLS, CATEGORIES))
        for slot, change in net.items():
            total[slot] = total.get(slot, 0) + change
    whole = as_series(net_changes(make_events(rows), CELLS, CATEGORIES))
    assert {slot: change for slot, change in total.items() if change} == whole.to_dict()


def test_an_incident_taken_out_again_leaves_nothing() -> None:
    events = make_events([(3, 1, 2, 1), (3, 1, 2, -1), (4, 1, 2, 1)])
    assert as_series(net_changes(events, CELLS, CATEGORIES)).to_dict() == {(4, 1, 2): 1}


def test_a_count_below_zero_is_an_error() -> None:
    with pytest.raises(ValueError, match="counts -1 to 1 incidents"):
        checked_counts(np.array([1, -1, 0]))


def test_a_count_beyond_its_type_is_an_error() -> None:
    assert checked_counts(np.array([0, MAX_COUNT])).tolist() == [0, MAX_COUNT]
    with pytest.raises(ValueError, match="65536 incidents, outside 0 to 65535"):
        checked_counts(np.array([0, MAX_COUNT + 1]))


def test_slots_beyond_32_bits_stay_apart() -> None:
    hour, cells, categories = 500_000, 5_000, 40
    last = (hour, cells - 1, categories - 1)
    assert hour * cells * categories > 2**32
    events = make_events([(*last, 1), (hour, 0, 0, 1), (*last, 1)])
    net = as_series(net_changes(events, cells, categories))
    assert net.to_dict() == {(hour, 0, 0): 1, last: 2}


@pytest.mark.parametrize("row", [(3, -1, 0), (3, CELLS, 0), (3, 0, -1), (3, 0, CATEGORIES)])
def test_an_index_outside_its_axis_is_an_error(row: tuple[int, int, int]) -> None:
    events = make_events([(2, 0, 0, 1), (*row, 1)])
    with pytest.raises(ValueError, match="drop what is outside"):
        net_changes(events, CELLS, CATEGORIES)
