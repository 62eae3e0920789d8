"""The configurations of cities, held to what those cities are known to deliver."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pytest
from portals import ArcGis, Ckan, Socrata, Table
from presets import CITIES, City
from webserver import Asked, Clock, Reply, Server, Ticks, serving

from grids.hexgrid import HexGrid
from pipeline.config import Config
from pipeline.groups import POLICE_INITIATED
from pipeline.ingest.bronze import as_bronze
from pipeline.ingest.clean import Cleaner
from pipeline.load import load_config, parse_config
from pipeline.sources.config import clock_columns
from pipeline.sources.recipe import make_source
from pipeline.sources.services import ServiceSource

CONFIGS = Path(__file__).parents[2] / "configs"
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
COUNT = 100
OF_FILES = ("chicago", "denver", "demo")  # real or simulated data are their test


@pytest.fixture(params=CITIES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def config(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Config:
    monkeypatch.setenv("HEXCAST_DATA", str(tmp_path))
    return load_config(CONFIGS / f"{name}.yaml")


def rows_of(city: City, config: Config, count: int = COUNT) -> list[dict[str, Any]]:
    """Rows alike but for their keys, of every category in turn; two in a hundred are unusable."""
    columns, category = config.source.columns, config.source.columns.category
    taken = {category, *clock_columns(columns.occurred_at)}
    key = next(name for name in columns.key_parts[0] if name not in taken)
    kinds = [city.row[category], *city.groups]
    rows = []
    for number in range(count):
        row = {**city.row, category: kinds[number % len(kinds)]}
        row[key] = f"{number}-{city.row[key]}"
        rows.append(row | (city.unusable[number % 50] if number % 50 < len(city.unusable) else {}))
    return rows


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def portal_of(city: City, config: Config, rows: list[dict[str, Any]]) -> Any:
    """A portal that holds the rows behind the path of the city's own address."""
    table = Table(Clock())
    for row in rows:
        table.insert(row)
    table.clock.wait(days=1)
    parts, names = urlsplit(config.source.path[0]), tuple(city.row)
    if city.kind == "socrata":
        return Socrata(table, names, path=parts.path)
    if city.kind == "ckan":
        return Ckan(table, names, resource=parts.query.removeprefix("resource_id="))
    if city.kind == "arcgis":
        types = {name: city.types.get(name, "esriFieldTypeString") for name in names}
        return ArcGis(table, types, path=parts.path)
    body = as_csv(rows)
    if city.kind == "zip":
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("2023-09/2023-09-metropolitan-street.csv", body)
            if "#" in config.source.path[0]:
                archive.writestr("2023-09/2023-09-metropolitan-outcomes.csv", "a\n1\n")
        body = packed.getvalue()

    def answer(asked: Asked) -> Reply:
        assert asked.path == parts.path
        return Reply(body, headers={"ETag": '"1"'})

    return answer


def moved(config: Config, server: Server) -> Config:
    """The same configuration, of a city that is on this machine."""
    hosts = [f"{urlsplit(path).scheme}://{urlsplit(path).netloc}" for path in config.source.path]
    paths = [path.replace(hosts[0], server.url) for path in config.source.path]
    values = config.model_dump(mode="json", exclude={"source": {"path"}})
    values["source"]["path"] = paths[0]
    return parse_config(values, Path("/city/here.yaml"))


@pytest.fixture
def delivered(
    name: str, config: Config, tmp_path: Path
) -> Iterator[tuple[Config, list[dict[str, Any]], pd.DataFrame]]:
    """The rows of a city's portal, fetched as its preset says and cleaned."""
    city = CITIES[name]
    rows = rows_of(city, config)
    if not config.source.path[0].startswith("https://"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "one.csv").write_bytes(as_csv(rows))
        yield config, rows, cleaned(config, tmp_path)
        return
    portal = portal_of(city, config, rows)
    with serving(portal) as server:
        here = moved(config, server)
        yield here, rows, cleaned(here, tmp_path)


def cleaned(config: Config, folder: Path) -> pd.DataFrame:
    source = make_source(config.source)
    if isinstance(source, ServiceSource):
        source = ServiceSource(config.source, Ticks().web)
    deliveries = source.deliveries()
    source.check(deliveries)
    parts = source.fetch(deliveries, folder / "landing")
    names = config.source.columns.names
    raw = pd.concat([part.read(names) for part in parts], ignore_index=True)
    grid = HexGrid.from_extent(*config.grid.bounds, 7) if config.grid.bounds else None
    assert grid is None or len(grid) > 10
    return Cleaner(config, None, NOW)(as_bronze(raw, config.source.columns))


