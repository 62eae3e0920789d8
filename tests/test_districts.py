"""Which district a cell belongs to."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import h3
import numpy as np
import pandas as pd
import pytest
from tiny import NOW, City

from grids.hexgrid import HexGrid
from pipeline.districts import majority, parents, read_districts


def rows(grid: HexGrid, named: list[tuple[int, str]]) -> pd.DataFrame:
    cells = [int(grid.cells[index]) for index, _ in named]
    return pd.DataFrame({"cell": cells, "district": [name for _, name in named]})


def test_most_incidents_of_a_cell_decide(grid: HexGrid) -> None:
    votes = [(0, "2"), (0, "1"), (0, " 2 "), (5, "3"), (5, ""), (5, ""), (7, "9"), (7, "1")]
    found = majority(rows(grid, votes), grid)
    assert found.are_named
    assert found.names == ("1", "2", "3")
    assert [found.names[found.of_cell[at]] for at in (0, 5, 7)] == ["2", "3", "1"]


def test_cells_that_name_none_take_the_nearest(grid: HexGrid) -> None:
    west, east = np.argmin(grid.metres[:, 0]), np.argmax(grid.metres[:, 0])
    found = majority(rows(grid, [(int(west), "W"), (int(east), "E")]), grid)
    names = np.array(found.names)[found.of_cell]
    to_west, to_east = (np.hypot(*(grid.metres - grid.metres[at]).T) for at in (west, east))
    assert (names[to_west < to_east] == "W").all()
    assert (names[to_east < to_west] == "E").all()


def test_where_hardly_any_incident_has_a_district_h3_stands_in(grid: HexGrid) -> None:
    few = rows(grid, [(0, "1"), *[(at, "") for at in range(1, 4)]])
    found = majority(few, grid)
    assert not found.are_named
    assert found.names == parents(grid).names
    for cell, district in zip(grid.cells, found.of_cell, strict=True):
        parent = h3.api.basic_int.cell_to_parent(int(cell), 6)
        assert found.names[district] == format(parent, "x")
    assert not majority(rows(grid, []), grid).are_named


@pytest.mark.usefixtures("client")
def test_districts_are_those_known_then(city: City, tmp_path: Path) -> None:
    from tiny import good_rows

    delivered = good_rows(300).assign(DISTRICT="old")
    late = delivered["FROM"].str.startswith("05/")
    delivered.loc[late, "DISTRICT"] = "new"
    city.write(delivered)
    city.ingest(NOW)
    later = read_districts(city.store.silver, city.grid, NOW)
    assert set(later.names) == {"new", "old"}
    then = read_districts(city.store.silver, city.grid, NOW - timedelta(days=50))
    assert then.names == ("old",)
    assert not read_districts(str(tmp_path / "nothing"), city.grid, NOW).are_named
