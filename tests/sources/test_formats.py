from __future__ import annotations

import re

import pytest
from reading import HEADER, PLAIN, read_text
from tiny import make_config

from pipeline.errors import ConfigError
from pipeline.sources.formats import format_of


def test_the_format_can_be_given(tmp_path):
    path = tmp_path / "incidents.txt"
    config = make_config(tmp_path, PLAIN, source={"path": str(path), "format": "csv"})
    assert read_text(config, f"{HEADER}\n1,,,,\n")["CASE"].tolist() == ["1"]


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://data.city.gov/resource/abcd-1234", "socrata"),
        ("https://data.city.gov/resource/abcd-1234.json", "socrata"),
        ("https://data.city.gov/resource/abcd-1234.csv", "socrata"),
        ("https://maps.city.gov/arcgis/rest/services/Crime/FeatureServer/0", "arcgis"),
        ("https://maps.city.gov/arcgis/rest/services/Crime/MapServer/12/", "arcgis"),
        ("https://city.gov/api/3/action/datastore_search?resource_id=1f-2", "ckan"),
        ("https://city.gov/download?name=crimes.csv", "csv"),
        ("https://city.gov/export?format=csv", "csv"),
        ("s3://bucket/crimes.TXT", "csv"),
        ("/data/crimes.csv.gz", "csv"),
        ("/data/crimes-*.tsv", "csv"),
        ("/data/resource/abcd-1234", "parquet"),
        ("/data/csv/crimes.parquet", "parquet"),
    ],
)
def test_the_format_is_told_from_the_address(tmp_path, address, found):
    config = make_config(tmp_path)
    assert format_of(config.source, address) == found
    given = make_config(tmp_path, source={"format": "ckan"})
    assert format_of(given.source, address) == "ckan"


UUID = "b973d8cb-eeb2-4e7e-99da-c92938efc9c0"
SOCRATA = "https://data.city.gov/resource/abcd-1234"
LAYERS = "https://maps.city.gov/arcgis/rest/services/Crime/FeatureServer"
CKAN = f"https://city.gov/data/api/3/action/datastore_search?resource_id={UUID}"


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("https://data.city.gov/Public-Safety/Crime-Data/abcd-1234/about_data", SOCRATA),
        ("https://data.city.gov/Public-Safety/Crime-Data/abcd-1234", SOCRATA),
        ("https://data.city.gov/d/abcd-1234?tab=1", SOCRATA),
        (f"{SOCRATA}.json?$limit=5", SOCRATA),
        (f"{SOCRATA}.csv?$where=year=2024", SOCRATA),
        (f"{SOCRATA}?$limit=5", SOCRATA),
        (LAYERS, f"{LAYERS}/0"),
        (f"{LAYERS}/?f=pjson", f"{LAYERS}/0"),
        (f"{LAYERS}/3/query?where=1%3D1&outFields=*", f"{LAYERS}/3"),
        (f"{LAYERS}/3?f=pjson", f"{LAYERS}/3"),
        (f"https://city.gov/data/dataset/crime/resource/{UUID}", CKAN),
    ],
)
def test_an_address_to_look_at_is_refused_with_the_one_to_read(tmp_path, address, meant):
    with pytest.raises(ConfigError, match=rf"write it as {re.escape(meant)}\b"):
        format_of(make_config(tmp_path).source, address)
    given = make_config(tmp_path, source={"format": "csv"})
    assert format_of(given.source, address) == "csv"


@pytest.mark.parametrize(
    "address",
    [
        "https://data.city.gov/api/views/abcd-1234/rows.csv?accessType=DOWNLOAD",
        "https://city.gov/crime/2023-2024",
        f"https://city.gov/dataset/crime/resource/{UUID}/download/crime.csv",
    ],
)
def test_addresses_of_files_are_read_as_such(tmp_path, address):
    assert format_of(make_config(tmp_path).source, address) in ("csv", "parquet")
