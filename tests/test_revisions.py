"""Rows of one key settled in the order in which they became known."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from pipeline.clean import CLEAN
from pipeline.revisions import DUPLICATE_KEY, Settled, _History, settle
from pipeline.silver import SILVER

START = datetime(2024, 5, 1, tzinfo=UTC)
BARE: dict[str, Any] = {"id": "A", "content": 1, "occurred_at": START, "known_at": START}
BARE |= {"revised": False, "retracted": False, "category": "theft", "group": "property"}
BARE |= {"cell": 617671331407200255, "delivery": "file", "reason": "", "lat": 39.7}


def hours(count: float) -> datetime:
    return START + timedelta(hours=count)


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Clean incidents: the bare row with each of the changes."""
    values = [BARE | row for row in rows]
    columns = {name: pd.Series([row.get(name) for row in values], dtype="object") for name in CLEAN}
    filled = {name: False for name, kind in CLEAN.items() if kind == "bool"}
    filled |= {name: "" for name, kind in CLEAN.items() if kind == "str"}
    return pd.DataFrame(columns).fillna(filled).astype(CLEAN)


NOTHING = settle(frame([]), SILVER.empty_table().to_pandas()).kept


def deliver(*deliveries: list[dict[str, Any]], after: pd.DataFrame = NOTHING) -> list[Settled]:
    """Ingestions after each other, each seeing what silver has kept of those before."""
    silver, out = after, []
    for rows in deliveries:
        out.append(settle(frame(rows), silver))
        silver = pd.concat([silver, out[-1].kept])
    return out


def brief(settled: Settled) -> list[tuple[Any, ...]]:
    kept = settled.kept.sort_values(["id", "revision"])
    return list(zip(kept["id"], kept["revision"], kept["content"], strict=True))


def test_single_rows_are_first_revisions():
    (out,) = deliver([{"id": "A"}, {"id": "B", "retracted": True}])
    assert brief(out) == [("A", 0, 1), ("B", 0, 1)]
    assert out.kept[["was_occurred_at", "was_cell", "was_group"]].isna().all(axis=None)
    assert (out.merged, len(out.conflicts)) == (0, 0)


def test_equal_rows_are_merged():
    (out,) = deliver([{"delivery": "b"}, {"delivery": "a"}, {}, {"id": "a"}])
    assert brief(out) == [("A", 0, 1), ("a", 0, 1)]
    assert out.merged == 2
    assert out.kept.set_index("id")["delivery"]["A"] == "a"


def test_the_first_known_row_of_a_conflict_stands():
    rows = [{"content": 1, "known_at": hours(2)}, {"content": 9, "known_at": hours(1)}]
    (out,) = deliver([*rows, {"content": 9, "known_at": hours(1)}])
    assert brief(out) == [("A", 0, 9)]
    assert out.conflicts["reason"].tolist() == [DUPLICATE_KEY]
    assert out.conflicts["content"].tolist() == [1]
    assert out.merged == 1


def test_a_row_with_its_revision_time_replaces_the_one_before():
    later = {"content": 2, "revised": True, "known_at": hours(5), "group": "violent", "cell": 7}
    (out,) = deliver([later, {"cell": 2**61 + 1}])
    assert brief(out) == [("A", 0, 1), ("A", 1, 2)]
    last = out.kept.sort_values("revision").iloc[-1]
    assert (last["was_occurred_at"], last["was_cell"]) == (START, 2**61 + 1)
    assert (last["was_group"], last["known_at"]) == ("property", hours(5))


def test_a_retraction_and_what_comes_after_it():
    gone = {"content": 2, "revised": True, "retracted": True, "known_at": hours(1)}
    back = {"content": 3, "revised": True, "known_at": hours(2)}
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
    assert [len(out.conflicts) for out in (first, second, third)] == [1, 1, 1]
    assert [out.merged for out in (first, second, third)] == [0, 2, 2]


def test_of_two_new_rows_in_a_later_delivery_one_revises():
    _, second = deliver([{}], [{"content": 5}, {"content": 6}])
    assert brief(second) == [("A", 1, 5)]
    assert second.conflicts["content"].tolist() == [6]


def test_two_later_files_revise_one_after_the_other():
    rows = [{"content": 5, "delivery": "b"}, {"content": 6, "delivery": "a"}]
    _, second = deliver([{}], rows)
    assert brief(second) == [("A", 1, 6), ("A", 2, 5)]


def test_ties_are_broken_by_revised_then_delivery_then_content():
    rows = [{"content": 1, "revised": True}, {"content": 8}, {"content": 3, "delivery": "z"}]
    (out,) = deliver(rows)
    assert brief(out) == [("A", 0, 8), ("A", 1, 1)]
    assert out.conflicts["content"].tolist() == [3]


def test_a_key_whose_earlier_row_could_not_be_used_begins_now():
    _, second = deliver([{"id": "B"}], [{"id": "A", "known_at": hours(40)}, {"id": "B"}])
    assert brief(second) == [("A", 0, 1)]
    assert second.kept["was_cell"].isna().all()


def test_no_rows():
    (out,) = deliver([])
    assert (len(out.kept), len(out.conflicts), out.merged) == (0, 0, 0)
    assert set(SILVER.names) - set(out.kept) == {"ingested_at"}


def test_types_do_not_hang_on_what_is_in_the_rows():
    plain, mixed = deliver([{}])[0], deliver([{}, {"content": 2, "revised": True}, {"id": "B"}])[0]
    assert plain.kept.dtypes.equals(mixed.kept.dtypes)
    assert NOTHING.dtypes.equals(mixed.kept.dtypes)