def test_nearly_every_row_of_a_city_is_kept(delivered, name):
    config, rows, out = delivered
    assert len(out) == len(rows)
    kept = out[out["reason"] == ""]
    expected = len(rows) - len(CITIES[name].unusable) * (COUNT // 50)
    assert len(kept) == expected >= 0.95 * len(rows), out["reason"].value_counts().to_dict()
    assert kept["id"].is_unique
    assert set(kept["district"]) == {str(CITIES[name].row[config.source.columns.district])}


def test_places_and_times_are_those_of_the_city(delivered, name):
    _, _, out = delivered
    kept = out[out["reason"] == ""]
    lon, lat = CITIES[name].place
    assert kept["lon"].to_numpy() == pytest.approx(lon, abs=0.002)
    assert kept["lat"].to_numpy() == pytest.approx(lat, abs=0.002)
    assert set(kept["occurred_at"]) == {pd.Timestamp(CITIES[name].at)}
    assert (kept["known_at"] > kept["occurred_at"]).all()


def test_categories_belong_to_their_groups(config, name):
    city = CITIES[name]
    found = {category: config.grouping.group_of(category) for category in city.groups}
    assert found == dict(city.groups)


def test_targets_leave_out_what_patrols_bring_about(config):
    named = {group for groups in config.targets.values() for group in groups}
    assert POLICE_INITIATED not in named
    assert "not_criminal" not in named
    assert named <= set(config.grouping.names)


def test_every_mapped_column_is_published(config, name):
    assert set(config.source.columns.names) <= set(CITIES[name].row)
    assert set(clock_columns(config.source.columns.occurred_at)) <= set(CITIES[name].row)


def test_every_city_is_tested_and_described():
    names = {path.stem for path in CONFIGS.glob("*.yaml")} - {"clusters"}
    assert names == {*CITIES, *OF_FILES}
    assert len(names - {"demo"}) >= 11
    text = (CONFIGS.parent / "docs" / "cities.md").read_text()
    assert [name for name in sorted(names) if f"../configs/{name}.yaml" not in text] == []


def test_a_preset_names_its_city_and_folder(config, name):
    assert config.name == name
    assert config.output.path.endswith(f"/{name}")
    assert config.grid.bounds is not None


def test_a_row_of_st_louis_that_counts_minus_one_takes_back(monkeypatch, tmp_path):
    monkeypatch.setenv("HEXCAST_DATA", str(tmp_path))
    config = load_config(CONFIGS / "st-louis.yaml")
    (tmp_path / "st-louis").mkdir()
    rows = [CITIES["st-louis"].row, {**CITIES["st-louis"].row, "Count": "-1"}]
    (tmp_path / "st-louis" / "one.csv").write_bytes(as_csv([dict(row) for row in rows]))
    out = cleaned(config, tmp_path)
    assert out["retracted"].tolist() == [False, True]
    assert len(set(out["id"])) == 1


def test_clocks_of_los_angeles_may_lack_zeros(monkeypatch, tmp_path):
    config = load_config(CONFIGS / "los-angeles-2020.yaml")
    row = {**CITIES["los-angeles-2020"].row, "date_rptd": "02/09/2020 12:00:00 AM"}
    row |= {"date_occ": "02/08/2020 12:00:00 AM", "time_occ": "5"}
    path = tmp_path / "export.csv"
    path.write_bytes(as_csv([{key.upper().replace("_", " "): v for key, v in row.items()}]))
    values = config.model_dump(mode="json")
    values["source"]["path"] = str(path)
    out = cleaned(parse_config(values, path), tmp_path)
    assert out["reason"].tolist() == [""]
    assert out["occurred_at"].tolist() == [pd.Timestamp("2020-02-08T08:05Z")]


def test_boston_may_write_its_local_clock_as_a_timestamp(tmp_path):
    config = load_config(CONFIGS / "boston.yaml")
    city = CITIES["boston"]
    path = tmp_path / "export.csv"
    path.write_bytes(as_csv([{**city.row, "OCCURRED_ON_DATE": "2026-07-28T14:30:00"}]))
    values = config.model_dump(mode="json")
    values["source"] |= {"path": str(path), "format": "csv"}
    out = cleaned(parse_config(values, path), tmp_path)
    assert out["occurred_at"].tolist() == [pd.Timestamp(city.at)]


def test_philadelphia_asks_for_the_places_that_its_table_has():
    (path,) = load_config(CONFIGS / "philadelphia.yaml").source.path
    assert "ST_Y(the_geom)%20AS%20lat,ST_X(the_geom)%20AS%20lng," in path


@pytest.mark.parametrize(("name", "days"), [("new-york", 92 + 21), ("london", 64 + 31)])
def test_a_lag_is_the_age_of_the_newest_rows_at_worst(name, days):
    lag = load_config(CONFIGS / f"{name}.yaml").source.delivery_lag_days
    assert days <= lag <= days + 3
