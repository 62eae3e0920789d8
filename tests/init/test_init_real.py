"""The two real cities' files as published: what is found is what was written by hand."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from pipeline.check import check_city
from pipeline.init.recipe import init_city
from pipeline.load import load_config

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("HEXCAST_DATA") or ROOT.parent / "shared" / "data")
NOW = datetime(2026, 1, 1, tzinfo=UTC)

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data at {DATA}"),
    pytest.mark.timeout(600),
]


@pytest.mark.parametrize(
    ("city", "kept", "as_of"),
    [
        ("denver", 0.9988, "2024-10-28T06:00-06:00"),
        ("chicago", 0.991, "2018-11-13T06:00-06:00"),
    ],
)
def test_finds_what_was_written_by_hand(city: str, kept: float, as_of: str, tmp_path: Path) -> None:
    result = init_city([str(DATA / f"{city}.parquet")], tmp_path / "city.yaml", None, None, NOW)
    found = yaml.safe_load(result.path.read_text())
    by_hand = yaml.safe_load((ROOT / "configs" / f"{city}.yaml").read_text())
    for key in ("columns", "start", "date_formats"):
        assert found["source"][key] == by_hand["source"][key]
    assert found["timezone"] == by_hand["timezone"]
    assert found["grid"]["boundary"].endswith(f"{city}.geojson")
    assert result.kept == pytest.approx(kept, abs=0.0005)
    assert result.as_of == as_of
    for group in ("property", "police_initiated"):
        named, known = (set(c["groups"][group]["categories"]) for c in (found, by_hand))
        assert named >= known - {"CRIMINAL SEXUAL ASSAULT"}
    check_city(load_config(result.path), NOW)
