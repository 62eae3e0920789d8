"""A source of files that lie elsewhere: on the web or in a bucket."""

from __future__ import annotations

import gzip
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from tiny import make_config
from webfile import (
    CSV,
    the_files,  # noqa: F401 -- a fixture
    the_landing,  # noqa: F401 -- a fixture
    the_server,  # noqa: F401 -- a fixture
    zipped,
)

from pipeline.errors import EmptyDeliveryError, MissingInputError
from pipeline.sources.files import FileSource
from pipeline.sources.landing import land


def config_of(tmp_path: Path, path: str):
    columns = {"occurred_until": None, "reported_at": None, "district": None}
    return make_config(tmp_path, columns=columns, source={"path": path})


def rows_of(source: FileSource, landing: Path) -> pd.DataFrame:
    parts = source.fetch(source.deliveries(), landing)
    return pd.concat([part.read(source.source.columns.names) for part in parts])


def test_a_file_source_reads_what_is_landed(server, files, tmp_path, landing):
    files.body = zipped({"a/one.csv": CSV, "b/two.csv": CSV})
    source = FileSource(config_of(tmp_path, f"{server.url}/all.zip").source)
    rows = rows_of(source, landing)
    assert len(rows) == 800
    assert set(rows["_delivery"]) == {f"{server.url}/all.zip"}
    source.release(source.deliveries(), landing)
    assert not list(landing.iterdir())


def test_a_bucket_is_read_like_any_other_place(bucket, tmp_path, landing):
    bucket.put_object(Bucket="city", Key="in/2024-04.csv.gz", Body=gzip.compress(CSV))
    bucket.put_object(Bucket="city", Key="in/2024-05.csv", Body=CSV)
    source = FileSource(config_of(tmp_path, "s3://city/in/*").source)
    assert len(rows_of(source, landing)) == 800
    first = source.deliveries()
    assert [d.address for d in first] == ["s3://city/in/2024-04.csv.gz", "s3://city/in/2024-05.csv"]
    with pytest.raises(MissingInputError, match="no file at"):
        land("s3://city/in/none.csv", 1, landing)


def test_two_days_of_a_file_without_validators(server, files, tmp_path, landing):
    files.etag = ""
    source = FileSource(config_of(tmp_path, f"{server.url}/a.csv").source)
    (first,) = source.deliveries()
    files.clock.now += timedelta(days=1)
    (second,) = source.deliveries()
    assert first.version != second.version


@pytest.mark.parametrize("body", [CSV, b""])
def test_a_file_of_unknown_size_is_read(server, files, tmp_path, landing, body):
    files.has_length = files.ranges = False
    files.body = body
    source = FileSource(config_of(tmp_path, f"{server.url}/export?format=csv").source)
    assert source.deliveries()[0].size == 0
    if body:
        assert len(rows_of(source, landing)) == 400
    else:
        with pytest.raises(EmptyDeliveryError):
            rows_of(source, landing)
