"""A city's tables: what of them a night sees, how they are coded, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from configurations import parse, refusal

from grids.clock import EPOCH, HOUR
from grids.hexgrid import HexGrid
from grids.hours import HourRange
from pipeline.context.config import TableConfig
from pipeline.context.context import Context
from pipeline.context.reading import read_table
from pipeline.context.tables import Table
from pipeline.errors import DataError, HexcastError, MissingInputError
from pipeline.learning.features import MISSING, features_of

GRID = HexGrid.from_extent(-105.0, 39.70, -104.98, 39.72, 9)
CELLS = len(GRID)
CUTOFF = datetime(2024, 5, 1, 6, tzinfo=UTC)
FIRST = int((CUTOFF - EPOCH) / HOUR)
AHEAD = HourRange(FIRST, FIRST + 24)
HOURS = pd.date_range(CUTOFF - timedelta(days=2), periods=72, freq="h")


def table(folder: Path, rows: dict[str, Any], **settings: Any) -> Table:
    pd.DataFrame(rows).to_parquet(folder / "extra.parquet", index=False)
    values = {"path": str(folder / "extra.parquet"), **settings}
    return read_table(TableConfig.model_validate(values), GRID)


def seen(made: Table, cutoff: datetime = CUTOFF, column: str = "extra.value") -> np.ndarray:
    return made.column(column, cutoff, AHEAD, CELLS)


# What a night sees


def test_values_of_places(tmp_path: Path) -> None:
    ids = [GRID.hex_ids[4], GRID.hex_ids[1], "89283082803ffff"]  # the last lies elsewhere
    found = seen(table(tmp_path, {"hex_id": ids, "value": [7, 3, 5]}))
    assert found.shape == (CELLS, 1)
    assert (found[4, 0], found[1, 0]) == (7, 3)
    assert np.isfinite(found).sum() == 2


def test_values_of_hours_are_those_issued_before_the_cutoff(tmp_path: Path) -> None:
    rows = {"time": HOURS, "value": np.arange(72.0)}
    found = seen(table(tmp_path, rows, known_hours_before=24))
    assert found.shape == (1, 24)
    np.testing.assert_array_equal(found[0], 48 + np.arange(24))
    # Issued 12 hours before: at the cutoff the first 13 of the hours ahead are known.
    late = seen(table(tmp_path, rows, known_hours_before=12))
    assert np.isfinite(late[0]).tolist() == [True] * 13 + [False] * 11


def test_an_hour_is_observed_when_it_is_over(tmp_path: Path) -> None:
    """Moved on by a day, an observation is known 23 hours before the hour that it is used for."""
    rows = {"time": HOURS + pd.Timedelta("1D"), "value": np.arange(72.0)}
    found = seen(table(tmp_path, rows, known_hours_before=23))
    np.testing.assert_array_equal(found[0], 24 + np.arange(24))


def test_values_of_places_and_hours(tmp_path: Path) -> None:
    rows = {
        "hex_id": [GRID.hex_ids[2], GRID.hex_ids[2], GRID.hex_ids[5]],
        "time": [CUTOFF, CUTOFF + 3 * HOUR, CUTOFF],
        "value": [1.5, 2.5, 3.5],
    }
    found = seen(table(tmp_path, rows, known_hours_before=48))
    assert found.shape == (CELLS, 24)
    assert (found[2, 0], found[2, 3], found[5, 0]) == (1.5, 2.5, 3.5)
    assert np.isfinite(found).sum() == 3


def test_of_several_rows_the_one_known_last_counts(tmp_path: Path) -> None:
    known = [CUTOFF - timedelta(days=9), CUTOFF, CUTOFF + timedelta(seconds=1)]
    rows = {"hex_id": [GRID.hex_ids[3]] * 3, "known_at": known, "value": [1, 2, 3]}
    made = table(tmp_path, {name: values[::-1] for name, values in rows.items()})
    assert seen(made)[3, 0] == 2
    assert seen(made, CUTOFF - timedelta(seconds=1))[3, 0] == 1
    assert seen(made, CUTOFF + timedelta(days=1))[3, 0] == 3
    assert np.isnan(seen(made, CUTOFF - timedelta(days=10))).all()


def test_a_later_row_without_value_takes_the_earlier_one_back(tmp_path: Path) -> None:
    known = [CUTOFF - timedelta(days=9), CUTOFF - timedelta(days=1)]
    rows = {"hex_id": [GRID.hex_ids[3]] * 2, "known_at": known, "value": [1.0, None]}
    made = table(tmp_path, rows)
    assert seen(made, CUTOFF - timedelta(days=5))[3, 0] == 1
    assert np.isnan(seen(made)).all()


def test_times_of_other_zones_and_units_are_the_same_instants(tmp_path: Path) -> None:
    local = HOURS.tz_convert("America/Denver").as_unit("ms")
    found = seen(table(tmp_path, {"time": local, "value": range(72)}, known_hours_before=24))
    np.testing.assert_array_equal(found[0], 48 + np.arange(24))


# Codes


def encode(made: Table, values: np.ndarray) -> np.ndarray:
    """Codes of the values by what the table held at the cutoff."""
    return features_of(Context(tables=(made,)), made.edges(CUTOFF))[-1].encode(values)


def test_codes_come_from_what_was_known(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = {"time": HOURS, "known_at": HOURS - pd.Timedelta("20h"), "value": rng.random(72)}
    changed = {**rows, "value": np.where(rows["known_at"] > CUTOFF, 1e6, rows["value"])}
    assert (changed["value"] == 1e6).sum() == 3
    one, other = table(tmp_path, rows), table(tmp_path, changed)
    assert one.edges(CUTOFF) == other.edges(CUTOFF)
    assert one.digest(CUTOFF) == other.digest(CUTOFF)
    later = CUTOFF + timedelta(days=1)
    assert one.edges(later) != other.edges(later)
    assert one.digest(later) != other.digest(later)


def test_few_values_have_a_code_each_and_many_share_them(tmp_path: Path) -> None:
    few = table(tmp_path, {"hex_id": GRID.hex_ids[:4], "value": [5.0, -1.0, 5.0, np.inf]})
    assert few.edges(CUTOFF) == {"extra.value": [5.0]}
    codes = encode(few, np.array([-1.0, 4.9, 5.0, 9.0, np.nan]))
    assert codes.tolist() == [0, 0, 1, 1, MISSING]
    skewed = np.exp(np.random.default_rng(1).normal(size=5000) * 3)
    hours = pd.date_range(CUTOFF - timedelta(days=300), periods=5000, freq="h")
    many = table(tmp_path, {"time": hours, "value": skewed}, known_hours_before=24)
    sizes = np.bincount(encode(many, skewed.astype(np.float32)))
    assert len(sizes) == 250
    assert sizes.max() < 30


# What is refused

PLACES: dict[str, Any] = {"hex_id": GRID.hex_ids[:3], "value": [1, 2, 3]}
OBSERVED: dict[str, Any] = {"time": HOURS[:3], "value": [1, 2, 3]}
COARSE = HexGrid.from_extent(-105.0, 39.70, -104.98, 39.72, 8).hex_ids[:3]


@pytest.mark.parametrize(
    ("rows", "settings", "words"),
    [
        ({"place": ["a"], "value": [1]}, {}, "has neither hex_id nor time among its columns"),
        ({"hex_id": GRID.hex_ids[:3]}, {}, "has no column beside hex_id"),
        ({**PLACES, "kind": ["a", "b", "c"]}, {}, "column 'kind' holds large_string and no num"),
        (PLACES, {"columns": ["valu"]}, "has no column 'valu'; did you mean value?"),
        ({**PLACES, "victim_age": [1, 2, 3]}, {}, "'victim_age' would say something about a per"),
        ({**PLACES, "a[0]": [1, 2, 3]}, {}, "column 'a[0]': rename it without any of [ ] <"),
        ({"hex_id": [1, 2], "value": [1, 2]}, {}, "hex_id holds int64: write H3 ids as text"),
        ({"hex_id": ["x"], "value": [1]}, {}, "hex_id 'x' is no H3 cell"),
        ({"hex_id": COARSE, "value": [1, 2, 3]}, {}, "is of resolution 8, the grid's is 9"),
        ({"hex_id": ["89283082803ffff"], "value": [1]}, {}, "none of its cells, as 89283082803"),
        ({"hex_id": [GRID.hex_ids[0], None], "value": [1, 2]}, {}, "hex_id is blank in 1 rows"),
        ({"hex_id": [GRID.hex_ids[0]] * 2, "value": [1, 2]}, {}, "1 rows repeat hex_id of another"),
        (PLACES, {"known_hours_before": 5}, "has no time for known_hours_before 5"),
        ({"time": HOURS[:3].tz_localize(None), "value": [1, 2, 3]}, {}, "write timestamps with a"),
        (
            {"time": HOURS[:2] + timedelta(minutes=5), "value": [1, 2]},
            {},
            "is no whole hour of UTC",
        ),
        (OBSERVED, {}, "every row is known only after its hour has begun"),
        (
            {**OBSERVED, "known_at": HOURS[:3]},
            {"known_hours_before": 5},
            "has known_at, and known_hours_before is 5: keep one",
        ),
        (
            {"time": [HOURS[0]] * 2, "value": [1, 2]},
            {"known_hours_before": 24},
            "1 rows repeat time of another that was known at the same time",
        ),
    ],
)
def test_a_wrong_table_says_what_is_wrong(
    tmp_path: Path, rows: dict[str, Any], settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(DataError) as fault:
        table(tmp_path, rows, **settings)
    assert words in str(fault.value)
    assert "extra.parquet" in str(fault.value)


def test_no_file_and_no_parquet(tmp_path: Path) -> None:
    path = tmp_path / "extra.parquet"
    with pytest.raises(MissingInputError, match=r"extra\.parquet: there is no such file"):
        read_table(TableConfig(path=str(path)), GRID)
    path.write_text("time,value\n")
    with pytest.raises(HexcastError, match=r"extra\.parquet cannot be read as Parquet"):
        read_table(TableConfig(path=str(path)), GRID)


# Configuration


def test_tables_are_named_as_their_files_and_change_the_fingerprint() -> None:
    plain = parse()
    one = parse({"tables": [{"path": "in/weather.parquet"}]})
    assert one.tables[0].name == "weather"
    assert one.tables[0].path == "/city/in/weather.parquet"
    moved = parse({"tables": [{"path": "elsewhere/weather.parquet"}]})
    other = parse({"tables": [{"path": "in/weather.parquet", "known_hours_before": 24}]})
    assert len({each.fingerprint for each in (plain, one, other)}) == 3
    assert moved.fingerprint == one.fingerprint
    assert {each.store_fingerprint for each in (one, other)} == {plain.store_fingerprint}


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ([{"path": "a/w.parquet"}, {"path": "b/w.parquet"}], "table 'w': give every table a name"),
        ([{"path": "w.parquet", "columns": ["age"]}], "'age' would say something about a person"),
        ([{"path": "w.parquet", "known_hours_before": -1}], "tables.0.known_hours_before: "),
        ([{"file": "w.parquet"}], "tables.0.path: required"),
    ],
)
def test_wrong_tables_in_a_configuration(tables: list[dict[str, Any]], words: str) -> None:
    assert words in refusal({"tables": tables})
