"""The catalogue, read and checked by pystac with the schemas that it brings."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pystac
import pytest
import shapely
from forecast_cases import GRID, tiny_forecast
from pystac.errors import STACValidationError
from pystac.validation import validate_dict

from forecasts.exports import FORMATS
from forecasts.schema import Forecast
from forecasts.stac import COLLECTION, index_runs
from forecasts.store import prune, publish, stage
from forecasts.writing import write_layers

FIRST = datetime(2024, 9, 1, 6, tzinfo=UTC)


def night(day: int) -> Forecast:
    found = tiny_forecast(FIRST + timedelta(days=day))
    return replace(found, run_id=f"st-louis-{found.reference_time:%Y%m%dT%H%MZ}-abc123")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two nights of a city, moved elsewhere since."""
    root = tmp_path_factory.mktemp("city") / "here"
    root.mkdir()
    for day in (0, 1):
        forecast = night(day)
        with stage(root) as folder:
            write_layers(forecast, folder, FORMATS)
            publish(root, forecast.reference_time, folder, {"run_id": forecast.run_id})
    index_runs(root)
    return Path(shutil.move(root, root.with_name("there")))


@pytest.fixture
def catalogue(published: Path) -> pystac.Collection:
    found = pystac.read_file(str(published / COLLECTION))
    assert isinstance(found, pystac.Collection)
    return found


def test_both_are_of_the_specification(published: Path, catalogue: pystac.Collection) -> None:
    bodies = [json.loads((published / COLLECTION).read_text())]
    bodies += [json.loads(path.read_text()) for path in published.glob("runs/*/item.json")]
    assert [body["type"] for body in bodies] == ["Collection", "Feature", "Feature"]
    for body in bodies:  # the extension's schema lies elsewhere, and is not asked for
        assert validate_dict(body, extensions=[])
        with pytest.raises(STACValidationError):
            validate_dict({**body, "links": None}, extensions=[])


def test_the_collection_leads_to_its_items_and_they_back(catalogue: pystac.Collection) -> None:
    items = list(catalogue.get_items())
    assert [each.id for each in items] == ["st-louis-20240901T0600Z", "st-louis-20240902T0600Z"]
    assert {each.get_collection().id for each in items} == {"st-louis"}
    (interval,) = catalogue.extent.temporal.intervals
    assert interval == [FIRST, FIRST + timedelta(days=2)]


def test_links_and_assets_are_relative_and_there(catalogue: pystac.Collection) -> None:
    for each in catalogue.get_items():
        assert all(not link.href.startswith("/") for link in each.links if link.rel != "self")
        for asset in each.assets.values():
            assert asset.href.startswith("./")
            assert Path(asset.get_absolute_href()).is_file()
        there = {path.name for path in Path(each.self_href).parent.iterdir()}
        assert there - set(each.assets) == {"item.json"}


def test_an_item_says_what_is_forecast_and_from_when(catalogue: pystac.Collection) -> None:
    first = next(iter(catalogue.get_items()))
    said = first.properties
    assert said["forecast:reference_datetime"] == "2024-09-01T06:00:00Z"
    assert (said["forecast:horizon"], said["forecast:duration"]) == ("PT0H", "PT24H")
    assert said["end_datetime"] == "2024-09-02T06:00:00Z"
    assert said["hexcast:targets"] == ["all", "violent"]
    assert first.stac_extensions[0].startswith("https://stac-extensions.github.io/forecast/")
    shape = shapely.geometry.shape(first.geometry)
    assert shapely.covers(shape.buffer(1e-9), shapely.GeometryCollection(list(GRID.polygons)))
    assert first.bbox == pytest.approx(shapely.total_bounds(GRID.polygons), abs=1e-6)


def test_what_is_pruned_is_linked_no_more(published: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(published, tmp_path / "copy", symlinks=True))
    assert prune(root, 1) == ["20240901T0600Z"]
    index_runs(root)
    items = pystac.read_file(str(root / COLLECTION)).get_items()
    assert [each.id for each in items] == ["st-louis-20240902T0600Z"]


def test_a_damaged_item_ends_no_night(published: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(published, tmp_path / "copy", symlinks=True))
    newest = root / "runs" / "20240902T0600Z" / "item.json"
    newest.chmod(0o644)
    newest.write_text("{")
    index_runs(root)
    items = pystac.read_file(str(root / COLLECTION)).get_items()
    assert [each.id for each in items] == ["st-louis-20240901T0600Z"]


def test_a_store_without_runs_has_no_collection(tmp_path: Path) -> None:
    index_runs(tmp_path)
    assert not (tmp_path / COLLECTION).exists()
