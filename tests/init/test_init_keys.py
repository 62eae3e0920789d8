from __future__ import annotations

import pandas as pd

from pipeline.init.clocks import make_clock
from pipeline.init.formats import Reading
from pipeline.init.keys import Keys, find_keys, key_candidates

COUNT = 400


def rows(**columns: list[str]) -> pd.DataFrame:
    mapped = {"at": [str(i // 2) for i in range(COUNT)], "kind": ["theft", "fraud"] * (COUNT // 2)}
    return pd.DataFrame(mapped | columns, dtype="str")


def keys_of(frame: pd.DataFrame, stamp: str | None = None) -> Keys:
    counts = {name: frame[name].value_counts() for name in frame if name != stamp}
    found = key_candidates(counts, ["at", "kind"])
    clocks = [make_clock(frame, (stamp,), Reading(("ISO8601",), 1.0, clock=True))] if stamp else []
    return find_keys(frame, found, ["at", "kind"], clocks, lambda: frame)


NUMBERS = [f"23-{i:05d}" for i in range(COUNT)]


def test_a_number_of_the_case_beats_that_of_the_row() -> None:
    found = keys_of(rows(OBJECTID=[str(i) for i in range(COUNT)], case_number=NUMBERS))
    assert found.value == ["case_number"]
    assert not found.doubt


def test_a_number_of_the_row_is_doubted() -> None:
    found = keys_of(rows(OBJECTID=[str(i) for i in range(COUNT)], place=["x"] * COUNT))
    assert found.value == ["OBJECTID"]
    assert "should the next export number them otherwise" in found.doubt


def test_where_the_best_number_is_blank_another_counts() -> None:
    half = ["" if i < 200 else f"{70000 + i}" for i in range(COUNT)]
    several = [*NUMBERS[:398], NUMBERS[397], NUMBERS[397]]
    assert keys_of(rows(ID=half, Case_Number=several)).value == ["ID", "Case_Number"]


def test_cases_of_several_offences_take_the_offence_in() -> None:
    found = keys_of(rows(incident_number=[f"A{i // 2:05d}" for i in range(COUNT)]))
    assert found.value == [["incident_number", "kind"]]


def test_rows_alike_in_all_that_is_read_do_no_harm() -> None:
    frame = rows(incident_number=NUMBERS)
    again = pd.concat([frame, frame[:80]], ignore_index=True)  # two victims of one incident
    found = keys_of(again)
    assert found.value == ["incident_number"]
    assert "are merged" in found.why


def test_later_versions_are_revisions() -> None:
    stamps = ["2024-01-01 10:00"] * 300 + ["2024-02-01 10:00"] * 100
    frame = rows(report_no=[*NUMBERS[:300], *NUMBERS[:100]], updated=stamps)
    found = keys_of(frame, "updated")
    assert found.value == ["report_no"]
    assert found.revised is not None
    same = keys_of(frame.assign(updated="2024-01-01 10:00"), "updated")
    assert same.revised is None


def test_without_any_number_all_that_is_read_is_the_key() -> None:
    found = keys_of(rows(block=["100 BLOCK OF MAIN"] * COUNT))
    assert found.value == [["at", "kind"]]
    assert "no column numbers the incidents" in found.doubt


def test_addresses_times_and_places_are_no_numbers() -> None:
    texts = {
        "address": [f"{i} MAIN ST" for i in range(COUNT)],
        "incident_at": [f"2024-01-01 10:{i:05d}" for i in range(COUNT)],
        "x": [f"{i}.12345" for i in range(COUNT)],
        "number of things": ["1", "2"] * (COUNT // 2),
    }
    counts = {name: pd.Series(column).value_counts() for name, column in texts.items()}
    assert key_candidates(counts, []) == []
