"""A configuration drafted for files, and a file without quirks to draft one for."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from init_cities import DENVER, incidents, text

from pipeline.init.recipe import InitResult, init_city

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)


def init(path: list[str], folder: Path, **changes: Any) -> tuple[InitResult, dict[str, Any]]:
    """What is written for files, and its values."""
    given_ = {"boundary": None, "place": None, "now": NOW} | changes
    result = init_city(path, folder / "city.yaml", **given_)
    return result, yaml.safe_load(result.path.read_text(encoding="utf-8"))


def plain_rows(count: int = 2600) -> pd.DataFrame:
    """A file without quirks."""
    r = incidents(DENVER, count)
    return pd.DataFrame(
        {
            "case_number": r["case"],
            "occurred": text(r["occurred"], "%Y-%m-%d %H:%M"),
            "reported": text(r["reported"], "%Y-%m-%d %H:%M"),
            "offense": r["offense"],
            "latitude": r["lat"].map("{:.6f}".format),
            "longitude": r["lon"].map("{:.6f}".format),
        }
    )
