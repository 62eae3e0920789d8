"""A shard's bytes are those that Zarr itself would have written."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec
from zarr.storage import MemoryStore

from grids.counts import SparseCounts
from grids.shards import CHUNK_CELLS, SHARD_HOURS, ZSTD_LEVEL, chunk_of, encode_shard

FIRST = 400_003


def written_by_zarr(dense: NDArray[np.uint16]) -> bytes | None:
    """The one shard of an array of the cube's layout that Zarr fills."""
    _, cells, categories = dense.shape
    chunk, store = chunk_of(cells), MemoryStore()
    array = zarr.create_array(
        store,
        shape=dense.shape,
        chunks=(SHARD_HOURS, chunk, categories),
        shards=(SHARD_HOURS, chunk * -(-cells // chunk), categories),
        dtype="uint16",
        fill_value=0,
        compressors=ZstdCodec(level=ZSTD_LEVEL),
        config={"write_empty_chunks": False},
    )
    array[...] = dense
    found = store._store_dict.get("c/0/0/0")
    return found.to_bytes() if found is not None else None


def sparse(dense: NDArray[np.uint16]) -> SparseCounts:
    hour, cell, category = np.nonzero(dense)
    return SparseCounts(hour + FIRST, cell, category, dense[hour, cell, category].astype(np.int64))


def some_counts(cells: int, categories: int, seed: int, among: list[int]) -> NDArray[np.uint16]:
    """Counts in some of the cells, most of the hours without any."""
    rng, dense = np.random.default_rng(seed), np.zeros((SHARD_HOURS, cells, categories), np.uint16)
    size = (200, len(among))
    dense[rng.integers(0, SHARD_HOURS, size), among, rng.integers(0, categories, size)] = (
        rng.integers(1, 2**16, size)
    )
    return dense


@settings(derandomize=True, deadline=None, max_examples=25)
@given(
    st.integers(1, 2 * CHUNK_CELLS + 3),
    st.integers(1, 5),
    st.integers(0, 99),
    st.lists(st.floats(0, 1, exclude_max=True), max_size=4),
)
def test_bytes_are_zarrs_own(cells: int, categories: int, seed: int, among: list[float]) -> None:
    dense = some_counts(cells, categories, seed, sorted({int(at * cells) for at in among}))
    assert encode_shard(sparse(dense), FIRST, cells, categories) == written_by_zarr(dense)


def test_a_chunk_without_incidents_takes_no_room() -> None:
    cells = 3 * CHUNK_CELLS
    only = encode_shard(sparse(some_counts(cells, 2, 1, [5])), FIRST, cells, 2)
    both = encode_shard(sparse(some_counts(cells, 2, 1, [5, cells - 1])), FIRST, cells, 2)
    assert only is not None
    assert both is not None
    index = np.frombuffer(only[-3 * 16 - 4 : -4], "<u8").reshape(3, 2)
    assert (index[1:] == 2**64 - 1).all()
    assert index[0].tolist() == [0, len(only) - 3 * 16 - 4]
    assert len(only) < len(both)


def test_nothing_is_no_shard() -> None:
    assert encode_shard(sparse(np.zeros((4, 9, 2), np.uint16)), FIRST, 9, 2) is None


@pytest.mark.parametrize("change", [-1, 2**16])
def test_a_count_that_does_not_fit_is_an_error(change: int) -> None:
    one = SparseCounts(*(np.array([each]) for each in (FIRST, 3, 1, change)))
    with pytest.raises(ValueError, match="outside 0 to 65535"):
        encode_shard(one, FIRST, 9, 2)


@pytest.mark.parametrize(
    ("axis", "place"), [("hour", (672, 0, 0)), ("cell", (0, 9, 0)), ("category", (0, 0, 2))]
)
def test_a_slot_outside_the_shard_is_an_error(axis: str, place: tuple[int, int, int]) -> None:
    hour, cell, category = (np.array([0, at]) for at in place)
    counts = SparseCounts(hour + FIRST, cell, category, np.array([1, 1]))
    with pytest.raises(ValueError, match=f"{axis} 0 to {max(place)} of an axis of"):
        encode_shard(counts, FIRST, 9, 2)
