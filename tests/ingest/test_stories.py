"""What becomes of a key that is edited, reverted, taken back or left out, night after night."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redelivery import Nights, both
from tiny import BOX, City, incidents, make_config

from grids.hexgrid import HexGrid

pytestmark = pytest.mark.usefixtures("may_be_small")

# Stories of one key each, told together: what its rows say in the files of every night.
#
# A, B, C: categories, of which A was reported first and C last; a, b: take it back; o: A outside
# the city; x: A without a place; digits: versions in the order of their revision times, 0 without,
# = at the time of 1 and with another category, u after 3 and takes back. A file may hold several
# or none (.) of them; what is live after each night is told in the same letters, - for nothing.

ROWS = {
    "A": {"OFFENSE": "assault", "REPORTED": "5/1/2024 2:00:00 AM"},
    "B": {"OFFENSE": "theft", "REPORTED": "5/1/2024 3:00:00 AM"},
    "C": {"OFFENSE": "fraud", "REPORTED": "5/1/2024 4:00:00 AM"},
}
ROWS |= {"a": ROWS["A"] | {"COUNT": "-1"}, "b": ROWS["B"] | {"COUNT": "-1"}}
ROWS |= {"o": ROWS["A"] | {"LAT": "39.9"}}
ROWS |= {"x": ROWS["A"] | {"LAT": ""}, "0": ROWS["A"] | {"OFFENSE": "v0"}}
ROWS |= {n: ROWS["A"] | {"OFFENSE": f"v{n}", "UPDATED": f"6/{n}/2024 1:00:00 AM"} for n in "1234"}
ROWS |= {"=": ROWS["1"] | {"OFFENSE": "v="}, "u": ROWS["4"] | {"COUNT": "-1"}}
ROWS["4"] = ROWS["4"] | {"UPDATED": "6/5/2024 1:00:00 AM"}
LETTER = {"assault": "A", "theft": "B", "fraud": "C"} | {
    f"v{letter}": letter for letter in "01234="
}


@dataclass(frozen=True)
class Story:
    """``told``: night by night the rows in its files; ``revisions``, ``bad``: rows kept of it."""

    told: str
    live: str
    revisions: int
    bad: int = 0


def tell(
    city: City, plan: list[str], stories: dict[str, Story]
) -> tuple[dict[str, str], Counter[str], Counter[str]]:
    """What was live night after night, revisions and rows in quarantine, by story."""
    nights, base = Nights(city), incidents(z="theft").assign(COUNT="1", UPDATED="")
    base = base.assign(FROM="5/1/2024 1:00:00 AM", TO="")
    live = dict.fromkeys(stories, "")
    for number, files in enumerate(plan):
        delivered = {}
        for place, file in enumerate(files):
            rows = [base]
            for name, story in stories.items():
                letters = story.told.split()[number].split(",")[place].strip(".")
                rows += [base.assign(CASE=name, **ROWS[letter]) for letter in letters]
            delivered[file] = both(*rows)
        nights(**delivered)
        now = city.live()
        for name in stories:
            live[name] += LETTER[now[name]] if name in now else "-"
    return live, Counter(city.silver()["id"]), Counter(city.quarantine()["id"])


def told(
    folder: Path, stories: dict[str, Story], plan: list[str], **changes: Any
) -> dict[str, tuple[str, int, int]]:
    """Of every story: what was live night after night, its revisions, its rows in quarantine."""
    path = {"path": str(folder / "part*.csv"), "retracted": ["-1"]}
    columns = {"status": "COUNT"} | changes.pop("columns", {})
    config = make_config(folder, columns, source=path | changes)
    live, revisions, bad = tell(City(folder, config, HexGrid.from_extent(*BOX, 9)), plan, stories)
    return {name: (live[name], revisions[name], bad[name]) for name in stories}


def expected(stories: dict[str, Story]) -> dict[str, tuple[str, int, int]]:
    return {name: (s.live, s.revisions, s.bad) for name, s in stories.items()}


def test_two_files_that_are_edited_and_touched(tmp_path):
    plan = ["ab", "a", "b", "a", "ab", "b", "ab"]
    stories = {
        "there and back": Story("A,. B . A B,. . A,.", "ABBABBA", 5),
        "a third content": Story("A,. B . C A,. . C,.", "ABBCAAC", 5),
        "there and back by the other": Story("A,. A B A A,A A A,B", "AABBAAB", 4),
        "touched after the other": Story("A,. A B A A,B B A,B", "AABBBBB", 2),
        "touched, had said the same": Story("A,A B A B B,A A B,A", "ABBBBBB", 2),
        "touched, had repeated": Story("A,. A A B B,A A B,A", "AAABBBB", 2),
        "touched in the same night": Story("A,A A A A B,A A B,A", "AAAABBB", 2),
        "repeated first": Story(".,A A B A A,B B A,B", "AABBBBB", 2),
        "one of two goes on": Story("A,. A . A B,C C B,C", "AAAACCC", 3),
        "corrected in one, added in the other": Story("A,A A A A AB,B B AB,B", "AAAABBB", 2),
        "gone from an increment": Story("A,. . . . .,. . A,.", "AAAAAAA", 1),
        "gone from the later file": Story("A,. A B A A,. . A,.", "AABBBBB", 2),
        "conflict": Story("AB,. AB . AB AB,. . AB,.", "AAAAAAA", 1, 1),
        "two files, the later corrects": Story("A,B A B A A,B B A,B", "BBBBBBB", 2),
        "conflict that comes later": Story("A,. AB . AB A,. . AB,.", "AAAAAAA", 1, 1),
        "conflict that is left": Story("AB,. AB . B B,. . AB,.", "AAABBBB", 2, 1),
        "unusable at first": Story("x,. x . A A,. . x,.", "---AAAA", 1, 1),
        "unusable later": Story("A,. x . x A,. . x,.", "AAAAAAA", 1, 1),
        "moves in": Story("o,. o . A o,. . A,.", "---A--A", 3, 1),
        "moves out": Story("A,. o . A o,. . o,.", "A--A---", 4),
        "outside beside": Story("Ao,. Ao . Ao A,. . Ao,.", "AAAAAAA", 1, 1),
        "outside comes beside": Story("A,. Ao . o o,. . A,.", "AAA---A", 3, 1),
        "taken back at once": Story("Aa,. Aa . Aa Aa,. . Aa,.", "-------", 2),
        "taken back later": Story("A,. Aa . Aa Aa,. . Aa,.", "A------", 2),
        "taken back by the other": Story("A,. A a A A,a a A,a", "AA-----", 2),
        "taken back, never known": Story(".,a . a . .,a a .,a", "-------", 1),
        "comes back": Story("A,. a . A a,. . A,.", "A--A--A", 5),
        "comes back otherwise": Story("A,. a . B B,. . B,.", "A--BBBB", 3),
        "comes back by the other": Story("A,. Aa B Aa Aa,B B Aa,B", "A-BBBBB", 3),
        "taken back by two rows": Story("A,. Aab . Aab Aab,. . Aab,.", "A------", 3),
        "taken back twice": Story("A,. Aa . A Aa,. . A,.", "A--A--A", 5),
    }
    assert told(tmp_path, stories, plan) == expected(stories)


def test_a_new_file_every_day(tmp_path):
    stories = {
        "the same": Story("A A A A A", "AAAAA", 1),
        "there and back": Story("A B A A B", "ABAAB", 4),
        "conflict": Story("AB AB AB AB AB", "AAAAA", 1, 1),
        "conflict that comes later": Story("A AB AB AB AB", "AAAAA", 1, 1),
        "conflict that is left": Story("AB B B AB B", "ABBBB", 2, 1),
        "moves out": Story("A o A A o", "A-AA-", 4),
        "never inside": Story("o o o o o", "-----", 0, 1),
        "never usable": Story("x x x x x", "-----", 0, 1),
        "taken back": Story("Aa Aa Aa A Aa", "---A-", 4),
    }
    assert told(tmp_path, stories, list("abcde")) == expected(stories)


def test_revisions_that_have_their_times(tmp_path):
    plan = ["ab", "a", "b", "a", "ab", "b", "ab"]
    stories = {
        "in order": Story("1,. 2 . 3 4,. . 4,.", "1223444", 4),
        "an older one returns": Story("1,. 2 . 1 1,. . 2,.", "1222222", 2),
        "older ones come later": Story("3,. 3 1 3 3,2 1 3,4", "3333334", 2),
        "all in one file": Story("12,. 12 . 123 123,. . 1234,.", "2223334", 4),
        "all in another": Story("2,. 12 12 12 12,123 123 2,1", "2222333", 2),
        "the first comes later": Story("2,. 2 0 2 2,0 0 2,0", "2222222", 1),
        "the first returns": Story("0,. 1 . 0 0,. . 1,.", "0111111", 2),
        "two of one time": Story("1,. 1= . 1= 1=,. . 1=,.", "1======", 2),
        "taken back in between": Story("1,. 1u . 1u 1u4,. . 1u4,.", "1---444", 3),
        "taken back, older returns": Story("1,. u 2 1 1,2 3 4,.", "1-----4", 3),
    }
    assert told(tmp_path, stories, plan, columns={"revised_at": "UPDATED"}) == expected(stories)


def test_snapshots(tmp_path):
    stories = {
        "comes and goes": Story("A,. .,. A,. .,. A,. A,. .,.", "A-A-AA-", 6),
        "moves between files": Story("A,. .,A A,. A,A .,A A,. A,.", "AAAAAAA", 1),
        "twice in it": Story("AA,A AA,A A,. .,AA A,A A,A A,.", "AAAAAAA", 1),
        "returns changed": Story("A,. .,. B,. .,. .,A A,. A,.", "A-B-AAA", 5),
        "there and back": Story("A,. B,. A,. .,B .,A A,. B,.", "ABABAAB", 6),
        "unusable is not missing": Story("A,. x,. A,. x,. .,. x,. A,.", "AAAA--A", 3, 1),
        "one file is corrected": Story("A,A B,A B,A B,A A,A B,. .,A", "ABBBABA", 5),
        "conflict of two files": Story("A,B A,B .,B .,B A,B A,. A,.", "AABBBAA", 3, 1),
        "conflict in one file": Story("AB,. B,. AB,. A,. .,. .,. A,.", "ABBA--A", 5, 1),
        "taken back": Story("A,. Aa,. a,. A,. .,. Aa,. A,.", "A--A--A", 7),
        "taken back by the other": Story("A,. A,a B,a B,a B,a B,. A,.", "A-BBBBA", 4),
        "moves out": Story("A,. o,. .,. o,. A,. o,. .,o", "A---A--", 4),
        "moves in": Story("o,. .,. o,. A,. .,. o,. A,.", "---A--A", 4, 1),
        "comes later": Story(".,. .,. A,. A,. A,. A,. A,.", "--AAAAA", 1),
    }
    assert told(tmp_path, stories, ["ab"] * 7, delivers="snapshot") == expected(stories)
