"""CKAN: pages by offset that notice when the table moves under them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from crawling import (
    NAMES,
    cases,
    make_source,
    row,
    the_nights,  # noqa: F401 -- a fixture
)
from portals import Ckan, Table
from webserver import Asked, Clock, Reply, Server, Ticks, serving

from pipeline.errors import BusyError, ConfigError, DataError, MissingInputError
from pipeline.sources import ckan
from pipeline.sources.services import sample_rows


@pytest.fixture
def portal() -> Ckan:
    table = Table(Clock())
    for case in range(10):
        table.insert(row(case))
    table.clock.wait(days=2)
    return Ckan(table, NAMES)


@pytest.fixture
def server(portal: Ckan, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(ckan, "PAGE_ROWS", 4)
    with serving(portal, portal.table.clock) as server:
        yield server


def pages(server: Server) -> list[Asked]:
    return [asked for asked in server.asked if "offset" in asked.query]


def test_every_row_comes_once(nights, server):
    rows = nights.night()
    assert cases(rows) == [str(case) for case in range(10)]
    assert [asked.query["offset"] for asked in pages(server)] == ["0", "3", "6", "9"]
    assert {asked.query["fields"] for asked in pages(server)} == {"_id,case,at,kind,lat,lon,note"}


def test_a_portal_may_give_fewer_rows_a_page(nights, portal):
    portal.most = 3
    assert len(nights.night()) == 10


def test_one_row_a_page_goes_on_all_the_same(nights, portal):
    portal.most = 2
    assert len(nights.night()) == 10


def test_numbers_and_missing_values(nights, portal):
    portal.table.update(1, row(0) | {"lat": 39.10, "note": None, "kind": 7})
    rows = nights.night().set_index("case")
    assert rows.loc["0", ["lat", "note", "kind"]].tolist() == ["39.1", "", "7"]


def test_nothing_is_fetched_where_nothing_changed(nights, server):
    nights.night()
    before = len(pages(server))
    assert nights.night() is None
    assert len(pages(server)) == before


def test_all_is_read_again_when_something_changed(nights, portal):
    nights.night()
    portal.table.clock.wait(days=1)
    portal.table.update(1, row(0, "changed"))
    portal.table.clock.wait(minutes=5)
    assert len(nights.night()) == 10
    assert nights.held["0"]["note"] == "changed"


def test_a_changed_number_of_rows_is_a_change(nights, portal):
    nights.night()
    at = portal.table.at
    portal.table.insert(row(10))
    portal.table.at = at  # some portals do not note it
    assert len(nights.night()) == 11


def test_rows_that_move_up_are_not_skipped(nights, server, portal):
    def edit(number: int) -> None:
        if len(pages(server)) == 2 and 1 in portal.table.rows:
            portal.table.delete(1)

    server.before = edit
    assert cases(nights.night()) == [str(case) for case in range(1, 10)]


def test_a_table_that_never_rests_is_put_off(nights, server, portal):
    def edit(number: int) -> None:
        if server.asked[-1].query.get("offset") == "3":
            portal.table.delete(min(portal.table.rows))
            portal.table.insert(row(100 + number))

    server.before = edit
    with pytest.raises(BusyError, match="changes while it is being read, 3 times running"):
        nights.night()


def test_what_is_killed_goes_on_and_what_changed_begins_anew(nights, server, portal):
    server.faults[7] = Reply({"success": False, "error": {"__type": "Broken"}})
    with pytest.raises(DataError, match=r"refused \(Broken\)"):
        nights.night()
    assert len(nights.night()) == 10
    assert [asked.query["offset"] for asked in pages(server)] == ["0", "3", "6", "6", "9"][:5]


def test_refusals_say_what_the_portal_says(nights, server, portal):
    nights.source = make_source(f"{server.url}{portal.base}/datastore_search?resource_id=nope")
    with pytest.raises(MissingInputError, match="Resource was not found"):
        nights.night()
    error = {"__type": "Authorization Error", "message": "Access denied"}
    server.faults[len(server.asked)] = Reply({"success": False, "error": error}, 403)
    nights.source = make_source(f"{server.url}{portal.path}")
    with pytest.raises(DataError, match="Access denied"):
        nights.night()


def test_the_key_is_sent_as_a_header_alone(nights, server, monkeypatch):
    monkeypatch.setenv("CKAN_API_KEY", "a-secret")
    monkeypatch.setenv("CKAN_API_KEY_HOST", "127.0.0.1")
    nights.night()
    assert {asked.headers.get("Authorization") for asked in server.asked} == {"a-secret"}
    assert not any("a-secret" in str(asked.query) for asked in server.asked)


def test_rows_in_no_order_are_refused(nights, server):
    records = [{"_id": key, **row(key)} for key in (2, 1)]
    server.faults[5] = Reply({"success": True, "result": {"records": records, "total": 10}})
    with pytest.raises(DataError, match="in no order"):
        nights.night()


def test_a_column_with_a_comma_can_be_read(nights, server, portal):
    portal.columns = ("case", "at", "kind", "lat", "lon", "a, b")
    portal.table.update(1, row(0) | {"a, b": "both"})
    columns = {"key": ["case"], "occurred_at": "at", "category": "kind", "district": "a, b"}
    columns |= {"latitude": "lat", "longitude": "lon"}
    nights.source = make_source(f"{server.url}{portal.path}", columns=columns)
    assert nights.night().set_index("case").loc["0", "a, b"] == "both"


def test_a_column_that_is_not_there_is_named_with_the_nearest(nights, portal):
    portal.columns = ("case", "at", "kinds", "lat", "lon")
    with pytest.raises(ConfigError, match="did you mean kinds"):
        nights.night()


def test_a_sample_holds_every_column(server, portal):
    sample = sample_rows(f"{server.url}{portal.path}", 5, Ticks().web())
    assert (list(sample.rows), len(sample.rows), sample.total) == (list(NAMES), 7, 10)
