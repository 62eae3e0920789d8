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

from pipeline.ingest.bronze import ABSENT, AGAIN, ROW
from pipeline.ingest.clean import CLEAN
from pipeline.ingest.keys import DUPLICATE_KEY, LATEST
from pipeline.ingest.revisions import NO_CONTENT, Settled, _History, settle
from pipeline.silver import SILVER

START, NEVER = datetime(2024, 5, 1, tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
BARE: dict[str, Any] = {"id": "A", "content": 1, "occurred_at": START, "known_at": START}
BARE |= {"revised_at": None, "retracted": False, "category": "theft", "group": "property"}
BARE |= {"cell": 617671331407200255, "delivery": "file", "reason": "", "lat": 39.7, "said": ROW}


def hours(count: float) -> datetime:
    return START + timedelta(hours=count)


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Clean incidents: the bare row with each of the changes."""
    values = [BARE | row for row in rows]
    columns = {name: pd.Series([row.get(name) for row in values], dtype="object") for name in CLEAN}
    filled = {name: False for name, kind in CLEAN.items() if kind == "bool"}
    filled |= {name: "" for name, kind in CLEAN.items() if kind == "str"}
    return pd.DataFrame(columns).fillna(filled).astype(CLEAN)


UNKNOWN = pd.DataFrame({name: pd.Series(dtype=CLEAN.get(name, "int64")) for name in LATEST[:-1]})
UNKNOWN = UNKNOWN.assign(source=pd.Series(dtype="str"))


def latest(kept: pd.DataFrame, before: pd.DataFrame = UNKNOWN) -> pd.DataFrame:
    """What is known last of every key, after revisions were added to what was."""
    rows = kept.rename(columns={"delivery": "source"})[LATEST]
    known = pd.concat([before, rows], ignore_index=True).sort_values("revision")
    return known.drop_duplicates("id", keep="last").astype(UNKNOWN.dtypes.to_dict())


def deliver(*deliveries: list[dict[str, Any]], after: pd.DataFrame = UNKNOWN) -> list[Settled]:
    """Ingestions after each other, each knowing the newest revisions of those before."""
    out = []
    for rows in deliveries:
        out.append(settle(frame(rows), after))
        after = latest(out[-1].kept, after)
    return out


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
    assert brief(out) == [("A", 0, 8), ("A", 1, 1)]
    assert out.refused["content"].tolist() == [3]


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


def oracle(rows: list[dict[str, Any]], known: dict[str, dict[str, Any]]) -> tuple[Any, ...]:
    """Settling row by row, as one would by hand: kept, contents in conflict, merged.

    ``known``: the newest revision of every key, which is brought forward.
    """
    kept, conflicts, merged, before = [], [], 0, set(known)
    seen: set[Any] = {(key, row["content"]) for key, row in known.items()}
    delivered = {(row["id"], row["content"], row["delivery"]) for row in rows}
    files = {row["delivery"] for row in rows}
    for row in sorted(rows, key=_order):
        key, last = row["id"], known.get(row["id"])
        if (key, row["content"]) in seen:
            merged += 1
            continue
        seen.add((key, row["content"]))
        revised, is_older = row["revised_at"], key in before
        has_time = revised or (is_older and not row["retracted"])
        if has_time and last and (revised or NEVER) < (last["revised_at"] or NEVER):
            merged += 1
            continue
        here = {file for file in files if (key, row["content"], file) in delivered}
        old = {file for file in files if last and (key, last["content"], file) in delivered}
        corrects = is_older and not revised and not row["retracted"] and here - old
        if last is None or revised or row["retracted"] or corrects:
            row = row | ({"delivery": min(here - old)} if corrects else {})
            was = last["cell"] if last and not last["retracted"] else None
            at = max(row["known_at"], last["known_at"]) if last else row["known_at"]
            number = last["revision"] + 1 if last else 0
            known[key] = row | {"revision": number, "was_cell": was, "known_at": at}
            kept.append(known[key])
        else:
            conflicts.append((key, row["content"]))
    return kept, Counter(conflicts), merged


def _order(row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        row["known_at"],
        row["revised_at"] or NEVER,
        row["retracted"],
        row["delivery"],
        row["content"],
    )


def flat(kept: pd.DataFrame | list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    names = "id revision content known_at cell was_cell retracted delivery".split()
    records = kept.to_dict("records") if isinstance(kept, pd.DataFrame) else kept
    return {tuple(None if row[name] is pd.NA else row[name] for name in names) for row in records}


@st.composite
def deliveries(draw: st.DrawFn, most: int = 8) -> list[dict[str, Any]]:
    """Rows of few keys, contents and times, so that they meet; equal contents say the same."""
    rows = []
    for _ in range(draw(st.integers(0, most))):
        content = draw(st.integers(1, 16))
        key, known = "AB"[content % 2], hours(content // 3)
        revised = hours((content * 7) % 16) if content % 8 >= 4 else None
        row = {"id": key, "content": content, "known_at": known, "revised_at": revised}
        gone = content % 5 == 4
        rows.append(
            BARE
            | row
            | {"cell": 100 + content, "retracted": gone}
            | {"delivery": draw(st.sampled_from("xy"))}
        )
    return rows


@settings(max_examples=15)
@given(first=deliveries(), second=deliveries(), data=st.data())
def test_settling_equals_the_oracle_in_any_order(first, second, data):
    known: dict[str, dict[str, Any]] = {}
    one, two = deliver(data.draw(st.permutations(first)), data.draw(st.permutations(second)))
    for out, rows in ((one, first), (two, second)):
        kept, conflicts, merged = oracle(rows, known)
        assert flat(out.kept) == flat(kept)
        assert len(out.kept) + len(out.refused) + out.merged == len(rows)
        pairs = zip(out.refused["id"], out.refused["content"], strict=True)
        assert Counter(pairs) == conflicts
        assert out.merged == merged


@settings(max_examples=15)
@given(rows=deliveries(12), late=deliveries(12), until=st.integers(0, 5))
def test_what_becomes_known_later_changes_nothing_before(rows, late, until):
    """Replace all that became known after an instant: what was known by it is the same."""
    instant = hours(until)
    early = [row for row in rows if row["known_at"] <= instant]
    other = [row for row in late if row["known_at"] > instant]

    def known(all_rows: list[dict[str, Any]]) -> pd.DataFrame:
        kept = settle(frame(all_rows), UNKNOWN).kept
        kept = kept[kept["known_at"] <= instant]
        return kept.sort_values(["id", "revision"], ignore_index=True)

    assert_frame_equal(known(rows), known(early + other))


def live_sums(revisions: pd.DataFrame, instant: datetime) -> Counter[Any]:
    """Cells of the arrivals known by ``instant``, what goes in less what comes out."""
    known = revisions[revisions["known_at"] <= instant]
    total: Counter[Any] = Counter(known["cell"][~known["retracted"]].tolist())
    total.subtract(known["was_cell"].dropna().tolist())
    return Counter({cell: count for cell, count in total.items() if count})


@settings(max_examples=15)
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