def oracle(rows: list[dict[str, Any]], previous: list[dict[str, Any]]) -> tuple[Any, ...]:
    """Settling row by row, as one would by hand: kept, contents in conflict, merged."""
    silver, kept, conflicts, merged = list(previous), [], [], 0
    seen: set[Any] = {(row["id"], row["content"]) for row in previous}
    delivered = {(row["id"], row["content"], row["delivery"]) for row in rows}
    order = ("known_at", "revised", "delivery", "content")
    for row in sorted(rows, key=lambda row: [row[name] for name in order]):
        key = row["id"]
        if (key, row["content"]) in seen:
            merged += 1
            continue
        seen.add((key, row["content"]))
        of_key = [revision for revision in silver if revision["id"] == key]
        last = of_key[-1] if of_key else None
        is_older = any(revision["id"] == key for revision in previous)
        gone = last and (key, last["content"], row["delivery"]) not in delivered
        if last is None or row["revised"] or (is_older and gone):
            was = last["cell"] if last and not last["retracted"] else None
            known = max(row["known_at"], last["known_at"]) if last else row["known_at"]
            silver.append(row | {"revision": len(of_key), "was_cell": was, "known_at": known})
            kept.append(silver[-1])
        else:
            conflicts.append((key, row["content"]))
    return kept, Counter(conflicts), merged


def flat(kept: pd.DataFrame | list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    names = "id revision content known_at cell was_cell retracted delivery".split()
    records = kept.to_dict("records") if isinstance(kept, pd.DataFrame) else kept
    return {tuple(None if row[name] is pd.NA else row[name] for name in names) for row in records}


@st.composite
def deliveries(draw: st.DrawFn, most: int = 8) -> list[dict[str, Any]]:
    """Rows of few keys, contents and times, so that they meet; equal contents say the same."""
    rows = []
    for _ in range(draw(st.integers(0, most))):
        content = draw(st.integers(0, 15))
        key, revised = "AB"[content % 2], content % 8 >= 4
        row = {"id": key, "content": content, "known_at": hours(content // 3), "revised": revised}
        gone = content % 5 == 4
        rows.append(
            BARE
            | row
            | {"cell": 100 + content, "retracted": gone}
            | {"delivery": draw(st.sampled_from("xy"))}
        )
    return rows


@settings(max_examples=60)
@given(first=deliveries(), second=deliveries(), data=st.data())
def test_settling_equals_the_oracle_in_any_order(first, second, data):
    before = oracle(first, [])[0]
    one, two = deliver(data.draw(st.permutations(first)), data.draw(st.permutations(second)))
    for out, expected in ((one, oracle(first, [])), (two, oracle(second, before))):
        kept, conflicts, merged = expected
        assert flat(out.kept) == flat(kept)
        pairs = zip(out.conflicts["id"], out.conflicts["content"], strict=True)
        assert Counter(pairs) == conflicts
        assert out.merged == merged


@settings(max_examples=60)
@given(rows=deliveries(12), late=deliveries(12), until=st.integers(0, 5))
def test_what_becomes_known_later_changes_nothing_before(rows, late, until):
    """Replace all that became known after an instant: what was known by it is the same."""
    instant = hours(until)
    early = [row for row in rows if row["known_at"] <= instant]
    other = [row for row in late if row["known_at"] > instant]

    def known(all_rows: list[dict[str, Any]]) -> pd.DataFrame:
        kept = settle(frame(all_rows), NOTHING).kept
        kept = kept[kept["known_at"] <= instant]
        return kept.sort_values(["id", "revision"], ignore_index=True)

    assert_frame_equal(known(rows), known(early + other))


def live_sums(revisions: pd.DataFrame, instant: datetime) -> Counter[Any]:
    """Cells of the arrivals known by ``instant``, what goes in less what comes out."""
    known = revisions[revisions["known_at"] <= instant]
    total: Counter[Any] = Counter(known["cell"][~known["retracted"]].tolist())
    total.subtract(known["was_cell"].dropna().tolist())
    return Counter({cell: count for cell, count in total.items() if count})


@settings(max_examples=60)
@given(first=deliveries(), second=deliveries(), until=st.integers(0, 6))
def test_arrivals_add_up_to_what_is_live(first, second, until):
    revisions = pd.concat([out.kept for out in deliver(first, second)])
    known = revisions[revisions["known_at"] <= hours(until)].sort_values("revision")
    latest = known.drop_duplicates("id", keep="last")
    expected = Counter(latest["cell"][~latest["retracted"]].tolist())
    assert live_sums(revisions, hours(until)) == expected


@pytest.mark.parametrize("changed", [0, 500])
def test_a_whole_file_again_is_settled_by_columns(changed, monkeypatch):
    """Only keys with something new are looked at one by one."""
    rows = [{"id": str(i), "content": i} for i in range(5000)]
    again = [
        row | {"content": row["content"] + (1 << 20) * (i < changed)} for i, row in enumerate(rows)
    ]
    looked_at = []
    first = deliver(rows)[0].kept
    of = _History.of
    monkeypatch.setattr(_History, "of", lambda group: looked_at.append(1) or of(group))
    (second,) = deliver(again, after=first)
    assert (len(second.kept), second.merged) == (changed, 5000 - changed)
    assert len(looked_at) == changed
