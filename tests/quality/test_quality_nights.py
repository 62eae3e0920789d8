"""Nights whose delivery is not as usual: stopped before anything is committed, taken up again."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
import yaml
from cities import Small, midnight, reported_at, small_config
from deltalake import DeltaTable

from pipeline.cli import main
from pipeline.config import Config
from pipeline.errors import DataError
from pipeline.nightly import run_night
from pipeline.quality.history import read_past, read_refused
from pipeline.store import Store

FIRST = 100
NIGHTS = 16


def night(config: Config, number: int, accept: bool = False) -> dict[str, object]:
    at = midnight(number)
    return run_night(
        config, at + timedelta(minutes=5), at, "ingest", accept_quality=accept
    ).manifest


def deliver(folder: Path, rows: pd.DataFrame, number: int, name: str | None = None) -> None:
    """What was reported in the day before the night of this number."""
    known = reported_at(rows)
    news = rows[(known > midnight(number - 1)) & (known <= midnight(number))]
    news.to_csv(folder / "in" / f"{name or number}.csv", index=False)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """A history and its nights, all as usual."""
    folder = tmp_path_factory.mktemp("begun")
    rows = Small(days=130, per_day=200).rows()
    config = small_config(folder, rows[reported_at(rows) <= midnight(FIRST)])
    manifest = night(config, FIRST)
    for number in range(FIRST + 1, FIRST + NIGHTS):
        deliver(folder, rows, number)
        manifest = night(config, number)
        assert manifest["ingest"]["quality"]["errors"] == []  # type: ignore[index]
    return folder, rows


def test_a_night_with_a_tenth_stops_and_a_corrected_one_goes_on(
    begun: tuple[Path, pd.DataFrame],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder, rows = begun
    config = small_config(folder, rows[reported_at(rows) <= midnight(FIRST)])
    store, number = Store(config.output.path), FIRST + NIGHTS
    before = [DeltaTable(table).version() for table in (store.bronze, store.silver)]
    deliver(folder, rows[::10], number, "today")
    for _ in range(2):
        with pytest.raises(DataError, match=r"incidents are new in 1\.0 days.*--accept-quality"):
            night(config, number)
    assert [DeltaTable(table).version() for table in (store.bronze, store.silver)] == before
    refused = read_refused(store.root)
    assert refused is not None
    assert len(read_past(store.root)) == NIGHTS
    values = config.model_dump(mode="json", exclude_defaults=True)
    (folder / "city.yaml").write_text(yaml.safe_dump(values))
    monkeypatch.setattr(sys, "argv", ["hexcast", "quality", str(folder / "city.yaml")])
    with pytest.raises(SystemExit):
        main()
    shown = capfd.readouterr().out
    assert "refused: " in shown
    assert shown.count("\n2024-04-") >= 13
    deliver(folder, rows, number, "today")
    manifest = night(config, number)
    assert manifest["ingest"]["quality"]["span_days"] == pytest.approx(1, abs=0.01)  # type: ignore[index]
    known = json.dumps(manifest)
    assert "refused" not in known
    assert read_refused(store.root) is None
    # The next night's tenth is looked at, and let through.
    deliver(folder, rows[::10], number + 1)
    manifest = night(config, number + 1, accept=True)
    assert manifest["ingest"]["quality"]["accepted"]  # type: ignore[index]
    assert manifest["ingest"]["kept"] > 0  # type: ignore[index]


def test_a_snapshot_that_leaves_out_many_leaves_its_record_and_nothing_else(tmp_path: Path) -> None:
    rows = Small(days=40, per_day=60).rows()
    config = small_config(tmp_path, rows)
    source = config.source.model_copy(update={"delivers": "snapshot"})
    config = config.model_copy(update={"source": source})
    night(config, 40)
    store = Store(config.output.path)
    before = [DeltaTable(table).version() for table in (store.bronze, store.silver)]
    rows.iloc[::2].to_csv(tmp_path / "in" / "incidents.csv", index=False)
    with pytest.raises(DataError, match=r"snapshot leaves out 1,\d{3} of 2,\d{3} incidents"):
        night(config, 41)
    assert [DeltaTable(table).version() for table in (store.bronze, store.silver)] == before
    refused = read_refused(store.root)
    assert refused is not None
    assert refused.deleted * 2 == pytest.approx(refused.live, abs=2)
    accepted = night(config, 41, accept=True)["ingest"]["quality"]["accepted"]  # type: ignore[index]
    assert accepted.keys() == {"deleted"}
    assert read_refused(store.root) is None
