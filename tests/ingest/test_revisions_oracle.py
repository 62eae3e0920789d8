"""Any rows settled by columns, held to the same done row by row, as by hand."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from revising import BARE, NEVER, UNKNOWN, deliver, frame, hours

from pipeline.ingest.revisions import settle


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
        is_later = is_older or max(here - old, default="") > max(old, default="")
        corrects = not revised and not row["retracted"] and here - old and is_later
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
