"""A city whose incidents come from a portal: whole nights, with what a portal does to its rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from cities import BOUNDS, COLUMNS, Small, midnight, reported_at, small_config
from portals import Socrata, Table
from pyarrow.parquet import read_table
from webserver import Clock, Reply, Server, Ticks, serving

from pipeline.config import Config
from pipeline.errors import BusyError, ConfigError
from pipeline.nightly import run_night
from pipeline.sources.services import ServiceSource
from pipeline.store import Store
from pipeline.tables import active_files

DAYS = 40


@pytest.fixture
def portal() -> Socrata:
    table = Table(Clock(midnight(DAYS)))
    rows = Small(days=DAYS).rows()
    for row in rows[reported_at(rows) < midnight(DAYS)].to_dict("records"):
        table.insert(row)
    table.clock.wait(minutes=30)
    return Socrata(table, ("id", "occurred", "reported", "kind", "lat", "lon"))


@pytest.fixture
def server(portal: Socrata) -> Iterator[Server]:
    with serving(portal, portal.table.clock) as server:
        yield server


@pytest.fixture
def config(server: Server, tmp_path: Path) -> Config:
    source = {
        "path": f"{server.url}/resource/abcd-1234",
        "start": "2024-01-01",
        "date_formats": ["%Y-%m-%d %H:%M"],
        "columns": COLUMNS,
    }
    return small_config(tmp_path, pd.DataFrame(), source=source, grid={"bounds": BOUNDS})


def night(config: Config, day: int):
    source = ServiceSource(config.source, Ticks().web)
    now = midnight(day) + timedelta(hours=1)
    return run_night(config, now, midnight(day), until="ingest", source=source).manifest["ingest"]


def silver(config: Config) -> pd.DataFrame:
    files = active_files(Store(config.output.path).silver)
    return pd.concat([read_table(path).to_pandas() for path in files], ignore_index=True)


def test_nights_take_in_what_a_portal_adds_and_changes(config, portal):
    first = night(config, DAYS)
    assert first["kept"] == first["rows_in"] == len(portal.table.rows)
    landing = Store(config.output.path).landing
    assert [path.name for path in landing.rglob("*") if path.is_file()] == ["watermark.json"]

    portal.table.clock.wait(days=1)
    before = portal.table.rows[5]
    changed = before | {"kind": "fraud"}
    portal.table.update(5, changed)
    new = portal.table.rows[len(portal.table.rows)] | {"id": "new"}
    portal.table.insert(new)
    portal.table.clock.wait(minutes=5)
    second = night(config, DAYS + 1)
    assert second["kept"] == 2
    assert second["rows_in"] < 2 + first["rows_in"]
    rows = silver(config)
    revisions = rows[rows["id"] == changed["id"]].sort_values("revision")
    assert revisions["category"].tolist() == [before["kind"], "fraud"]

    portal.table.clock.wait(days=1)
    assert night(config, DAYS + 2)["rows_in"] == 0


def test_a_night_without_an_answer_is_put_off_and_gone_on_with(config, server, portal):
    server.faults |= dict.fromkeys(range(2, 40), Reply(b"", 503))
    with pytest.raises(BusyError, match="try again later") as fault:
        night(config, DAYS)
    assert fault.value.exit_code == 75
    server.faults.clear()
    assert night(config, DAYS)["kept"] == len(portal.table.rows)


def test_secrets_in_an_address_stop_the_night(config, server, monkeypatch):
    values = {"path": (f"{config.source.path[0]}?token=a-secret",), "format": "socrata"}
    source = ServiceSource(config.source.model_copy(update=values), Ticks().web)
    with pytest.raises(ConfigError, match="take it out") as fault:
        source.deliveries()
    assert "a-secret" not in str(fault.value)
    assert not server.asked
