"""Which district every cell belongs to, for reliability by district."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import h3
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.spatial import KDTree

from grids.hexgrid import HexGrid
from pipeline.tables import open_rows

_COLUMNS = ["cell", "district"]
PARENT_STEPS = 3  # H3 resolutions up, about 343 cells to one


@dataclass(frozen=True, eq=False)
class Districts:
    """``of_cell``: (cell,) int64 index into ``names``. ``are_named``: by the source's column."""

    names: tuple[str, ...]
    of_cell: NDArray[np.int64]
    are_named: bool


def read_districts(table: str, grid: HexGrid, known_at: datetime) -> Districts:
    """Districts as silver named them at ``known_at``.

    A cell's district is the one that most of its incidents name; a cell whose incidents name none
    takes the nearest cell's. Where under half of the incidents lie in cells that have one, H3
    cells PARENT_STEPS resolutions up take their place.
    """
    dataset = open_rows(table, "known_at", until=pd.Timestamp(known_at))
    if dataset is None:
        return parents(grid)
    known = pc.field("known_at") <= pa.scalar(known_at, pa.timestamp("us", "UTC"))
    live = ~pc.field("retracted")
    rows = dataset.to_table(columns=_COLUMNS, filter=known & live).to_pandas()
    return majority(rows, grid)


def majority(rows: pd.DataFrame, grid: HexGrid) -> Districts:
    """Districts from incidents. ``rows``: ``cell`` (H3 id), ``district`` (text, may be blank)."""
    cell = grid.index_of(rows["cell"].to_numpy().astype(np.uint64))
    named = rows.assign(cell=cell, district=rows["district"].fillna("").astype("str").str.strip())
    votes = named[named["district"] != ""].groupby(["cell", "district"], as_index=False).size()
    # Of equal votes the first by name, so that the order of the rows decides nothing.
    best = votes.sort_values(["size", "district"], ascending=[False, True])
    best = best.drop_duplicates("cell")
    if not len(rows) or np.isin(cell, best["cell"]).mean() < 0.5:
        return parents(grid)
    names, index = np.unique(best["district"].to_numpy().astype(str), return_inverse=True)
    metres = grid.metres
    _, nearest = KDTree(metres[best["cell"]]).query(metres)
    return Districts(tuple(names.tolist()), index[nearest].astype(np.int64), True)


def parents(grid: HexGrid) -> Districts:
    """H3 cells PARENT_STEPS resolutions up, as districts."""
    up = max(grid.resolution - PARENT_STEPS, 0)
    ids = [h3.api.basic_int.cell_to_parent(int(cell), up) for cell in grid.cells]
    found, index = np.unique(np.array(ids, np.uint64), return_inverse=True)
    names = tuple(format(int(parent), "x") for parent in found)
    return Districts(names, index.astype(np.int64), False)
