from __future__ import annotations

import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.init.yaml_text import WIDTH, comment, doubts, line, scalar

# What YAML itself cannot hold in any style is no name of a column.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
TRAPS = [
    "on",
    "no",
    "1",
    "1e3",
    "a: b",
    "a #b",
    "- x",
    "%m",
    "null",
    "~",
    "2020-01-01",
    "12:30",
    "",
]


@given(TEXTS | st.sampled_from(TRAPS))
def test_any_text_reads_back_as_itself(text: str) -> None:
    assert yaml.safe_load(f"key: {scalar(text)}  # why") == {"key": text}
    assert yaml.safe_load(f"{scalar(text)}: 1") == {text: 1}
    assert "\n" not in scalar(text)


@given(st.lists(st.lists(TEXTS | st.sampled_from(TRAPS), min_size=1, max_size=3), max_size=3))
def test_any_lists_read_back_as_themselves(texts: list[list[str]]) -> None:
    assert yaml.safe_load(f"key: {scalar(texts)}  # why") == {"key": texts}


@given(TEXTS, TEXTS)
def test_comments_hold_nothing_but_comment(text: str, more: str) -> None:
    lines = [*comment(f"{text} {more}", 4), *doubts([more])]
    assert yaml.safe_load("\n".join(["a: 1", *lines, "b: 2"])) == {"a": 1, "b": 2}


def test_long_reasons_stand_above_short_ones_behind() -> None:
    assert line(2, "key", ["ID"], "unique") == ["  key: [ID]  # unique"]
    above = line(2, "key", ["ID"], "word " * 30)
    assert above[-1] == "  key: [ID]"
    assert len(above) == 3
    assert all(len(text) <= WIDTH and text.startswith("  # ") for text in above[:-1])
