"""Rows of one key settled in the order in which they became known."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from revising import BARE, START, UNKNOWN, deliver, frame, hours, latest

from pipeline.ingest.bronze import ABSENT, AGAIN
from pipeline.ingest.key_tables import DUPLICATE_KEY
from pipeline.ingest.revisions import NO_CONTENT, NOT_NEEDED, Settled, _History, settle
from pipeline.silver import SILVER

CELL = BARE["cell"]


def brief(settled: Settled) -> list[tuple[Any, ...]]:
    kept = settled.kept.sort_values(["id", "revision"])
    return list(zip(kept["id"], kept["revision"], kept["content"], strict=True))


def test_single_rows_are_first_revisions():
    (out,) = deliver([{"id": "A"}, {"id": "B", "retracted": True}])
    assert brief(out) == [("A", 0, 1), ("B", 0, 1)]
    assert out.kept[["was_occurred_at", "was_cell", "was_group"]].isna().all(axis=None)
    assert (out.merged, len(out.refused), out.absent) == (0, 0, 0)


def test_equal_rows_are_merged():
    (out,) = deliver([{"delivery": "b"}, {"delivery": "a"}, {}, {"id": "a"}])
    assert brief(out) == [("A", 0, 1), ("a", 0, 1)]
    assert out.merged == 2
    assert out.kept.set_index("id")["delivery"]["A"] == "a"


def test_the_first_known_row_of_a_conflict_stands():
    rows = [{"content": 1, "known_at": hours(2)}, {"content": 9, "known_at": hours(1)}]
    (out,) = deliver([*rows, {"content": 9, "known_at": hours(1)}])
    assert brief(out) == [("A", 0, 9)]
    assert out.refused["reason"].tolist() == [DUPLICATE_KEY]
    assert out.refused["content"].tolist() == [1]
    assert out.merged == 1


def test_a_row_with_its_revision_time_replaces_the_one_before():
    later = {"content": 2, "revised_at": hours(5), "known_at": hours(5)}
    later |= {"group": "violent", "cell": 7}
    (out,) = deliver([later, {"cell": 2**61 + 1}])
    assert brief(out) == [("A", 0, 1), ("A", 1, 2)]
    last = out.kept.sort_values("revision").iloc[-1]
    assert (last["was_occurred_at"], last["was_cell"]) == (START, 2**61 + 1)
    assert (last["was_group"], last["known_at"]) == ("property", hours(5))


def test_a_retraction_and_what_comes_after_it():
    gone = {"content": 2, "revised_at": hours(1), "retracted": True, "known_at": hours(1)}
    back = {"content": 3, "revised_at": hours(2), "known_at": hours(2)}
    (out,) = deliver([back, gone, {}])
    was = out.kept.sort_values("revision")["was_cell"]
    assert was.isna().tolist() == [True, False, True]


def test_the_retraction_of_an_unknown_incident_takes_nothing_out():
    (out,) = deliver([{"retracted": True}])
    assert out.kept["was_cell"].isna().all()
    assert out.kept["retracted"].all()


def test_a_later_delivery_revises():
    first, second = deliver([{}], [{"content": 2, "known_at": hours(9), "cell": 5}])
    assert brief(second) == [("A", 1, 2)]
    assert second.kept["was_cell"].tolist() == first.kept["cell"].tolist()
    assert second.kept["known_at"].tolist() == [hours(9)]


def test_a_revision_is_not_known_before_what_it_replaces():
    _, second = deliver([{"known_at": hours(9)}], [{"content": 2, "known_at": hours(1)}])
    assert second.kept["known_at"].tolist() == [hours(9)]


def test_the_same_file_again_changes_nothing():
    """A conflict stays one: what stood is still delivered."""
    rows = [{"content": 1}, {"content": 2, "known_at": hours(1)}, {"id": "B"}]
    late = [row | {"known_at": hours(30)} for row in rows]
    first, second, third = deliver(rows, late, [*late, {"id": "C"}])
    assert [len(out.kept) for out in (first, second, third)] == [2, 0, 1]
    assert [len(out.refused) for out in (first, second, third)] == [1, 1, 1]
    assert [out.merged for out in (first, second, third)] == [0, 2, 2]


def test_of_two_new_rows_in_a_later_delivery_one_revises():
    _, second = deliver([{}], [{"content": 5}, {"content": 6}])
    assert brief(second) == [("A", 1, 5)]
    assert second.refused["content"].tolist() == [6]


def test_two_later_files_revise_one_after_the_other():
    rows = [{"content": 5, "delivery": "b"}, {"content": 6, "delivery": "a"}]
    _, second = deliver([{}], rows)
    assert brief(second) == [("A", 1, 6), ("A", 2, 5)]


def test_ties_are_broken_by_revised_then_delivery_then_content():
    rows = [{"content": 1, "revised_at": START}, {"content": 8}, {"content": 3, "delivery": "z"}]
    (out,) = deliver(rows)
    assert brief(out) == [("A", 0, 8), ("A", 1, 3), ("A", 2, 1)]
    (out,) = (settle(frame(rows), UNKNOWN, is_snapshot=True),)
    assert brief(out) == [("A", 0, 8), ("A", 1, 1)]
    assert out.refused["content"].tolist() == [3]


def test_of_two_deliveries_at_once_the_last_corrects_and_is_known_from_then():
    """Two nights' files in one ingestion, as after a night that did not run."""
    old, new = {"content": 1, "delivery": "may"}, {"content": 2, "delivery": "may-2"}
    now = pd.Timestamp(hours(90))
    for rows in ([old, new], [new, old]):
        later, first = settle(frame(rows), UNKNOWN), settle(frame(rows), UNKNOWN, first_at=now)
        assert brief(later) == brief(first) == [("A", 0, 1), ("A", 1, 2)]
        assert later.kept["known_at"].tolist() == [pd.Timestamp(START)] * 2
        assert first.kept["known_at"].tolist() == [pd.Timestamp(START), now]
    again = settle(frame([old, new, old | {"delivery": "may-3"}]), UNKNOWN)
    assert brief(again) == [("A", 0, 1)]  # the last of them says the first again


