"""One shard of the cube as bytes, straight from the few slots that count anything.

Four weeks of a city are 40 MB, nearly all of them zero. Zarr would have them filled, cut into
chunks and compressed; here the buffer of one chunk is filled, compressed and emptied again and
again, so that what is worked on stays in the processor's cache.
"""

from __future__ import annotations

import google_crc32c
import numpy as np
from numcodecs import Zstd
from numpy.typing import NDArray

from grids.counts import SparseCounts, check_inside, checked_counts

SHARD_HOURS = 672
CHUNK_CELLS = 650
ZSTD_LEVEL = 3

_MISSING = np.iinfo(np.uint64).max


def chunk_of(cells: int) -> int:
    """Cells of an inner chunk: as many chunks as there must be, all of one size."""
    return -(-cells // -(-cells // CHUNK_CELLS))


def encode_shard(counts: SparseCounts, first: int, cells: int, categories: int) -> bytes | None:
    """The shard that begins at hour ``first``, as Zarr v3's sharding codec has it; None if empty.

    Compressed chunks one after the other, then the index of their offsets and lengths (uint64,
    little-endian) and its CRC32C; a chunk without incidents is not there. The array's codecs must
    be those of `grids.cube.create_cube`. ``counts``: each slot once; ``categories``: how many.
    Source: Zarr v3 specification, "Sharding codec", version 1.0, binary shard format.
    Raises ValueError for a slot that lies outside the shard, below zero or above 65,535.
    """
    if not len(counts.hour):
        return None
    check_inside("hour", counts.hour - first, SHARD_HOURS)
    check_inside("cell", counts.cell, cells)
    check_inside("category", counts.category, categories)
    chunk = chunk_of(cells)
    part, place = np.divmod(counts.cell, chunk)
    order = np.argsort(part, kind="stable")
    slot = (((counts.hour - first) * chunk + place) * categories + counts.category)[order]
    values, codec = checked_counts(counts.change)[order], Zstd(ZSTD_LEVEL)
    numbers, starts = np.unique(part[order], return_index=True)
    buffer = np.zeros(SHARD_HOURS * chunk * categories, "<u2")
    parts = [
        _compressed(buffer, at, some, codec)
        for at, some in zip(*(np.split(each, starts[1:]) for each in (slot, values)), strict=True)
    ]
    index = np.full((-(-cells // chunk), 2), _MISSING, "<u8")
    ends = np.cumsum([len(each) for each in parts])
    lengths = np.diff(ends, prepend=0)
    index[numbers] = np.stack([ends - lengths, lengths], axis=1)
    listed = index.tobytes()
    checksum = np.array(google_crc32c.value(listed), "<u4").tobytes()
    return b"".join([*parts, listed, checksum])


def _compressed(
    buffer: NDArray[np.uint16], slot: NDArray[np.int64], values: NDArray[np.uint16], codec: Zstd
) -> bytes:
    """One chunk; the buffer, all zero, is all zero again."""
    buffer[slot] = values
    compressed = bytes(codec.encode(buffer))
    buffer[slot] = 0
    return compressed
