"""Socrata: every row once, every change by the next night, whatever happens in between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from crawling import (
    NAMES,
    Killed,
    Nights,
    cases,
    killing,
    make_source,
    row,
    the_nights,  # noqa: F401 -- a fixture
)
from portals import Socrata, Table
from webserver import Clock, Reply, Server, Ticks, serving

from pipeline.errors import BusyError, ConfigError, DataError, MissingInputError
from pipeline.sources import socrata
from pipeline.sources.services import sample_rows
from pipeline.sources.source import DELIVERY


@pytest.fixture
def portal() -> Socrata:
    table = Table(Clock())
    for case in range(10):
        table.insert(row(case))
        table.clock.wait(seconds=1)
    table.clock.wait(days=2)
    return Socrata(table, NAMES)


@pytest.fixture
def server(portal: Socrata, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(socrata, "PAGE_ROWS", 4)
    with serving(portal, portal.table.clock) as server:
        yield server


def test_every_row_comes_once_as_text_with_its_address(nights):
    rows = nights.night()
    assert cases(rows) == [str(case) for case in range(10)]
    assert set(rows[DELIVERY]) == {nights.source.path[0]}
    assert rows["lat"].tolist() == ["39.74"] * 10
    assert rows["note"].tolist() == [""] * 10  # blank fields are left out of the answers


def test_only_mapped_columns_are_asked_for(nights, server, portal):
    portal.columns = (*NAMES, "victim")
    nights.night()
    asked = {asked.query["$select"] for asked in server.asked if "$select" in asked.query}
    assert asked == {"case,at,kind,lat,lon,note,:id,:updated_at", "count(*)"}


def test_numbers_and_truth_values_are_as_published(nights, portal):
    portal.table.update(1, row(0) | {"kind": 1.50, "note": True, "lat": {"type": "Point"}})
    rows = nights.night().set_index("case")
    assert rows.loc["0", ["kind", "note", "lat"]].tolist() == ["1.5", "true", '{"type": "Point"}']


def test_nothing_is_fetched_where_nothing_changed(nights, server, portal):
    nights.night()
    portal.table.clock.wait(days=1)
    before = len(server.asked)
    assert nights.night() is None
    assert len(server.asked) == before + 1


def test_later_nights_bring_what_changed(nights, server, portal):
    nights.night()
    portal.table.clock.wait(days=1)
    portal.table.update(3, row(2, "changed"))
    portal.table.insert(row(99))
    portal.table.clock.wait(minutes=5)
    rows = nights.night()
    assert cases(rows) == ["2", "9", "99"]  # 9 was the newest: what lay at its instant is in doubt
    assert nights.held["2"]["note"] == "changed"


def test_what_changes_behind_the_cursor_comes_the_next_night(nights, server, portal):
    def edit(number: int) -> None:
        if number == 5:  # two pages were read
            portal.table.clock.wait(seconds=30)
            portal.table.update(1, row(0, "changed"))

    server.before = edit
    assert "changed" not in set(nights.night()["note"])
    server.before = lambda number: None
    portal.table.clock.wait(days=1)
    nights.night()
    assert nights.held["0"]["note"] == "changed"


def test_what_changes_behind_the_cursor_is_not_hidden_by_what_changes_before_it(nights, server):
    portal = server.answer

    def edit(number: int) -> None:
        if number == 5:
            portal.table.clock.wait(minutes=5)
            portal.table.update(1, row(0, "changed"))
            portal.table.clock.wait(minutes=5)
            portal.table.update(9, row(8, "changed"))  # still to be read: the newest that is seen

    server.before = edit
    nights.night()
    server.before = lambda number: None
    portal.table.clock.wait(days=1)
    nights.night()
    assert nights.held["0"]["note"] == "changed"


def test_a_change_within_the_second_of_the_crawl_is_not_overlooked(nights, portal):
    portal.table.update(1, row(0, "first"))
    portal.table.clock.wait(milliseconds=400)
    nights.night()
    portal.table.update(1, row(0, "second"))  # the same second: rowsUpdatedAt stays as it is
    portal.table.clock.wait(days=1)
    nights.night()
    assert nights.held["0"]["note"] == "second"


def test_a_row_that_becomes_visible_late_is_not_lost(nights, portal):
    """Its time lies before the crawl, but it was committed after."""
    nights.night()
    earlier = portal.table.clock.now - timedelta(minutes=20)
    portal.table.clock.wait(days=1)
    portal.table.insert(row(50))
    portal.table.changed[portal.table.last] = earlier
    nights.night()
    assert "50" in nights.held


@pytest.mark.parametrize("delivers", ["incremental", "snapshot"])
@pytest.mark.parametrize("number", range(7))
def test_killed_at_any_request_it_goes_on_where_it_stopped(nights, server, number, delivers):
    nights.source = nights.source.model_copy(update={"delivers": delivers})
    nights.wrap = killing(server, 0, number)
    with pytest.raises(Killed):
        nights.night()
    nights.wrap = lambda web: web
    done = len([asked for asked in server.asked if "$where" in asked.query])
    rows = nights.night()
    assert cases(rows) == [str(case) for case in range(10)]
    pages = [asked.query for asked in server.asked if "$order" in asked.query]
    assert len(pages) - done <= 4  # none that was answered is asked for again
    assert len({page.get("$where") for page in pages}) == len(pages)


def test_a_crawl_that_was_killed_takes_in_what_changed_before_it_goes_on(nights, server, portal):
    nights.wrap = killing(server, 0, 5)
    with pytest.raises(Killed):
        nights.night()
    nights.wrap = lambda web: web
    portal.table.clock.wait(days=1)
    portal.table.update(1, row(0, "changed"))
    portal.table.delete(10)
    rows = nights.night()
    assert cases(rows) == [str(case) for case in range(9)]  # each once, in its latest form
    assert rows.set_index("case").loc["0", "note"] == "changed"


def test_what_was_not_taken_over_comes_again(nights, portal):
    first = nights.night(release=False)
    portal.table.clock.wait(days=1)
    portal.table.update(1, row(0, "changed"))
    rows = nights.night()
    assert cases(rows) == cases(first)
    assert nights.held["0"]["note"] == "changed"


def test_a_snapshot_is_whole_and_of_one_state(nights, server, portal):
    nights.source = nights.source.model_copy(update={"delivers": "snapshot"})
    nights.night()
    portal.table.clock.wait(days=1)
    portal.table.delete(2)

    def edit(number: int) -> None:
        if number == begin + 6:
            portal.table.clock.wait(minutes=5)
            portal.table.delete(1)
            portal.table.insert(row(0, "again"))

    begin, server.before = len(server.asked), edit
    nights.night()
    assert sorted(nights.held) == ["0", "2", "3", "4", "5", "6", "7", "8", "9"]
    assert nights.held["0"]["note"] == "again"


def test_a_snapshot_of_what_never_rests_is_put_off(nights, server, portal):
    nights.source = nights.source.model_copy(update={"delivers": "snapshot"})

    def edit(number: int) -> None:
        portal.table.clock.wait(minutes=5)
        portal.table.update(1, row(0, str(number)))

    server.before = edit
    with pytest.raises(BusyError, match="changes while it is being read, 3 times running"):
        nights.night()


def test_answers_of_a_copy_that_lags_behind_are_not_taken(nights, server, portal):
    answers = iter([True, True, False])
    portal.is_stale = lambda: next(answers, False)
    assert len(nights.night()) == 10
    first = [asked for asked in server.asked if "$order" in asked.query][:4]
    assert [asked.query.get("$where") for asked in first] == [None] * 3 + [":id > 'row-000004'"]
    portal.is_stale = lambda: True
    portal.table.update(1, row(0, "changed"))
    with pytest.raises(BusyError, match=r"out of date.*try again later"):
        nights.night()


def test_fewer_rows_a_page_than_asked_for_end_nothing(nights, portal):
    portal.most = 3
    assert len(nights.night()) == 10


def test_a_column_that_is_not_there_is_named_with_the_nearest(nights, portal):
    portal.columns = ("case", "at", "kinds", "lat", "lon")
    service = nights.service()
    with pytest.raises(ConfigError, match=r"no column .kind.; did you mean kinds"):
        service.check(service.deliveries())
    with pytest.raises(ConfigError, match="did you mean kinds"):
        nights.night()


def test_an_optional_column_that_is_not_there_reads_as_blank(nights, portal):
    portal.columns = NAMES[:-1]
    nights.service().check(nights.new())
    assert nights.night()["note"].tolist() == [""] * 10


def test_other_spellings_and_old_names_of_columns_are_found(nights, portal):
    portal.columns = ("CASE", "at", "kind_of_offence", "lat", "lon", "note")
    for values in portal.table.rows.values():
        values |= {"CASE": values.pop("case"), "kind_of_offence": values.pop("kind")}
    update = {"renamed": {"Kind of offence": "kind", "kind_of_offence": "kind"}}
    nights.source = nights.source.model_copy(update=update)
    rows = nights.night()
    assert cases(rows) == [str(case) for case in range(10)]
    assert set(rows["kind"]) == {"theft"}


def test_a_column_renamed_in_the_middle_of_a_crawl_is_an_error(nights, server, portal):
    def rename(number: int) -> None:
        if number == 5:
            portal.columns = ("case", "at", "sort", "lat", "lon", "note")

    server.before = rename
    with pytest.raises(DataError, match="No such column: kind"):
        nights.night()


def test_what_is_read_another_way_is_read_anew(nights):
    nights.night()
    nights.source = make_source(nights.source.path[0], date_formats=["%Y-%m-%dT%H:%M:%S.%f"])
    assert len(nights.night()) == 10


def test_the_address_may_end_in_a_format(nights, server):
    nights.source = make_source(f"{server.url}/resource/abcd-1234.json")
    assert len(nights.night()) == 10


def test_no_such_dataset(nights, server):
    nights.source = make_source(f"{server.url}/resource/abcd-9999")
    with pytest.raises(MissingInputError, match=r"there is nothing.*Cannot find view"):
        nights.night()


def test_rows_without_identifiers_are_refused(nights, server):
    server.faults[3] = Reply([{"case": "1"}])
    with pytest.raises(DataError, match="no :id"):
        nights.night()


def test_two_services_and_a_file_are_deliveries_of_their_own(server, portal, tmp_path):
    file = tmp_path / "more.csv"
    file.write_text("case,at,kind,lat,lon\n77,2024-04-02,fraud,1,2\n")
    other = Socrata(portal.table, NAMES)
    with serving(other, portal.table.clock) as second:
        paths = [f"{s.url}/resource/abcd-1234" for s in (server, second)]
        nights = Nights(make_source([*paths, str(file)]), tmp_path / "landing")
        rows = nights.night()
        assert rows.groupby(DELIVERY).size().to_dict() == {**dict.fromkeys(paths, 10), str(file): 1}
        assert nights.night() is None
        portal.table.clock.wait(days=1)
        portal.table.insert(row(99))
        portal.table.clock.wait(minutes=5)
        assert len(nights.new()) == 2
        assert set(nights.night()["case"]) == {"9", "99"}


def test_a_sample_holds_every_column(server, portal):
    sample = sample_rows(f"{server.url}/resource/abcd-1234", 6, Ticks().web())
    assert (list(sample.rows), len(sample.rows), sample.total) == (list(NAMES), 8, 10)
    assert sample.persons == ()


def test_a_sample_asks_for_no_column_about_persons(server, portal):
    portal.columns = (*NAMES, "victim_age", "suspect_race")
    sample = sample_rows(f"{server.url}/resource/abcd-1234", 6, Ticks().web())
    assert sample.persons == ("victim_age", "suspect_race")
    assert list(sample.rows) == list(NAMES)
    assert not any("victim" in str(asked.query) for asked in server.asked)
