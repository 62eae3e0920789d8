"""A city of five columns, and what is read of the files it delivers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny import make_config

from pipeline.config import Config
from pipeline.sources.files import FileSource
from pipeline.sources.source import Part

PLAIN: dict[str, Any] = {"occurred_until": None, "reported_at": None, "district": None}
HEADER = "CASE,FROM,OFFENSE,LAT,LON"


@pytest.fixture(name="config")
def the_config(tmp_path: Path) -> Config:
    """Five columns are mapped."""
    return make_config(tmp_path, columns=PLAIN)


def parts(config: Config) -> list[Part]:
    source = FileSource(config.source)
    return source.fetch(source.deliveries(), Path("not needed for local files"))


def read(config: Config) -> pd.DataFrame:
    rows = [part.read(config.source.columns.names) for part in parts(config)]
    return pd.concat(rows, ignore_index=True)


def read_text(config: Config, text: str | bytes) -> pd.DataFrame:
    body = text if isinstance(text, bytes) else text.encode()
    Path(config.source.path[0]).write_bytes(body)
    return read(config)