@pytest.mark.parametrize("lacks", NOT_NEEDED)
def test_a_row_that_takes_back_need_not_say_where_or_what(lacks):
    gone = {"content": 2, "retracted": True, "reason": lacks, "cell": 0, "group": "other"}
    for before, rows in (([{}], [gone]), ([], [{}, gone | {"known_at": hours(1)}])):
        out = deliver(before, rows)[-1]
        last = out.kept.iloc[-1]
        assert (last["retracted"], last["was_cell"], last["cell"]) == (True, CELL, CELL)
        assert (last["group"], len(out.refused)) == ("property", 0)
    (alone,) = deliver([gone])
    assert alone.refused["reason"].tolist() == [lacks]


def test_a_correction_to_before_the_start_takes_the_incident_out():
    _, second = deliver([{}], [{"content": 2, "reason": "before the start"}])
    assert second.kept[["retracted", "was_cell"]].values.tolist() == [[True, CELL]]


@pytest.mark.parametrize("is_snapshot", [True, False])
def test_a_file_of_a_snapshot_may_hold_what_another_puts_elsewhere(is_snapshot):
    (first,) = deliver([{"delivery": "a"}])
    moved = {"content": 2, "delivery": "a", "reason": "outside the bounds"}
    still = {"said": AGAIN, "delivery": "b"}
    out = settle(frame([moved, still]), latest(first.kept), is_snapshot)
    assert len(out.kept) == (0 if is_snapshot else 1)


def test_a_key_whose_earlier_row_could_not_be_used_begins_now():
    _, second = deliver([{"id": "B"}], [{"id": "A", "known_at": hours(40)}, {"id": "B"}])
    assert brief(second) == [("A", 0, 1)]
    assert second.kept["was_cell"].isna().all()


def test_no_rows():
    (out,) = deliver([])
    assert (len(out.kept), len(out.refused), out.merged, out.absent) == (0, 0, 0, 0)
    assert set(SILVER.names) - set(out.kept) == {"ingested_at"}
    assert out.kept.dtypes.equals(deliver([{}])[0].kept.dtypes)


def test_types_do_not_hang_on_what_is_in_the_rows():
    rows = [{}, {"content": 2, "revised_at": START}, {"id": "B"}]
    plain, mixed = deliver([{}])[0], deliver(rows)[0]
    assert plain.kept.dtypes.equals(mixed.kept.dtypes)


