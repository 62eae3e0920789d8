"""A cleaner of the tiny city, and rows for it: a good one, with changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny import NOW, as_delivered, cleaned, good_rows, make_config

from grids.hexgrid import HexGrid
from pipeline.ingest.bronze import as_bronze
from pipeline.ingest.clean import Cleaner

GOOD = good_rows(1).iloc[0].to_dict()


@pytest.fixture(name="folder", scope="module")
def the_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clean")


@pytest.fixture(name="cleaner", scope="module")
def the_cleaner(folder: Path, grid: HexGrid) -> Cleaner:
    return Cleaner(make_config(folder), grid, NOW)


def clean(cleaner: Cleaner, *changes: dict[str, str]) -> pd.DataFrame:
    """The good row with each of the changes, cleaned."""
    return cleaned(cleaner, [GOOD | change for change in changes])


def in_bronze(
    cleaner: Cleaner, rows: list[dict[str, str]] | pd.DataFrame, **meta: Any
) -> pd.DataFrame:
    """Bronze rows; ``meta`` replaces what stands with every one."""
    columns = cleaner.config.source.columns
    return as_bronze(as_delivered(cleaner.config, rows), columns).assign(**meta)


def local(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="America/Denver")
