"""Which group a category falls in."""

from __future__ import annotations

import pandas as pd
import pytest

from pipeline.groups import OTHER, POLICE_INITIATED, make_grouping

GROUPS = {"violent": (["Simple Assault"], []), "property": (["arson"], ["theft.*", ".*fraud"])}


@pytest.mark.parametrize(
    ("category", "group"),
    [
        ("Simple Assault", "violent"),
        (" simple_ASSAULT ", "violent"),
        ("simple - assault", "violent"),
        ("Theft from auto", "property"),
        (" mail fraud ", "property"),
        ("petty theft", OTHER),  # a pattern fits from end to end
        ("fraudulent check", OTHER),
        ("aggravated assault", OTHER),
        ("drug possession", POLICE_INITIATED),
        ("Drug-Fraud", POLICE_INITIATED),  # a pattern does not name it
        ("Liquor Law Violation", POLICE_INITIATED),
        ("drugstore burglary", OTHER),
    ],
)
def test_a_category_is_grouped_by_name_then_pattern(category: str, group: str) -> None:
    grouping = make_grouping(GROUPS, [])
    assert grouping.group_of(category) == group
    assert grouping.names == ("violent", "property", OTHER, POLICE_INITIATED)


def test_a_name_goes_before_a_pattern() -> None:
    groups = {"a": ([], ["theft.*"]), "b": (["Theft of car"], [])}
    grouping = make_grouping(groups, [])
    assert [grouping.group_of(text) for text in ("theft of car", "theft of bike")] == ["b", "a"]


def test_named_police_initiated_categories_are_as_others() -> None:
    grouping = make_grouping(GROUPS, ["Drug Fraud", "GAMBLING"])
    found = [grouping.group_of(text) for text in ("drug-fraud", "gambling", "prostitution")]
    assert found == ["property", OTHER, POLICE_INITIATED]


def test_classify_groups_every_row_in_its_place() -> None:
    rows = pd.Series(["theft", "x", "simple assault", "theft"], index=[9, 2, 5, 7])
    groups = make_grouping(GROUPS, []).classify(rows)
    expected = pd.Series(["property", OTHER, "violent", "property"], rows.index, dtype="str")
    pd.testing.assert_series_equal(groups, expected)
    assert make_grouping(GROUPS, []).classify(rows[:0]).empty