@pytest.mark.parametrize("changed", [0, 500])
def test_a_whole_file_again_is_settled_by_columns(changed, monkeypatch):
    """Only keys with something new are looked at one by one."""
    rows = [{"id": str(i), "content": i} for i in range(5000)]
    again = [
        row | {"content": row["content"] + (1 << 20) * (i < changed)} for i, row in enumerate(rows)
    ]
    looked_at = []
    first = latest(deliver(rows)[0].kept)
    begin = _History.__init__
    monkeypatch.setattr(_History, "__init__", lambda *a: looked_at.append(1) or begin(*a))
    (second,) = deliver(again, after=first)
    assert (len(second.kept), second.merged) == (changed, 5000 - changed)
    assert len(looked_at) == changed


def test_what_is_delivered_again_makes_another_row_a_conflict():
    """As bronze says it: the old row itself is not there any more."""
    news = {"content": 2, "cell": 5}
    _, same = deliver([{}], [news, {"said": AGAIN}])
    assert (len(same.kept), same.refused["content"].tolist()) == (0, [2])
    _, other = deliver([{}], [news, {"said": AGAIN, "delivery": "other file"}])
    assert (brief(other), len(other.refused)) == ([("A", 1, 2)], 0)


def test_what_is_absent_is_taken_back_as_it_was():
    known = {"content": 7, "known_at": hours(1), "cell": 11, "group": "violent"}
    gone = {"said": ABSENT, "content": 7, "known_at": hours(9), "cell": 0, "group": "other"}
    gone |= {"occurred_at": None}
    (first, second, third) = deliver([known], [gone], [known | {"known_at": hours(12)}])
    assert (brief(second), second.absent, second.merged) == ([("A", 1, NO_CONTENT)], 1, 0)
    row = second.kept.iloc[0]
    assert (row["retracted"], row["cell"], row["was_cell"]) == (True, 11, 11)
    assert (row["group"], row["was_group"], row["known_at"]) == ("violent", "violent", hours(9))
    assert row["occurred_at"] == row["occurred_from"] == row["was_occurred_at"] == START
    assert (brief(third), third.absent) == ([("A", 2, 7)], 0)
    assert third.kept["was_cell"].isna().all()
    assert first.absent == 0


ELSEWHERE = {"content": 3, "reason": "outside the boundary", "row": "{}"}


def test_an_incident_that_is_now_elsewhere_is_taken_back():
    _, second = deliver([{}], [ELSEWHERE])
    assert (brief(second), len(second.refused)) == ([("A", 1, 3)], 0)
    assert second.kept[["retracted", "was_cell"]].to_numpy().tolist() == [[True, BARE["cell"]]]


@pytest.mark.parametrize(
    "rows",
    [
        [ELSEWHERE],
        [ELSEWHERE | {"id": "B"}, {"said": AGAIN}],
        [ELSEWHERE, {"content": 5}],
        [ELSEWHERE | {"reason": "no coordinates"}],
    ],
)
def test_one_that_was_never_here_or_still_is_is_not(rows):
    known = [{"id": "C"}] if len(rows) == 1 and rows[0] is ELSEWHERE else [{}]
    _, out = deliver(known, rows)
    assert len(out.refused) == 1
    assert not out.kept["retracted"].any()


def test_an_older_version_that_comes_later_is_merged():
    newer = {"content": 2, "revised_at": hours(5), "known_at": hours(5)}
    older = {"content": 1, "revised_at": hours(3), "known_at": hours(9)}
    never = {"content": 3, "known_at": hours(9)}
    for rows in ([older], [never], [older, never]):
        _, out = deliver([newer], rows)
        assert (len(out.kept), len(out.refused), out.merged) == (0, 0, len(rows))


def test_what_has_no_revision_time_may_take_back_one_that_has():
    newer = {"content": 2, "revised_at": hours(5), "known_at": hours(5)}
    _, out = deliver([newer], [{"content": 3, "retracted": True, "known_at": hours(9)}])
    assert (brief(out), out.kept["was_cell"].tolist()) == ([("A", 1, 3)], [BARE["cell"]])
