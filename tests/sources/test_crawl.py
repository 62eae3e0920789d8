"""Crawls of portals that change at any time, killed at any time: in the end nothing is lost."""

from __future__ import annotations

import contextlib
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
from crawling import NAMES, Killed, Nights, killing, make_portal, make_source, row
from hypothesis import given, settings
from hypothesis import strategies as st
from portals import Socrata, Table
from webserver import Clock, Reply, serving

from pipeline.errors import BusyError, DataError, EmptyDeliveryError
from pipeline.sources import ckan, socrata

# Minutes that pass, and the rows (by how many places from the first) that are then edited.
Edit = tuple[int, str, int]
EDITS = st.tuples(
    st.integers(0, 90), st.sampled_from(["insert", "update", "delete"]), st.integers(0, 8)
)
NIGHTS = st.lists(
    st.tuples(
        st.lists(EDITS, max_size=3),  # before the night
        st.dictionaries(st.integers(0, 9), EDITS, max_size=3),  # at the n-th request
        st.one_of(st.none(), st.integers(0, 9)),  # the request at which the process is killed
        st.booleans(),  # whether what was taken over is released
    ),
    min_size=1,
    max_size=5,
)


class Editor:
    """Edits that leave their number in the row, so that its newest form is known."""

    def __init__(self, table: Table) -> None:
        self.table, self.number = table, 0

    def __call__(self, edit: Edit) -> None:
        minutes, what, place = edit
        self.table.clock.wait(minutes=minutes, milliseconds=700)
        keys = sorted(self.table.rows)
        self.number += 1
        if what == "insert" or not keys:
            self.table.insert(row(f"new-{self.number}", str(self.number)))
        elif what == "delete":
            self.table.delete(keys[place % len(keys)])
        else:
            key = keys[place % len(keys)]
            self.table.update(key, self.table.rows[key] | {"note": str(self.number)})


def live(table: Table) -> dict[str, str]:
    return {values["case"]: values["note"] for values in table.rows.values()}


def held(nights: Nights) -> dict[str, str]:
    return {case: values["note"] for case, values in nights.held.items()}


@pytest.mark.parametrize("delivers", ["incremental", "snapshot"])
@pytest.mark.parametrize("kind", ["socrata", "tracked", "untracked", "ckan"])
@settings(max_examples=15)
@given(plan=NIGHTS)
def test_after_a_quiet_night_what_is_held_is_what_is_there(kind, delivers, plan):
    table = Table(Clock())
    for case in range(7):
        table.insert(row(case))
        table.clock.wait(minutes=7)
    portal, editor = make_portal(kind, table), Editor(table)
    with (
        TemporaryDirectory() as folder,
        serving(portal, table.clock) as server,
        patch.object(socrata, "PAGE_ROWS", 3),
        patch.object(ckan, "PAGE_ROWS", 3),
    ):
        path = f"{server.url}{portal.path}"
        nights = Nights(make_source(path, delivers=delivers), Path(folder))
        for before, during, killed, release in plan:
            for edit in before:
                editor(edit)
            begin = len(server.asked)
            todo = {begin + number: edit for number, edit in during.items()}
            server.before = lambda at, todo=todo: editor(todo.pop(at)) if at in todo else None
            nights.wrap = killing(server, begin, killed)
            with contextlib.suppress(Killed, BusyError, EmptyDeliveryError):
                nights.night(release)
        server.before, nights.wrap = lambda at: None, lambda web: web
        table.clock.wait(days=1)
        with contextlib.suppress(EmptyDeliveryError):  # where all that was new is gone again
            nights.night()
        found = held(nights)
        if delivers == "snapshot" and table.rows:
            assert found == live(table)
        assert {case: found.get(case) for case in live(table)} == live(table)


def test_a_service_that_repeats_itself_ends(tmp_path, monkeypatch):
    table = Table(Clock())
    for case in range(3):
        table.insert(row(case))
    portal = Socrata(table, NAMES)
    page = [{"case": "0", ":id": "row-000001", ":updated_at": "2024-04-01T00:00:00.000Z"}]
    with serving(portal, table.clock) as server:
        server.faults |= dict.fromkeys(range(3, 10), Reply(page))
        nights = Nights(make_source(f"{server.url}{portal.path}"), tmp_path)
        with pytest.raises(DataError, match="does not go on after row-000001"):
            nights.night()


def test_nothing_of_a_crawl_is_left_behind(tmp_path):
    table = Table(Clock())
    table.insert(row(1))
    table.clock.wait(days=1)
    portal = Socrata(table, NAMES)
    with serving(portal, table.clock) as server:
        nights = Nights(make_source(f"{server.url}{portal.path}"), tmp_path)
        nights.night(release=False)
        (folder,) = tmp_path.iterdir()
        (folder / "000-000007.new").touch()  # the process was killed while it wrote
        (delivery,) = nights.service().deliveries()
        nights.service().release([delivery], tmp_path)
        assert [path.name for path in folder.iterdir()] == ["watermark.json"]
        nights.service().release([delivery], tmp_path)
        assert [path.name for path in folder.iterdir()] == ["watermark.json"]


def test_an_increment_without_rows_is_no_new_delivery(tmp_path):
    table = Table(Clock())
    table.insert(row(1))
    table.clock.wait(days=1)
    portal = Socrata(table, NAMES)
    with serving(portal, table.clock) as server:
        nights = Nights(make_source(f"{server.url}{portal.path}"), tmp_path)
        nights.night()
        table.delete(1)
        table.clock.wait(days=1)
        with pytest.raises(EmptyDeliveryError, match="holds no row that is new"):
            nights.night()
        table.insert(row(2))
        table.clock.wait(days=1)
        assert nights.night()["case"].tolist() == ["2"]
