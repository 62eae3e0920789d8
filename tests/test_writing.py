import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import duckdb_extensions
import geopandas
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from forecast_cases import DENVER, GRID, SHIFTS, counted, tiny_forecast

from forecasts.exports import FORMATS
from forecasts.frames import hours_frame
from forecasts.layers import Layers
from forecasts.schema import Forecast
from forecasts.shifts import Shift
from forecasts.style import class_breaks, class_labels, colours
from forecasts.writing import PARQUET, make_layers, write_geoparquet, write_layers
from grids.hexgrid import HexGrid
from grids.hours import HourRange, horizon


@pytest.fixture(scope="module")
def forecast() -> Forecast:
    return tiny_forecast()


@pytest.fixture(scope="module")
def layers(forecast) -> Layers:
    return make_layers(forecast)


@pytest.fixture(scope="module")
def frame(layers):
    return layers.hours


@pytest.fixture(scope="module")
def parquet(frame, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("parquet") / "forecast.parquet"
    write_geoparquet(frame, path)
    return path


def assert_same_values(found, frame):
    for name in frame.columns.drop("geometry"):
        values, truth = found[name], frame[name]
        if str(truth.dtype).startswith("datetime"):
            assert str(values.dt.tz) == "UTC"
            values = values.dt.as_unit("us")
        pd.testing.assert_series_equal(values, truth, check_dtype=False, obj=name)


def test_geoparquet_reads_back_as_the_layer(parquet, frame):
    found = geopandas.read_parquet(parquet)
    assert {n: str(d) for n, d in found.dtypes.items()} == {
        n: str(d) for n, d in frame.dtypes.items()
    }
    assert_same_values(found, frame)
    assert found.crs == "EPSG:4326"
    assert shapely.equals(found.geometry.array, frame.geometry.array).all()


def test_geoparquet_metadata(parquet):
    file = pq.ParquetFile(parquet)
    geo = json.loads(file.metadata.metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["primary_column"] == "geometry"
    column = geo["columns"]["geometry"]
    assert column["encoding"] == "WKB"
    assert column["geometry_types"] == ["Polygon"]
    assert column["crs"]["id"] == {"authority": "EPSG", "code": 4326}
    assert column["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
    chunk = file.metadata.row_group(0).column(0)
    assert chunk.compression == "ZSTD"
    times = [file.schema_arrow.field(name).type for name in ("valid_start", "valid_end", "as_of")]
    assert [str(kind) for kind in times] == ["timestamp[us, tz=UTC]"] * 3


@pytest.mark.parametrize("file", PARQUET.values())
def test_a_validator_of_others_finds_nothing_to_say(file, forecast, layers, tmp_path):
    write_geoparquet(layers.named()[{v: k for k, v in PARQUET.items()}[file]], tmp_path / file)
    command = [Path(sys.executable).with_name("geoparquet-validator"), "check", tmp_path / file]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    results = [line.split()[0] for line in said.splitlines() if "/conf/" in line]
    assert results.count("PASS") >= 20
    assert set(results) <= {"PASS", "skip"}
    assert said.count(": conformant") >= 3


def row_group_boxes(metadata):
    """(row group, 4) west, south, east, north of every row group, by its statistics."""
    paths = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
    boxes = []
    for group in range(metadata.num_row_groups):
        columns = {path: metadata.row_group(group).column(i) for i, path in enumerate(paths)}
        low = [columns[f"bbox.{side}"].statistics.min for side in ("xmin", "ymin")]
        high = [columns[f"bbox.{side}"].statistics.max for side in ("xmax", "ymax")]
        boxes.append(low + high)
    return np.array(boxes)


def test_geoparquet_row_groups_are_compact(tmp_path, forecast):
    grid = HexGrid.from_extent(-105.1, 39.6, -104.7, 39.9, 9)
    rates = np.full((len(grid), 24), 0.1)
    uniform = (counted("all", rates, rates, "uniform"),)
    wide = hours_frame(replace(forecast, grid=grid, targets=uniform, neighbourhoods=()))
    write_geoparquet(wide, tmp_path / "wide.parquet")
    metadata = pq.read_metadata(tmp_path / "wide.parquet")
    sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert len(sizes) > 4
    assert set(sizes[:-1]) == {50_000}
    touched = shapely.box(*row_group_boxes(metadata).T)
    corner = shapely.box(-105.09, 39.61, -105.08, 39.62)
    assert 1 <= shapely.intersects(touched, corner).sum() <= 2


def test_duckdb_reads_the_geoparquet(parquet, frame):
    duckdb_extensions.import_extension("spatial")
    with duckdb.connect() as database:
        database.execute("LOAD spatial")
        database.execute("SET TimeZone = 'UTC'")
        rows = database.execute(
            "SELECT count(*), count(DISTINCT hex_id), sum(all_expected::DOUBLE),"
            " count(*) FILTER (violent_hotspot), epoch(min(valid_start)), epoch(max(valid_end)),"
            " sum(ST_Area(geometry)), bool_and(ST_XMin(geometry) >= bbox.xmin - 1e-5),"
            " count(DISTINCT ST_AsWKB(geometry)) FROM read_parquet(?)",
            [str(parquet)],
        ).fetchone()
    hours = HourRange(479214, 479238)
    assert rows[:2] == (len(frame), len(GRID))
    assert rows[2] == pytest.approx(frame["all_expected"].astype("float64").sum())
    assert rows[3] == frame["violent_hotspot"].sum()
    assert rows[4:6] == (hours.start * 3600, hours.stop * 3600)
    assert rows[6] == pytest.approx(24 * shapely.area(GRID.polygons).sum())
    assert rows[7:] == (True, len(GRID))


@pytest.mark.parametrize("file", PARQUET.values())
def test_duckdb_finds_the_places_of_every_layer(file, layers, tmp_path):
    frame = layers.named()[{v: k for k, v in PARQUET.items()}[file]]
    write_geoparquet(frame, tmp_path / file)
    duckdb_extensions.import_extension("spatial")
    with duckdb.connect() as database:
        database.execute("LOAD spatial")
        box = shapely.box(-104.985, 39.735, -104.98, 39.74)
        found = database.execute(
            "SELECT count(*), count(*) FILTER (ST_Intersects(geometry, ST_GeomFromText(?))),"
            " min(run_id), epoch(max(reference_time)) FROM read_parquet(?)",
            [box.wkt, str(tmp_path / file)],
        ).fetchone()
    inside = int(shapely.intersects(frame.geometry.to_numpy(), box).sum())
    assert 0 < inside < len(frame)
    assert found == (len(frame), inside, "denver-20240901T0600Z-abc123", 479214 * 3600)


def test_nothing_is_written_that_is_not_the_layer(tmp_path, forecast):
    target = forecast.target("all")
    broken = counted("all", target.expected, target.baseline * np.nan, "broken")
    bad = replace(forecast, targets=(broken,))
    with pytest.raises(ValueError, match="all_baseline lacks"):
        write_layers(bad, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_write_layers_writes_every_file(tmp_path, forecast, layers):
    write_layers(forecast, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *PARQUET.values(),
        *("forecast.gpkg", "hotspots.qlr", "hotspots.qgz", "map.png", "item.json"),
    }
    for name, file in PARQUET.items():
        found = geopandas.read_parquet(tmp_path / file)
        assert_same_values(found, layers.named()[name])


ODD = 'Saint-Élie & <O\'Neill> "Hill"'


@pytest.mark.parametrize(
    "changes",
    [
        {"shifts": (Shift.parse('fort & "late" d\'été', "18:00-02:00"), *SHIFTS)},  # overlapping
        {"neighbourhoods": (ODD,) * len(GRID)},
        {"hotspot_share": 1.0},
    ],
    ids=["shifts", "names", "all hot"],
)
def test_whatever_a_city_is_called_reads_back(changes, forecast, tmp_path):
    odd = replace(forecast, **changes)
    layers = make_layers(odd)
    write_layers(odd, tmp_path, FORMATS)
    for name, frame in layers.named().items():
        assert_same_values(pyogrio.read_dataframe(tmp_path / "forecast.gpkg", layer=name), frame)
    kml = pyogrio.read_dataframe(tmp_path / "hotspots.kml")
    assert kml["Name"].tolist() == layers.hotspots["name"].tolist()
    assert kml["shift"].tolist() == layers.hotspots["shift"].tolist()


@pytest.mark.parametrize(
    ("as_of", "days"),
    [
        (datetime(2024, 3, 9, 13, tzinfo=UTC), 1),  # 23 hours
        (datetime(2024, 11, 2, 12, tzinfo=UTC), 1),  # 25
        (datetime(2024, 9, 1, 6, tzinfo=UTC), 7),
    ],
)
def test_horizons_of_other_lengths_are_layers(as_of, days, tmp_path):
    hours = horizon(as_of, DENVER, days)
    rates = np.full((len(GRID), len(hours)), 0.1)
    targets = (counted("all", rates, rates, "uniform"),)
    layers = make_layers(replace(tiny_forecast(), as_of=as_of, hours=hours, targets=targets))
    shifts = layers.shifts.groupby("hex_id")["hours"].sum()
    assert set(shifts) == {len(hours)}
    assert len(layers.hotspots.drop_duplicates("valid_start")) == len(layers.shifts) / len(GRID)


def test_a_city_of_one_cell_has_all_its_files(tmp_path, forecast):
    one = HexGrid(9, GRID.cells[:1])
    rates = np.full((1, 24), 0.1)
    targets = (counted("all", rates, rates, "uniform"),)
    small = replace(forecast, grid=one, targets=targets, neighbourhoods=())
    write_layers(small, tmp_path, FORMATS)
    assert pyogrio.read_info(tmp_path / "forecast.gpkg", layer="hotspots")["features"] == 4


def test_classes_are_quantiles():
    values = np.arange(1001) / 1000
    assert class_breaks(values).tolist() == pytest.approx([0.5, 0.75, 0.9, 0.95, 0.99])
    assert class_labels(class_breaks(values), " %")[0] == "up to 0.5 %"
    assert len(class_labels(class_breaks(values))) == len(colours(6)) == 6


def test_equal_quantiles_are_one_break():
    assert class_breaks([0.3] * 10).tolist() == [0.3]
    assert class_labels(np.array([0.000025])) == ["up to 0.000025", "over 0.000025"]
    assert colours(2) == [colours(6)[0], colours(6)[-1]]
