"""ArcGIS layers: dates, places, pages, what was edited, and refusals that look like answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from crawling import (
    cases,
    make_source,
    the_nights,  # noqa: F401 -- a fixture
)
from portals import ArcGis, Table
from webserver import Clock, Reply, Server, Ticks, serving

from pipeline.errors import BusyError, ConfigError, DataError, MissingInputError
from pipeline.sources.services import sample_rows

TEXT, DATE, DOUBLE = "esriFieldTypeString", "esriFieldTypeDate", "esriFieldTypeDouble"
FIELDS = {"case": TEXT, "at": DATE, "kind": TEXT, "lat": DOUBLE, "lon": DOUBLE, "note": TEXT}
AT = int(datetime(2024, 4, 1, 10, tzinfo=UTC).timestamp() * 1000)


def row(case: object, note: str | None = None, **values: Any) -> dict[str, Any]:
    plain = {"at": AT, "kind": "theft", "lat": 39.74, "lon": -104.98, "_x": -104.9, "_y": 39.7}
    return {"case": str(case), **plain, "note": note, **values}


@pytest.fixture
def portal() -> ArcGis:
    table = Table(Clock())
    for case in range(10):
        table.insert(row(case))
    table.clock.wait(days=3)
    return ArcGis(table, FIELDS, most=4)


@pytest.fixture
def server(portal: ArcGis) -> Iterator[Server]:
    with serving(portal, portal.table.clock) as server:
        yield server


def test_every_feature_comes_once(nights, server):
    rows = nights.night()
    assert cases(rows) == [str(case) for case in range(10)]
    asked = [asked.query for asked in server.asked if "outFields" in asked.query]
    assert [query["where"] for query in asked] == [
        "1=1", "OBJECTID > 4", "OBJECTID > 8", "OBJECTID > 10"
    ]  # fmt: skip
    assert {query["resultRecordCount"] for query in asked} == {"4"}
    assert {query["returnGeometry"] for query in asked} == {"false"}


def test_values_become_the_text_that_was_sent(nights, portal):
    portal.table.update(1, row(0, kind=13, lat=39.10, at=AT + 500, note=None))
    portal.table.update(2, row(1, at=None, lon=-104.0))
    portal.table.update(3, row(2, at=-86_400_000, note="  é "))
    rows = nights.night().set_index("case")
    assert rows.loc["0", ["at", "kind", "lat", "note"]].tolist() == [
        "2024-04-01T10:00:00.500000Z", "13", "39.1", ""
    ]  # fmt: skip
    assert rows.loc["1", ["at", "lon"]].tolist() == ["", "-104.0"]
    assert rows.loc["2", ["at", "note"]].tolist() == ["1969-12-31T00:00:00Z", "  é "]
    assert rows.loc["3", "at"] == "2024-04-01T10:00:00Z"


def test_the_place_can_be_the_geometry(nights, portal, server):
    portal.table.update(2, {k: v for k, v in row(1).items() if k not in ("_x", "_y")})
    columns = {"key": ["case"], "occurred_at": "at", "category": "kind"}
    columns |= {"longitude": "geometry.x", "latitude": "geometry.y"}
    nights.source = make_source(f"{server.url}{portal.path}", columns=columns)
    rows = nights.night().set_index("case")
    assert rows.loc["0", ["geometry.x", "geometry.y"]].tolist() == ["-104.9", "39.7"]
    assert rows.loc["1", ["geometry.x", "geometry.y"]].tolist() == ["", ""]


def test_a_layer_without_points_has_no_geometry_to_map(nights, portal, server):
    portal.is_point = False
    columns = {"key": ["case"], "occurred_at": "at", "category": "kind"}
    columns |= {"longitude": "geometry.x", "latitude": "geometry.y"}
    nights.source = make_source(f"{server.url}{portal.path}", columns=columns)
    with pytest.raises(ConfigError, match=r"no column 'geometry.y'"):
        nights.night()


def test_tracked_edits_are_asked_for(nights, server, portal):
    nights.night()
    portal.table.clock.wait(days=4)
    portal.table.update(3, row(2, "changed"))
    portal.table.insert(row(99))
    portal.table.clock.wait(minutes=5)
    begin = len(server.asked)
    rows = nights.night()
    assert set(rows["case"]) == {"2", "99", *map(str, range(10))}  # the oldest are one instant
    portal.table.clock.wait(days=4)
    portal.table.update(5, row(4, "later"))
    portal.table.clock.wait(minutes=5)
    assert cases(nights.night()) == ["2", "4", "99"]  # those within a day of the last are in doubt
    where = [a.query["where"] for a in server.asked[begin:] if "outFields" in a.query]
    assert where[0] == "EditDate >= TIMESTAMP '2024-05-01 06:00:00'"


def test_without_tracking_everything_comes_again_when_something_was_edited(nights, portal):
    portal.tracks_edits = False
    assert len(nights.night()) == 10
    portal.table.clock.wait(days=1)
    assert nights.night() is None
    portal.table.update(1, row(0, "changed"))
    portal.table.clock.wait(minutes=5)
    assert len(nights.night()) == 10
    assert nights.held["0"]["note"] == "changed"


def test_a_layer_that_does_not_say_when_it_was_edited_is_read_once_a_day(nights, portal):
    portal.tracks_edits = portal.says_edited = False
    assert len(nights.night()) == 10
    portal.table.update(1, row(0, "changed"))
    assert nights.night() is None
    portal.table.clock.wait(days=1)
    assert len(nights.night()) == 10
    assert nights.held["0"]["note"] == "changed"


def test_a_layer_that_cannot_be_asked_for_edits_is_read_whole(nights, portal):
    portal.knows_timestamps = False
    nights.night()
    portal.table.clock.wait(days=2)
    portal.table.update(1, row(0, "changed"))
    portal.table.clock.wait(minutes=5)
    assert len(nights.night()) == 10
    assert nights.held["0"]["note"] == "changed"


@pytest.mark.parametrize("code", [429, 500, 504])
def test_passing_refusals_with_status_200_are_tried_again(nights, server, code):
    server.faults[3] = ArcGis.refusal(code, "Error performing query operation")
    assert len(nights.night()) == 10


def test_lasting_trouble_is_put_off(nights, server):
    server.faults |= {number: ArcGis.refusal(503, "Wait") for number in range(3, 20)}
    with pytest.raises(BusyError, match=r"answers 503 \(Wait\), 6 times running"):
        nights.night()


@pytest.mark.parametrize(
    ("code", "error", "text"),
    [
        (400, ConfigError, "400 No"),
        (404, MissingInputError, "404 No"),
        (403, DataError, "ARCGIS_TOKEN"),
        (498, DataError, "no longer valid"),
        (499, DataError, "set ARCGIS_TOKEN"),
    ],
)
def test_refusals_with_status_200_are_errors(nights, server, code, error, text):
    server.faults[2] = ArcGis.refusal(code, "No")
    with pytest.raises(error, match=text):
        nights.night()
    assert len(server.asked) == 3


def test_the_token_is_sent_as_a_header_alone(nights, server, monkeypatch):
    monkeypatch.setenv("ARCGIS_TOKEN", "a-secret\n")
    monkeypatch.setenv("ARCGIS_TOKEN_HOST", "127.0.0.1")
    nights.night()
    assert {a.headers.get("X-Esri-Authorization") for a in server.asked} == {"Bearer a-secret"}
    assert not any("a-secret" in str(asked.query) for asked in server.asked)
    server.faults[len(server.asked)] = ArcGis.refusal(498, "Invalid token")
    with pytest.raises(DataError) as fault:
        nights.night()
    assert "a-secret" not in str(fault.value)


def test_a_layer_that_ignores_the_order_is_refused(nights, server):
    features = [{"attributes": {"OBJECTID": key, **row(key)}} for key in (2, 1)]
    server.faults[3] = Reply({"features": features})
    with pytest.raises(DataError, match="in no order"):
        nights.night()


def test_a_layer_that_ignores_the_cursor_is_refused(nights, server):
    features = [{"attributes": {"OBJECTID": key, **row(key)}} for key in (1, 2, 3, 4)]
    server.faults[4] = Reply({"features": features})
    with pytest.raises(DataError, match="in no order"):
        nights.night()


def test_a_layer_without_pages_is_asked_for_as_much_as_it_gives(nights, server, portal):
    body = portal._metadata()
    body["advancedQueryCapabilities"] = {"supportsPagination": False}
    server.faults |= dict.fromkeys((0, 1), Reply(body))
    assert len(nights.night()) == 10
    assert not any("resultRecordCount" in asked.query for asked in server.asked)


def test_a_layer_without_object_ids_is_refused(nights, server, portal):
    body = portal._metadata() | {"objectIdField": None, "fields": []}
    server.faults[0] = Reply(body)
    with pytest.raises(DataError, match="no object ids"):
        nights.night()


def test_a_sample_holds_every_column(server, portal):
    sample = sample_rows(f"{server.url}{portal.path}", 5, Ticks().web())
    names = ["OBJECTID", *FIELDS, "EditDate", "geometry.x", "geometry.y"]
    assert (list(sample.rows), len(sample.rows), sample.total) == (names, 8, 10)


def test_a_date_that_is_none_is_the_number_that_was_sent(nights, portal):
    portal.table.update(1, row(0, at=575_000_000_000_000_000))
    assert nights.night().set_index("case").loc["0", "at"] == "575000000000000000"


def test_an_empty_page_of_a_layer_that_has_more_ends_nothing(nights, server):
    server.faults[4] = Reply({"features": [], "exceededTransferLimit": True})
    assert cases(nights.night()) == [str(case) for case in range(10)]


def test_a_layer_that_never_gives_what_it_has_is_put_off(nights, portal, server):
    answer = server.answer

    def silent(asked):
        empty = Reply({"features": [], "exceededTransferLimit": True})
        return empty if "outFields" in asked.query else answer(asked)

    server.answer = silent
    with pytest.raises(BusyError, match="says that there is more, and gives none, 3 times"):
        nights.night()
