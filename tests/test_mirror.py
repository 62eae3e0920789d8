"""Runs in another folder and in a bucket, whole for those who go by latest.json."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pystac
import pytest
from forecast_cases import tiny_forecast

from forecasts import mirror
from forecasts.mirror import mirror_run
from forecasts.stac import index_runs
from forecasts.store import publish, run_name, stage
from forecasts.writing import write_layers

FIRST = datetime(2024, 9, 1, 6, tzinfo=UTC)
SECOND = FIRST + timedelta(days=1)


def make(root: Path, reference: datetime, text: str = "x") -> str:
    root.mkdir(exist_ok=True)
    with stage(root) as folder:
        (folder / "maps").mkdir()
        (folder / "maps" / "a.txt").write_text(f"a {text}")
        (folder / "b.txt").write_text(f"b {text}")
        publish(root, reference, folder, {"text": text})
    return run_name(reference)


@pytest.fixture(params=["folder", "bucket"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "there")
    request.getfixturevalue("bucket")
    return f"s3://city/{tmp_path.name}"  # the server forgets nothing between tests


def read(address: str, path: str) -> str:
    with fsspec.open(f"{address}/{path}", "r") as file:
        return str(file.read())


def there(address: str) -> set[str]:
    places, base = fsspec.core.url_to_fs(address)
    places.invalidate_cache()
    return {str(path).removeprefix(base.rstrip("/") + "/") for path in places.find(base)}


def test_a_run_is_put_there_once(address, tmp_path):
    name = make(tmp_path / "here", FIRST)
    assert mirror_run(tmp_path / "here", name, address)
    files = {f"runs/{name}/{file}" for file in ("b.txt", "maps/a.txt", "manifest.json")}
    assert there(address) == files | {"latest.json"}
    assert read(address, f"runs/{name}/maps/a.txt") == "a x"
    assert json.loads(read(address, "latest.json"))["run"] == f"runs/{name}"
    assert not mirror_run(tmp_path / "here", name, address)


def test_an_older_run_does_not_become_the_newest(address, tmp_path):
    here = tmp_path / "here"
    for reference in (SECOND, FIRST):
        mirror_run(here, make(here, reference), address)
    assert json.loads(read(address, "latest.json"))["run"] == f"runs/{run_name(SECOND)}"
    assert f"runs/{run_name(FIRST)}/manifest.json" in there(address)


def test_a_run_that_was_made_again_takes_the_place_of_the_old(address, tmp_path):
    here = tmp_path / "here"
    for text in ("old", "new"):
        name = make(here, FIRST, text)
        assert mirror_run(here, name, address)
    assert read(address, f"runs/{name}/b.txt") == "b new"
    assert json.loads(read(address, f"runs/{name}/manifest.json"))["text"] == "new"


def test_what_broke_off_has_no_manifest_and_is_gone_on_with(address, tmp_path, monkeypatch):
    here = tmp_path / "here"
    mirror_run(here, make(here, FIRST), address)
    name = make(here, SECOND)
    with monkeypatch.context() as patch:
        patch.setattr(mirror, "_put", breaking(mirror._put))
        with pytest.raises(ConnectionError):
            mirror_run(here, name, address)
    assert f"runs/{name}/b.txt" in there(address)
    assert f"runs/{name}/manifest.json" not in there(address)
    assert json.loads(read(address, "latest.json"))["run"] == f"runs/{run_name(FIRST)}"
    assert mirror_run(here, name, address)
    assert json.loads(read(address, "latest.json"))["run"] == f"runs/{name}"


def breaking(put):
    """Put everything, and lose the connection before the manifest."""

    def broken(*args: object) -> None:
        put(*args)
        raise ConnectionError("lost")

    return broken


def test_the_catalogue_there_leads_to_its_files(tmp_path):
    here, forecast = tmp_path / "here", tiny_forecast()
    with stage(here) as folder:
        write_layers(forecast, folder)
        publish(here, forecast.reference_time, folder, {})
    index_runs(here)
    mirror_run(here, run_name(forecast.reference_time), str(tmp_path / "there"))
    (item,) = pystac.read_file(str(tmp_path / "there" / "collection.json")).get_items()
    assert all(Path(asset.get_absolute_href()).is_file() for asset in item.assets.values())
