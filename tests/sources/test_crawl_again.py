"""Crawls that begin again: services that keep rows back, and crawls that are damaged."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from crawling import Killed, Nights, killing, make_portal, make_source, row
from portals import Table
from webserver import Asked, Clock, Reply, Server, serving

from pipeline.errors import BusyError
from pipeline.sources import ckan, socrata, web


def quiet(kind: str, rows: int = 30) -> Any:
    table = Table(Clock())
    for case in range(rows):
        table.insert(row(case))
    table.clock.wait(days=1)
    return make_portal(kind, table)


def is_page(asked: Asked) -> bool:
    return bool({"$order", "outFields", "offset"} & set(asked.query))


@contextlib.contextmanager
def crawled(portal: Any, folder: Path, **changes: str) -> Iterator[tuple[Nights, Server]]:
    with (
        serving(portal, portal.table.clock) as server,
        patch.object(socrata, "PAGE_ROWS", 10),
        patch.object(ckan, "PAGE_ROWS", 10),
    ):
        yield Nights(make_source(f"{server.url}{portal.path}", **changes), folder), server


def empty(kind: str) -> Reply:
    bodies = {"socrata": [], "ckan": {"success": True, "result": {"records": [], "total": 0}}}
    return Reply(bodies.get(kind, {"features": []}))


@pytest.mark.parametrize("delivers", ["incremental", "snapshot"])
@pytest.mark.parametrize("kind", ["socrata", "tracked", "ckan"])
def test_pages_that_end_too_early_are_read_again(kind, delivers, tmp_path):
    portal = quiet(kind)
    with crawled(portal, tmp_path, delivers=delivers) as (nights, server):
        short = []

        def answer(asked: Asked) -> Reply:
            if is_page(asked):
                short.append(asked)
            return empty(kind) if is_page(asked) and len(short) == 2 else portal(asked)

        server.answer = answer
        assert len(nights.night()) == 30
        assert len(nights.held) == 30


@pytest.mark.parametrize("kind", ["socrata", "tracked", "ckan"])
def test_a_service_that_never_gives_all_is_put_off(kind, tmp_path):
    portal = quiet(kind)
    with crawled(portal, tmp_path) as (nights, server):
        server.answer = lambda asked: empty(kind) if is_page(asked) else portal(asked)
        with pytest.raises(BusyError, match="counts 30 rows and gives 0, 3 times running"):
            nights.night()


@pytest.mark.parametrize("kind", ["socrata", "tracked"])
def test_rows_that_go_and_come_meanwhile_are_no_fault(kind, tmp_path):
    portal = quiet(kind)
    with crawled(portal, tmp_path) as (nights, server):

        def edit(number: int) -> None:
            if number == 4:
                portal.table.delete(30)  # ahead of the cursor
                portal.table.insert(row("new"))
                portal.table.delete(1)  # behind it

        server.before = edit
        nights.night()
        assert len([asked for asked in server.asked if is_page(asked)]) <= 5 * 3


def test_few_rows_that_slip_through_a_moving_table_are_no_fault(tmp_path):
    portal = quiet("socrata", 200)
    with crawled(portal, tmp_path) as (nights, server):

        def edit(number: int) -> None:
            if number == 5:
                portal.table.clock.wait(minutes=1)
                portal.table.delete(200)
                portal.table.update(0, row("behind"))

        server.before = edit
        assert len(nights.night()) == 199
        server.before = lambda number: None
        portal.table.clock.wait(days=1)
        nights.night()
        assert "behind" in nights.held


def damage(folder: Path, name: str, content: bytes | None) -> None:
    (path,) = folder.rglob(name)
    path.write_bytes(path.read_bytes()[:-20] if content is None else content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("crawl.json", b""),
        ("crawl.json", b'{"pages": [1'),
        ("crawl.json", b'{"pages": [1]}'),
        ("000-000000.parquet", b""),
        ("000-000000.parquet", None),
    ],
)
def test_a_damaged_crawl_begins_again(name, content, tmp_path):
    portal = quiet("socrata")
    with crawled(portal, tmp_path) as (nights, server):
        nights.wrap = killing(server, 0, 5)
        with pytest.raises(Killed):
            nights.night()
        nights.wrap = lambda web: web
        damage(tmp_path, name, content)
        assert len(nights.night()) == 30


def test_a_damaged_watermark_is_none(tmp_path):
    portal = quiet("socrata")
    with crawled(portal, tmp_path) as (nights, _):
        nights.night()
        damage(tmp_path, "watermark.json", b"")
        portal.table.insert(row(99))
        portal.table.clock.wait(days=1)
        assert len(nights.night()) == 31


def test_pages_and_state_are_on_the_disk_before_they_have_their_names(tmp_path):
    portal, synced = quiet("socrata"), []
    real = os.fsync

    def note(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        real(handle)

    with crawled(portal, tmp_path) as (nights, _), patch.object(os, "fsync", note):
        nights.night(release=False)
    assert {"000-000000.parquet.new", "crawl.json.new"} <= set(synced)


def test_a_crawl_of_more_requests_than_a_fetch_may_make_goes_on_in_the_next(tmp_path, monkeypatch):
    portal = quiet("socrata")
    with crawled(portal, tmp_path) as (nights, server):
        monkeypatch.setattr(web, "MOST_REQUESTS", 5)
        with pytest.raises(BusyError, match="goes on where it stopped"):
            nights.night()
        assert len(nights.night()) == 30
        asked = [asked.query.get("$where") for asked in server.asked if is_page(asked)]
        assert len(asked) == len(set(asked)) == 4
