from __future__ import annotations

import pandas as pd

from pipeline.init.drift import Drift, match_headers

OLD = pd.DataFrame(
    {
        "case_number": [f"23-{i:05d}" for i in range(60)],
        "occurred": [f"2023-01-{1 + i % 28:02d} 10:{i % 60:02d}" for i in range(60)],
        "reported": [f"2023-02-{1 + i % 28:02d} 11:{i % 60:02d}" for i in range(60)],
        "offense": ["THEFT", "ROBBERY", "ARSON"] * 20,
        "latitude": [f"39.7{i:03d}" for i in range(60)],
        "longitude": [f"-104.9{i:03d}" for i in range(60)],
    },
    dtype="str",
)


def drift(*files: pd.DataFrame) -> Drift:
    headers = [tuple(file.columns) for file in files]
    return match_headers(headers, [len(file) for file in files], lambda place: files[place])


def test_the_same_header_spelled_otherwise_is_no_drift() -> None:
    found = drift(
        OLD, OLD[:9].rename(columns={"case_number": "Case Number", "occurred": "OCCURRED"})
    )
    assert found.renamed == {}
    assert found.found[1] is not None
    assert found.found[1]["case_number"] == "Case Number"


def test_columns_that_differ_in_case_only_stay_apart() -> None:
    both = OLD.assign(OFFENSE="x")
    found = drift(both, both[:9])
    assert found.found[0] == {name: name for name in both.columns}


def test_renamed_columns_are_matched_by_name_and_content() -> None:
    new = {"offense": "Crime Type", "latitude": "Y", "longitude": "X", "case_number": "Report No"}
    later = OLD[:40].rename(columns=new)[
        ["X", "Y", "reported", "Crime Type", "occurred", "Report No"]
    ]
    found = drift(OLD, later)
    assert found.renamed == {after: before for before, after in new.items()}
    assert found.names == tuple(OLD.columns)


def test_times_are_not_mixed_up() -> None:
    later = OLD[:40].rename(columns={"occurred": "occurrence date", "reported": "report date"})
    assert drift(OLD, later).renamed == {
        "occurrence date": "occurred",
        "report date": "reported",
    }


def test_new_columns_are_added_and_missing_ones_stay_missing() -> None:
    later = OLD[:40].drop(columns="reported").assign(zip="80202")
    found = drift(OLD, later)
    assert found.renamed == {}
    assert found.names == (*OLD.columns, "zip")
    assert found.found[1] is not None
    assert "reported" not in found.found[1]
    assert "2 different headers" in found.notes[0]


def test_another_kind_of_file_is_left_out() -> None:
    areas = pd.DataFrame({"area": ["a", "b"], "officers": ["12", "13"], "phone": ["1", "2"]})
    found = drift(OLD, areas)
    assert found.found[1] is None
    assert "left out" in found.notes[-1]


def test_the_header_of_the_most_rows_stands() -> None:
    later = OLD.rename(columns={"offense": "Crime Type"})
    assert drift(OLD[:9], later).renamed == {"offense": "Crime Type"}
